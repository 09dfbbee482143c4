"""The processes that work in a folder."""

import os
import time
from pathlib import Path


def processes_below(directory: Path) -> list[int]:
    """Return the processes with `directory` on their command line or as working directory: a lab and its servers."""
    found = []
    for process in Path("/proc").iterdir():
        try:
            words = (process / "cmdline").read_bytes() + b"\0" + os.fsencode((process / "cwd").readlink())
        except OSError:
            continue
        if process.name.isdecimal() and os.fsencode(directory) in words:
            found.append(int(process.name))
    return found


def wait_until_none(directory: Path) -> None:
    deadline = time.monotonic() + 120
    while left := processes_below(directory):
        assert time.monotonic() < deadline, f"still there: {left}"
        time.sleep(0.02)
