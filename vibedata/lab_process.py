"""Start, find and end the lab's process."""

import json
import os
import select
import shlex
import signal
import subprocess
import sys
import time
from collections.abc import Mapping
from dataclasses import dataclass
from http.client import HTTPConnection, HTTPException
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from vibedata.output import CommandError

# Only a shell needs these variables of lab.env: with them a person can type the examples. A program names its instance
# itself.
FOR_SHELLS = ("PATH", "VIBEDATA_INSTANCE")
PROJECT = Path(__file__).resolve().parent.parent
LOG_FILE = "lab.log"
LOG_TAIL_LINES = 20
# A start takes some three seconds, and much longer on a busy machine.
START_SECONDS = 180.0
STOP_SECONDS = 20.0
RESET_SECONDS = 60.0
POLL_SECONDS = 0.05


@dataclass(frozen=True, slots=True, kw_only=True)
class RunningLab:
    """A lab that answers."""

    directory: Path
    pid: int
    environment: Mapping[str, str]

    def as_json(self) -> dict[str, object]:
        """Return what `lab up --output json` shows."""
        return {
            "status": "up",
            "directory": str(self.directory),
            "pid": self.pid,
            "environment_file": str(self.directory / "lab.env"),
            "environment": dict(self.environment),
        }


def command(directory: Path, *options: str) -> list[str]:
    """Return the command that runs a lab in `directory`. Start it in the folder PROJECT."""
    return [sys.executable, "-m", "lab", "--dir", str(directory), *options]


def find(directory: Path) -> RunningLab | None:
    """Return the lab that runs in `directory` and is ready, or None."""
    process = _open_process(directory)
    if process is None:
        return None
    pid, descriptor = process
    os.close(descriptor)
    try:
        lines = (directory / "lab.env").read_text()
    except FileNotFoundError:
        return None
    words = (shlex.split(line)[1] for line in lines.splitlines())
    variables = dict(word.split("=", 1) for word in words)
    for name in FOR_SHELLS:
        variables.pop(name, None)
    return RunningLab(directory=directory, pid=pid, environment=variables)


def start_detached(directory: Path, *options: str) -> RunningLab:
    """Start a lab in the background and return when it is ready. `options` are options of `python -m lab`.

    Raises CommandError with the end of the lab's log if the lab ends, or is not ready after START_SECONDS.
    """
    directory.mkdir(parents=True, exist_ok=True)
    # The lab's output holds its passwords. A link at this path would lead to somebody else's file.
    flags = os.O_WRONLY | os.O_CREAT | os.O_TRUNC | os.O_NOFOLLOW | os.O_CLOEXEC
    with os.fdopen(os.open(directory / LOG_FILE, flags, 0o600), "wb") as log:
        process = subprocess.Popen(  # noqa: S603 - our own interpreter
            command(directory, *options),
            cwd=PROJECT,
            stdin=subprocess.DEVNULL,
            stdout=log,
            stderr=subprocess.STDOUT,
            start_new_session=True,
        )
    deadline = time.monotonic() + START_SECONDS
    while process.poll() is None and time.monotonic() < deadline:
        lab = find(directory)
        if lab is not None and lab.pid == process.pid:
            # The lab must outlive this process. Without this line, subprocess would warn about it.
            process.returncode = 0
            return lab
        time.sleep(POLL_SECONDS)
    code = process.poll()
    if code is None:
        process.terminate()
        process.wait()
    why = f"was not ready after {START_SECONDS:.0f} s" if code is None else f"ended with {code}"
    tail = (directory / LOG_FILE).read_text(errors="replace").splitlines()[-LOG_TAIL_LINES:]
    raise CommandError("\n  ".join([f"the lab {why}:", *tail]), remedy=f"read {directory / LOG_FILE}")


def warnings(lab: RunningLab) -> list[str]:
    """Return warnings about parts of Azure that this machine lacks, such as CPython 3.10. Raises CommandError."""
    return list(control(lab, "GET", "/status")["warnings"])


def stop(directory: Path) -> int | None:
    """End the lab that runs in `directory`, with its processes. Return its process id, None if there is none."""
    process = _open_process(directory)
    if process is None:
        return None
    pid, descriptor = process
    try:
        for number, seconds in ((signal.SIGTERM, STOP_SECONDS), (signal.SIGKILL, STOP_SECONDS)):
            signal.pidfd_send_signal(descriptor, number)
            if select.select([descriptor], [], [], seconds)[0]:
                break
    finally:
        os.close(descriptor)
    # A lab that was killed has not removed these files.
    for name in ("instance.json", "lab.env", "lab.pid"):
        (directory / name).unlink(missing_ok=True)
    return pid


def control(
    lab: RunningLab, method: str, path: str, *, body: Mapping[str, Any] | None = None, seconds: float = 10.0
) -> Any:
    """Ask the lab's control API and return the JSON answer. Raises CommandError for no answer or an error answer."""
    address = urlsplit(lab.environment["VIBEDATA_LAB_CONTROL"])
    connection = HTTPConnection(address.hostname or "", address.port, timeout=seconds)
    try:
        content = None if body is None else json.dumps(body)
        connection.request(method, path, content, {"Content-Type": "application/json"})
        answer = connection.getresponse()
        received = answer.read()
    except (OSError, HTTPException) as error:
        raise CommandError(f"the lab does not answer: {error}", remedy=f"read {lab.directory / LOG_FILE}") from error
    finally:
        connection.close()
    if answer.status not in (200, 201):
        text = received.decode(errors="replace")
        raise CommandError(f"the lab answered {answer.status}: {text}", remedy=f"read {lab.directory / LOG_FILE}")
    return json.loads(received)


def _open_process(directory: Path) -> tuple[int, int] | None:
    """Return the id and a descriptor of the lab's process, None if it has ended.

    The descriptor always means this process. The file lab.pid names the process by id and start time (proc(5), stat
    field 22), because the system uses ids again.
    """
    try:
        noted = json.loads((directory / "lab.pid").read_text())
        descriptor = os.pidfd_open(noted["pid"])
    except (FileNotFoundError, ProcessLookupError):
        return None
    try:
        fields = Path(f"/proc/{noted['pid']}/stat").read_text().rpartition(")")[2].split()
    except (FileNotFoundError, ProcessLookupError):
        fields = ["Z"]
    # A zombie has ended, but its parent has not noticed this yet.
    if fields[0] == "Z" or int(fields[19]) != noted["started"]:
        os.close(descriptor)
        return None
    return int(noted["pid"]), descriptor
