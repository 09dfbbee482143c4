"""What /proc says about a process and its descendants: memory, processor time, sockets (Linux; proc(5))."""

import contextlib
import os
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

TICKS_PER_SECOND = os.sysconf("SC_CLK_TCK")
# Positions among the fields after the command's name in /proc/<pid>/stat. The first of these fields is the state.
USER_TICKS_FIELD, SYSTEM_TICKS_FIELD = 11, 12


@dataclass(frozen=True, slots=True)
class Memory:
    """Resident memory in bytes: now, and at its highest."""

    now: int
    most: int


def memory(pid: int) -> Memory | None:
    """Return the resident memory of a process, None if it has ended."""
    sizes = {}
    for line in _read(Path(f"/proc/{pid}/status")).splitlines():
        name, _, value = line.partition(":")
        if name in ("VmRSS", "VmHWM"):
            sizes[name] = int(value.split()[0]) * 1024
    return Memory(sizes["VmRSS"], sizes["VmHWM"]) if len(sizes) == 2 else None


def cpu_seconds(pid: int) -> float | None:
    """Return the processor time, user and system, that a process has used so far; None if it has ended."""
    fields = _read(Path(f"/proc/{pid}/stat")).rpartition(")")[2].split()
    if not fields:
        return None
    return (int(fields[USER_TICKS_FIELD]) + int(fields[SYSTEM_TICKS_FIELD])) / TICKS_PER_SECOND


def descendants(pid: int) -> list[int]:
    """Return the ids of a process's children, their children and so on."""
    found: list[int] = []
    for task in _entries(Path(f"/proc/{pid}/task")):
        for child in _read(task / "children").split():
            found += [int(child), *descendants(int(child))]
    return found


def owner_of_socket(inode: int, processes: Iterable[int]) -> int | None:
    """Return which of `processes` holds the socket of this inode, None if none does."""
    for pid in processes:
        for descriptor in _entries(Path(f"/proc/{pid}/fd")):
            with contextlib.suppress(OSError):  # closed since it was listed
                if str(descriptor.readlink()) == f"socket:[{inode}]":
                    return pid
    return None


def _read(path: Path) -> str:
    try:
        return path.read_text(encoding="utf-8", errors="replace")
    except (FileNotFoundError, ProcessLookupError):  # the process has ended
        return ""


def _entries(directory: Path) -> list[Path]:
    try:
        return list(directory.iterdir())
    except (FileNotFoundError, ProcessLookupError):
        return []
