"""The lock's requests with a fault at each: afterwards nobody is kept out, and no second deployment is let in."""

from collections.abc import Callable, Sequence
from dataclasses import replace
from functools import partial
from typing import Any
from uuid import uuid4

import pytest
from azure.core.exceptions import AzureError

from runbook_lib.deployment_lock.lock import holding
from runbook_lib.deployment_lock.place import LockPlace
from runbook_lib.errors import RunbookError
from tests.support.lock_rig import content, deployment, lease_state, places
from tests.support.running_lab import LabUnderTest

STORAGE = {"service": "blob"}
TROUBLES: tuple[tuple[str, dict[str, Any]], ...] = (
    ("reset_after", {}),
    ("reset_before", {}),
    ("status", {"status": 503}),
    ("status", {"status": 429}),
    ("status", {"status": 500}),
)


def held(lab: LabUnderTest, beside: Callable[[], None], found: Sequence[LockPlace] = ()) -> list[str]:
    """Hold the lock during a step in which `beside` is called. Return what was reported."""
    lines: list[str] = []
    lock = deployment(lab.env, report=lines.append)
    with holding(lock, found or places(lab.env), wait_seconds=0):
        lock.begin("publish")
        beside()
    return lines


def somebody_else_is_refused(lab: LabUnderTest, found: Sequence[LockPlace] = ()) -> None:
    second = deployment(lab.env)
    with pytest.raises(RunbookError) as refused, holding(second, found or places(lab.env), wait_seconds=0):
        raise AssertionError("it was let in")
    assert refused.value.code == "VD-LOCK-001"


def new_places(lab: LabUnderTest) -> list[LockPlace]:
    """Return containers that nobody has created yet."""
    return [replace(place, container=f"new-{uuid4()}") for place in places(lab.env)]


@pytest.mark.parametrize("fresh", [True, False], ids=["no lock yet", "a lock that is there"])
@pytest.mark.parametrize(("action", "fields"), TROUBLES, ids=[f"{name}{more}" for name, more in TROUBLES])
def test_one_trouble_at_any_request_changes_nothing(
    lab: LabUnderTest, action: str, fields: dict[str, Any], fresh: bool
) -> None:
    there = new_places(lab)
    since = lab.last_request()
    for _ in range(1 if fresh else 2):
        since = lab.last_request()
        held(lab, lambda: None, there)
    requests = len(lab.journal(since=since, service="blob"))
    assert requests >= 12
    met = 0
    for nth in range(1, requests + 1):
        found = new_places(lab) if fresh else there
        lab.fault(action, match={**STORAGE, "nth": nth}, **fields)
        assert held(lab, partial(somebody_else_is_refused, lab, found), found) == [], f"request {nth} of {requests}"
        met += lab.control("GET", "/faults")["faults"][0]["applied"]
        lab.control("DELETE", "/faults")
        assert [lease_state(place) for place in found] == ["available", "available"]
    assert met >= 12  # How often a lease is renewed meanwhile depends on the machine.


# The lock's requests. Their answers never come.
NEVER_ANSWERED = {
    "acquire": "/(deployments|locks)/.*comp=lease",
    "acquire the second": "/locks/.*comp=lease",
    "write": "/(deployments|locks)/[^?]*$",
}


@pytest.mark.parametrize("path", NEVER_ANSWERED.values(), ids=NEVER_ANSWERED)
def test_answers_that_never_come_let_nobody_in_and_keep_nobody_out(lab: LabUnderTest, path: str) -> None:
    held(lab, lambda: None)
    lab.fault("reset_after", times=0, match={**STORAGE, "method": "PUT", "path": path})
    with pytest.raises(AzureError):
        held(lab, lambda: pytest.fail("it was let in"))
    lab.clear_faults()
    # A lease without a confirmed answer was given back, too.
    assert held(lab, lambda: None) == []


def test_a_lock_that_cannot_be_given_back_says_so_and_hides_nothing(lab: LabUnderTest) -> None:
    def beside() -> None:
        lab.fault("status", status=503, times=0, match={**STORAGE, "method": "PUT"})

    lines = held(lab, beside)
    assert len(lines) == 2
    assert lines[0].startswith("WARNING: the lock of the instance was not given back; it is free within 60 s: VD-NET-")
    assert lines[1].startswith("WARNING: the lock of the subscription was not given back;")
    lab.clear_faults()
    assert [lease_state(place) for place in places(lab.env)] == ["leased", "leased"]
    somebody_else_is_refused(lab)


def test_the_error_says_that_a_container_is_being_deleted(lab: LabUnderTest) -> None:
    lab.fault("status", status=409, code="ContainerBeingDeleted", times=0, match={**STORAGE, "path": "/deployments/"})
    with pytest.raises(AzureError) as refused:
        held(lab, lambda: pytest.fail("it was let in"))
    assert "ContainerBeingDeleted" in str(refused.value)


def test_a_successor_that_cannot_read_what_its_predecessor_wrote_does_not_write_over_it(lab: LabUnderTest) -> None:
    found = places(lab.env)
    first = deployment(lab.env, correlation_id="corr-1")
    with pytest.raises(KeyboardInterrupt), holding(first, found, wait_seconds=0):
        first.begin("import_images")
        raise KeyboardInterrupt
    written = [content(place) for place in found]
    lab.fault("status", status=503, times=0, match={**STORAGE, "method": "GET"})
    with pytest.raises(AzureError):
        held(lab, lambda: pytest.fail("it was let in"))
    lab.clear_faults()
    assert [content(place) for place in found] == written
    assert [lease_state(place) for place in found] == ["available", "available"]
    third = deployment(lab.env)
    with holding(third, found, wait_seconds=0):
        assert [jobs.correlation_id for jobs in third.former_jobs()] == ["corr-1"]
