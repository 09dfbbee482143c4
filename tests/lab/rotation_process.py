"""A whole rotation in a process of its own, the customer's phases included, that can be made to end at a request.

The process is forked from a server that has imported everything, so that a run costs what it asks for and little more.
"""

import json
import multiprocessing
import os
import re
import signal
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

import requests
from requests.adapters import HTTPAdapter

from tests.lab.publisher_side import publisher_side
from tests.lab.runbook_run import QuickClock
from tests.lab.running_lab import LabUnderTest

Trouble = Literal["kill", "lose"]
GRACE_SECONDS = 0.5
WAIT_SECONDS = 120.0

_FORKSERVER = multiprocessing.get_context("forkserver")
_FORKSERVER.set_forkserver_preload([__name__])


class GraceClock(QuickClock):
    """A quick clock on which the grace takes its time: to look again and again would be most that a rotation asks."""

    def sleep(self, seconds: float) -> None:
        if seconds > GRACE_SECONDS:
            super().sleep(seconds)
        else:
            time.sleep(seconds)


@dataclass(frozen=True, slots=True, kw_only=True)
class Ended:
    """How a process ended. exit_code: 0 the rotation is over, 1 a change failed, negative: killed by that signal.

    writes: what it sent that changes anything but the log, in order. said: what the command and the jobs have shown.
    """

    exit_code: int
    writes: list[str]
    said: str
    rotation: Mapping[str, Any]


def rotate(lab: LabUnderTest, folder: Path, *, trouble: Trouble | None = None, at: int = 0, **request: Any) -> Ended:
    """Run a rotation to its end, and return how it ended.

    trouble: at the write number `at` (from 1), `kill` ends the process when the write was answered, and `lose` lets the
    lab carry the write out and drop its answer.
    """
    for file in folder.iterdir():
        file.unlink()
    process = _FORKSERVER.Process(target=_run, args=(lab, folder, trouble, at, request))
    process.start()
    process.join(WAIT_SECONDS)
    if process.is_alive():
        process.kill()
        raise AssertionError("the rotation has not ended")
    assert process.exitcode is not None
    return Ended(
        exit_code=process.exitcode,
        writes=_text(folder / "writes").splitlines(),
        said=_text(folder / "said"),
        rotation=json.loads(_text(folder / "rotation") or "{}"),
    )


def _text(file: Path) -> str:
    return file.read_text() if file.exists() else ""


def _run(lab: LabUnderTest, folder: Path, trouble: Trouble | None, at: int, request: Mapping[str, Any]) -> None:
    os.environ.update(lab.env)
    with publisher_side(lab, GraceClock()) as side, (folder / "writes").open("w", buffering=1) as writes:
        HTTPAdapter.send = _watched(HTTPAdapter.send, lab, writes.write, trouble, at)  # type: ignore[method-assign]
        rotating = side.hmac_rotation(grace_seconds=GRACE_SECONDS, **request)
        outcome = side.drive(rotating)
        newest = rotating.newest
        (folder / "said").write_text("\n".join(side.said))
        assert newest is not None
        (folder / "rotation").write_text(
            json.dumps({"number": newest.number, "key_id": newest.credential_id, "open": newest.open})
        )
        os._exit(1 if outcome.failed or outcome.resume_at else 0)


def _watched(
    send: Callable[..., requests.Response],
    lab: LabUnderTest,
    note: Callable[[str], object],
    trouble: Trouble | None,
    at: int,
) -> Callable[..., requests.Response]:
    """Return what sends a request, counts it if it is a write, and sees to the trouble at its turn."""
    count = 0

    def watched(self: HTTPAdapter, request: requests.PreparedRequest, **options: Any) -> requests.Response:
        nonlocal count
        if not _is_write(request):
            return send(self, request, **options)
        count += 1
        mine = count == at
        note(f"{request.method} {request.path_url.partition('?')[0]}\n")
        if mine and trouble == "lose":
            match = {"method": request.method, "path": f"^{re.escape(request.path_url)}$"}
            lab.fault("reset_after", match=match)
        answer = send(self, request, **options)
        if mine and trouble == "kill":
            os.kill(os.getpid(), signal.SIGKILL)
        return answer

    return watched


def _is_write(request: requests.PreparedRequest) -> bool:
    """Whether a request changes what a rotation goes by: not the log, no token, nor the lab's own control."""
    path = request.path_url
    others = any(part in path for part in ("/oauth2/", "/streams/", "/faults"))
    return request.method not in ("GET", "HEAD") and not others
