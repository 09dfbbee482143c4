"""The processes that work in a folder, and how a test starts one that it interrupts."""

import os
import signal
import time
from pathlib import Path

from vibedata.interruption import NUMBERS


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


def heed_signals() -> None:
    """For `preexec_fn`: let a process end by the signals that end a command.

    If the tests run in the background or with nohup, their child processes ignore Ctrl-C or SIGHUP.
    """
    for number in (signal.SIGINT, *NUMBERS):
        signal.signal(number, signal.SIG_DFL)
