"""Find the processes that work in a folder, and start a process that a test interrupts."""

import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

from tests.support.running_lab import LabUnderTest, environment
from vibedata.interruption import NUMBERS

ROOT = Path(__file__).parents[2]
WAIT_SECONDS = 120


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
    deadline = time.monotonic() + WAIT_SECONDS
    while left := processes_below(directory):
        assert time.monotonic() < deadline, f"still there: {left}"
        time.sleep(0.02)


def heed_signals() -> None:
    """For `preexec_fn`: let a process end by the signals that end a command.

    If the tests run in the background or with nohup, their child processes ignore Ctrl-C or SIGHUP.
    """
    for number in (signal.SIGINT, *NUMBERS):
        signal.signal(number, signal.SIG_DFL)


def interrupted(
    lab: LabUnderTest, *words: str, method: str, path: str, number: signal.Signals
) -> tuple[dict[str, Any], str]:
    """Send a signal to a command that waits for an answer of ARM. Return its JSON result and its messages.

    method, path: the request whose answer it waits for; `path` is a part of the whole path.
    """
    lab.fault("delay", seconds=WAIT_SECONDS, match={"service": "arm", "method": method, "path": path})
    newest = lab.last_request()
    with subprocess.Popen(
        [sys.executable, "-m", "vibedata.cli", *words, "--output", "json"],
        cwd=ROOT,
        env=environment(lab),
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        start_new_session=True,
        preexec_fn=heed_signals,  # noqa: PLW1509 - no threads that hold locks
    ) as command:
        deadline = time.monotonic() + WAIT_SECONDS
        while not any(path in each["path"] for each in lab.journal(since=newest, service="arm", method=method)):
            assert command.poll() is None and time.monotonic() < deadline
            time.sleep(0.05)
        command.send_signal(number)
        out, err = command.communicate(timeout=WAIT_SECONDS)
    lab.clear_faults()
    assert command.returncode == 128 + number, err
    told: dict[str, Any] = json.loads(out)
    return told, err
