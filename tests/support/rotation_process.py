"""A whole rotation in a separate process, with the customer's phases. A test can end the process at a request.

The process is forked from a server that has imported everything. So a run costs little more than its requests.
"""

import json
import multiprocessing
import os
import re
import signal
import time
from collections import Counter
from collections.abc import Callable, Container, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

import requests
from requests.adapters import HTTPAdapter

from tests.support.publisher_side import publisher_side
from tests.support.runbook_run import QuickClock
from tests.support.running_lab import LabUnderTest
from vibedata.progress_view.writer import view_of_lines
from vibedata.rotation.command import jobs_of
from vibedata.session import open_session

Trouble = Literal["kill", "lose"]
# Writes change the state that a rotation depends on. The other requests read, get a token, or deliver a log.
Kind = Literal["writes", "others"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Disturbance:
    """The trouble of a run. It happens at the requests of a `kind` that have the numbers `at`, counted from 1."""

    trouble: Trouble | None
    kind: Kind
    at: Container[int]


GRACE_SECONDS = 0.5
WAIT_SECONDS = 120.0

_FORKSERVER = multiprocessing.get_context("forkserver")
_FORKSERVER.set_forkserver_preload([__name__])


class GraceClock(QuickClock):
    """A quick clock that does not shorten the grace, because most of a rotation's requests would be looks during it."""

    def sleep(self, seconds: float) -> None:
        if seconds > GRACE_SECONDS:
            super().sleep(seconds)
        else:
            time.sleep(seconds)


@dataclass(frozen=True, slots=True, kw_only=True)
class Ended:
    """How a process ended. exit_code: 0 the rotation is over, 1 it is not over, negative: killed by that signal.

    writes, others: the requests of each kind, in order. said: the output of the command and the jobs.
    """

    exit_code: int
    writes: list[str]
    others: list[str]
    said: str
    rotation: Mapping[str, Any]


def rotate(
    lab: LabUnderTest,
    folder: Path,
    *,
    trouble: Trouble | None = None,
    kind: Kind = "writes",
    at: Container[int] = (),
    jobs: bool = False,
    **request: Any,
) -> Ended:
    """Run a rotation to its end, and return how it ended.

    trouble: happens at the requests of a `kind` that have the numbers `at`, counted from 1. `kill` ends the process
    after the answer. With `lose` the lab carries the request out and drops its answer. jobs: whether the customer's
    phases run as jobs. This process does not send the requests of jobs.
    """
    for file in folder.iterdir():
        file.unlink()
    disturbance = Disturbance(trouble=trouble, kind=kind, at=at)
    process = _FORKSERVER.Process(target=_run, args=(lab, folder, jobs, disturbance, request))
    process.start()
    process.join(WAIT_SECONDS)
    if process.is_alive():
        process.kill()
        raise AssertionError("the rotation has not ended")
    assert process.exitcode is not None
    return Ended(
        exit_code=process.exitcode,
        writes=_text(folder / "writes").splitlines(),
        others=_text(folder / "others").splitlines(),
        said=_text(folder / "said"),
        rotation=json.loads(_text(folder / "rotation") or "{}"),
    )


def _text(file: Path) -> str:
    return file.read_text() if file.exists() else ""


def _run(lab: LabUnderTest, folder: Path, jobs: bool, disturbance: Disturbance, request: Mapping[str, Any]) -> None:
    os.environ.update(lab.env)
    with publisher_side(lab, GraceClock()) as opened:
        HTTPAdapter.send = _watched(HTTPAdapter.send, lab, folder, disturbance)  # type: ignore[method-assign]
        side = opened.by(jobs_of(open_session(lab.env), view_of_lines(opened.said.append))) if jobs else opened
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
    send: Callable[..., requests.Response], lab: LabUnderTest, folder: Path, disturbance: Disturbance
) -> Callable[..., requests.Response]:
    """Return a function that notes a request, sends it, and makes the trouble if it is this request's turn."""
    counts: Counter[Kind] = Counter()

    def watched(self: HTTPAdapter, request: requests.PreparedRequest, **options: Any) -> requests.Response:
        path = request.path_url
        if str(request.url).startswith(lab.env["VIBEDATA_LAB_CONTROL"]):
            return send(self, request, **options)
        kind: Kind = "writes" if _is_write(request) else "others"
        counts[kind] += 1
        trouble = disturbance.trouble if kind == disturbance.kind and counts[kind] in disturbance.at else None
        with (folder / kind).open("a") as notes:
            notes.write(f"{request.method} {path.partition('?')[0]}\n")
        if trouble == "lose":
            lab.fault("reset_after", match={"method": request.method, "path": f"^{re.escape(path)}$"})
        answer = send(self, request, **options)
        if trouble == "kill":
            os.kill(os.getpid(), signal.SIGKILL)
        return answer

    return watched


def _is_write(request: requests.PreparedRequest) -> bool:
    """Tell whether a request changes the state that a rotation depends on. The log and tokens are no such state."""
    others = any(part in request.path_url for part in ("/oauth2/", "/streams/"))
    return request.method not in ("GET", "HEAD") and not others
