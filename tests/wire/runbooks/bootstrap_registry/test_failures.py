"""Failures that a bootstrap survives: pages and batches that fail, and others who write at the same time."""

import json
import subprocess
import sys
import time
from collections import Counter
from collections.abc import Callable

import pytest

from runbook_lib.run.parameters import encode
from tests.support import running_lab
from tests.support.bootstrap_rig import BATCH, World, component
from tests.support.running_lab import LabUnderTest

HELD_SECONDS = 600  # the test removes it after it has seen what it waits for

# --- What it survives -------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("action", ["status", "reset_before", "reset_after"])
def test_a_page_that_fails_half_way_is_asked_for_again(world: World, action: str) -> None:
    world.install(component("studio"))
    count = world.resources(page_size=20)["count"]
    fields = {"status": 502} if action == "status" else {}
    world.lab.fault(action, match={"service": "arm", "path": "skiptoken", "nth": 2}, **fields)
    assert world.bootstrap().status == "succeeded"
    assert len(world.rows("Resources")) == count


def test_a_page_that_fails_for_good_ends_the_run_and_nothing_is_written(world: World) -> None:
    world.install(component("studio"))
    world.resources(page_size=20)
    world.lab.fault("status", status=502, times=0, match={"service": "arm", "path": "skiptoken", "nth": 2})
    made = world.bootstrap()
    assert (made.exit_code, made.error_code, world.names()) == (1, "VD-NET-002", set())


@pytest.mark.parametrize("match", [BATCH, {"service": "table", "method": "GET", "path": "Resources"}])
def test_throttling_is_waited_out(world: World, match: dict[str, object]) -> None:
    world.install(component("studio"))
    world.lab.fault("status", status=503, code="ServerBusy", times=3, match=match)
    made = world.bootstrap()
    assert made.status == "succeeded", made.text
    assert len(world.rows("Resources")) == made.result["report"]["resources"]


@pytest.mark.parametrize("action", ["reset_before", "reset_after"])
def test_a_batch_whose_answer_is_lost_is_recorded_once(world: World, action: str) -> None:
    world.install(component("studio"))
    world.lab.fault(action, times=3, match=BATCH)
    made = world.bootstrap()
    assert made.status == "succeeded", made.text
    assert len(world.rows("Resources")) == made.result["report"]["resources"]
    assert world.bootstrap().status == "unchanged"


def test_what_throttling_for_good_leaves_undone_the_next_run_does(world: World) -> None:
    world.install(component("studio"))
    world.lab.fault("status", status=503, code="ServerBusy", times=0, match={**BATCH, "nth": 9})
    failed = world.bootstrap()
    assert (failed.exit_code, failed.error_code) == (1, "VD-NET-002")
    outcomes = Counter(failed.outcomes().values())
    assert outcomes["done"] and outcomes["failed"]
    world.lab.clear_faults()
    second = world.bootstrap()
    assert second.status == "succeeded"
    assert set(second.outcomes()) == {target for target, outcome in failed.outcomes().items() if outcome == "failed"}
    assert world.bootstrap().status == "unchanged"


def test_entities_that_never_hold_still_are_given_up(world: World) -> None:
    world.install(component("studio"))
    assert world.bootstrap().status == "succeeded"
    world.resources(version={"studio": "2026.10.0"})
    world.lab.fault("status", status=412, code="UpdateConditionNotSatisfied", times=0, match=BATCH)
    made = world.bootstrap()
    assert made.error_code == "VD-COMPONENT-006"
    assert world.rows("Components")["application/studio"]["drift"] == ""


def test_a_table_that_is_being_deleted_is_named(world: World) -> None:
    world.install(component("studio"))
    world.lab.fault(
        "status", status=409, code="TableBeingDeleted", match={"service": "table", "method": "POST", "path": "/Tables"}
    )
    made = world.bootstrap()
    assert made.error_code == "VD-COMPONENT-007"
    assert Counter(made.outcomes().values()) == {"done": 5, "failed": 1, "skipped": len(made.outcomes()) - 6}
    assert world.bootstrap().status == "succeeded"


# --- Side by side -----------------------------------------------------------------------------------------------------


def looks(world: World, since: int) -> int:
    """Return how many runs have read the table of resources. Each run reads it once."""
    entries = world.lab.journal(since=since, service="table", method="GET")
    return sum("/Resources()" in entry["path"] and entry["status"] is not None for entry in entries)


def wait_for(condition: Callable[[], object], runs: "list[subprocess.Popen[str]]") -> None:
    while not condition():
        assert [one.poll() for one in runs] == [None] * len(runs), "a run has ended before"
        time.sleep(0.05)


def started(lab: LabUnderTest) -> "subprocess.Popen[str]":
    return subprocess.Popen(
        [sys.executable, "-m", "runbooks.bootstrap_registry", encode({})],
        env=running_lab.environment(lab),
        stdout=subprocess.PIPE,
        text=True,
    )


@pytest.mark.parametrize("change", ["everything is new", "everything has changed"])
def test_two_runs_at_once_leave_one_table(world: World, change: str) -> None:
    world.install(component("studio"), component("scheduler"))
    count = world.resources(count=600)["count"]
    if change == "everything has changed":
        assert world.bootstrap().status == "succeeded"
        listed = world.rows("Resources").values()
        names = [str(one["resourceId"]) for one in listed if "/runbooks/" not in one["resourceId"]]
        world.resources(provisioningState=dict.fromkeys(names, "Failed"))
    # Both have looked before one of them writes.
    world.lab.latency(service="table", method="POST", seconds=HELD_SECONDS)
    since = world.lab.journal()[-1]["sequence"]
    runs = [started(world.lab) for _ in range(2)]
    wait_for(lambda: looks(world, since) == len(runs), runs)
    world.lab.control("DELETE", "/latency")
    printed = [one.communicate(timeout=240)[0] for one in runs]
    results = [json.loads(text.splitlines()[-1]) for text in printed]
    assert [result["status"] for result in results] == ["succeeded"] * 2, printed
    sent = [one for one in world.lab.journal(since=since) if "$batch" in one["path"] and one["method"] == "POST"]
    assert len(sent) > len(world.rows("Resources")) / 100 * 1.5, "the runs did not meet"
    rows = world.rows("Resources")
    assert len(rows) == count
    assert {row["state"] for row in rows.values()} == {"registered"}
    if change == "everything has changed":
        assert Counter(row["provisioningState"] for row in rows.values())["Failed"] >= len(names)
    assert world.bootstrap().status == "unchanged"


def test_somebody_elses_change_between_look_and_write_is_seen(world: World) -> None:
    """The batch is delayed, and meanwhile the entity changes. The write must not succeed with the old facts."""
    world.install(component("studio"))
    assert world.bootstrap().status == "succeeded"
    world.resources(version={"studio": "2026.10.0"})
    world.lab.fault("delay", seconds=HELD_SECONDS, match=BATCH)
    one = started(world.lab)
    client = world.tables.get_table_client("Components")
    key = {"PartitionKey": "application", "RowKey": "studio"}
    wait_for(lambda: [entry for entry in world.lab.control("GET", "/faults")["faults"] if entry["applied"]], [one])
    client.update_entity({**key, "health": "healthy"})
    world.lab.clear_faults()
    assert json.loads(one.communicate(timeout=120)[0].splitlines()[-1])["status"] == "succeeded"
    row = world.rows("Components")["application/studio"]
    assert (row["health"], row["discoveredVersion"]) == ("healthy", "2026.10.0")
    assert row["drift"]
