"""A lab that tests drive over the wire, and a client for its control API."""

import base64
import os
import sys
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from tests.support import kept_connections, release_signer
from vibedata import lab_process

# A snapshot waits for the real servers to start again.
CONTROL_SECONDS = 180
# The variables of the shell that runs the tests, with which clients would not reach the lab.
FOREIGN = ("HTTP_PROXY", "HTTPS_PROXY", "ALL_PROXY", "http_proxy", "https_proxy", "all_proxy")


@dataclass(frozen=True, slots=True, kw_only=True)
class LabUnderTest:
    """One running lab: its environment (the names of lab.env), folder, process, and control API."""

    env: Mapping[str, str]
    directory: Path
    pid: int

    def control(self, method: str, path: str, body: object = None, *, status: int | None = None) -> Any:
        """Ask the control API, and return its JSON answer. The status must be `status` (None: a success)."""
        url = self.env["VIBEDATA_LAB_CONTROL"] + path
        answer = kept_connections.request(method, url, json=body, timeout=CONTROL_SECONDS)
        assert answer.ok if status is None else answer.status_code == status, f"{answer.status_code}: {answer.text}"
        return answer.json()

    def fault(
        self, action: str, *, times: int = 1, match: Mapping[str, object] | None = None, **fields: object
    ) -> None:
        """Set a fault. `match` has service, method, path, nth. `fields` has status or seconds."""
        self.control("POST", "/faults", {"action": action, "times": times, "match": match or {}, **fields})

    def require_met(self) -> None:
        """Fail if a fault in force has met no request: then the test has not tested what it is named for."""
        _require_met(self.control("GET", "/faults")["faults"])

    def clear_faults(self) -> None:
        """Remove every fault, and fail if one has met no request."""
        faults = self.control("GET", "/faults")["faults"]
        self.control("DELETE", "/faults")
        _require_met(faults)

    def latency(self, **fields: object) -> None:
        """Set a latency: seconds, and service, method, path or operation."""
        self.control("POST", "/latency", fields)

    def journal(self, **filters: object) -> list[dict[str, Any]]:
        """Return the journal's entries. The filters are service, job_id, method, since."""
        query = "&".join(f"{name}={value}" for name, value in filters.items())
        entries: list[dict[str, Any]] = self.control("GET", f"/requests?{query}")["requests"]
        return entries

    def last_request(self) -> int:
        """Return the sequence of the newest request of the journal, 0 for none."""
        return int(self.control("GET", f"/requests?since={sys.maxsize}")["newest"])

    def requests_with(
        self, sought: Mapping[str, Iterable[bytes]], *, since: int
    ) -> tuple[list[Mapping[str, Any]], int]:
        """Search the requests after sequence `since`. Return those that sent a sought text, and how many were searched.

        Requests to the vaults are not searched (lab/front/request_copies.py).
        """
        forms = {name: [base64.b64encode(form).decode() for form in several] for name, several in sought.items()}
        answer = self.control("POST", "/requests/search", {"since": since, "sought": forms})
        assert answer["complete"], "the lab keeps no copies of that much"
        return answer["found"], answer["searched"]

    def reset(self) -> None:
        """Bring the lab back to its state at the start."""
        self.control("POST", "/reset")


def _require_met(faults: Iterable[Mapping[str, object]]) -> None:
    unmet = [fault for fault in faults if not fault["applied"]]
    assert unmet == [], "these faults met no request"


def start(directory: Path, *options: str) -> LabUnderTest:
    """Start a lab in `directory`, with options of `python -m lab`.

    Its environment also trusts the tests' own signer, besides the lab's signer. After a failure no lab is left running.
    """
    lab = lab_process.start_detached(directory, *options)
    try:
        return LabUnderTest(env=release_signer.trusting(lab.environment), directory=directory, pid=lab.pid)
    except BaseException:
        lab_process.stop(directory)
        raise


@contextmanager
def running(directory: Path, *options: str) -> Iterator[LabUnderTest]:
    """Start a lab, and always end it."""
    try:
        yield start(directory, *options)
    finally:
        lab_process.stop(directory)


def point_at(lab: LabUnderTest, patch: pytest.MonkeyPatch) -> None:
    """Point this process's clients at the lab, until `patch` is undone."""
    for name in FOREIGN:
        patch.delenv(name, raising=False)
    for name, value in lab.env.items():
        patch.setenv(name, value)


def environment(lab: LabUnderTest) -> dict[str, str]:
    """Return an environment for a process that uses the lab, and nothing else of Azure."""
    kept = {name: value for name, value in os.environ.items() if not name.startswith(("VIBEDATA_", "AZURE_"))}
    return {name: value for name, value in kept.items() if name not in FOREIGN} | dict(lab.env)
