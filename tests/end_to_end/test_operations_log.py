"""The events that a job writes to the customer's workspace, and the place where they wait if the workspace takes no
events.
"""

import json
import re
from collections import Counter
from collections.abc import Mapping
from typing import Any

from tests.end_to_end.deployed import Deployed, EndedJob
from tests.support.log_reader import spooled, table_rows
from tests.support.operations_chain import verify_chain

IN_OUTPUT = "operations log: "
SPOOL = {"service": "blob", "path": "/operations-spool"}


def rows_of(deployed: Deployed, *jobs: EndedJob) -> list[dict[str, Any]]:
    """Return the table's rows of these jobs' runs."""
    runs = {job.result["run_id"] for job in jobs}
    return [row for row in table_rows(deployed.lab) if row["RunId"] in runs]


def events_of(job: EndedJob) -> list[dict[str, Any]]:
    """Return the events that are in the job's output."""
    lines = (line.partition(IN_OUTPUT)[2] for line in job.output.splitlines() if IN_OUTPUT in line)
    return [json.loads(line) for line in lines]


def assert_tells_all(events: list[dict[str, Any]], job: EndedJob) -> None:
    """Check that the chain is complete, that each event is there once, and that each change has its plan and its
    outcome.
    """
    assert verify_chain(events) == []
    assert max(Counter(event["EventId"] for event in events).values()) == 1
    planned = [event["Target"] for event in events if event["Step"] == "plan"]
    outcomes = {event["Target"]: event["Outcome"] for event in events if event["Step"] == "apply"}
    changes = job.result["changes"]
    assert sorted(planned) == sorted(change["target"] for change in changes)
    assert outcomes == {change["target"]: change["outcome"] for change in changes}
    for event in events:
        assert re.fullmatch(r"[A-Za-z].{9,}[^:]", event["Message"], re.DOTALL), event  # a sentence
        if event["Step"] == "apply" and event["Outcome"] == "failed":
            assert event["ErrorCode"].startswith("VD-")


def observed(events: list[dict[str, Any]]) -> dict[str, Any]:
    """Return the observed state of each change, from its event."""
    return {event["Target"]: _details(event).get("Observed") for event in events if event["Step"] == "apply"}


def _details(event: Mapping[str, Any]) -> dict[str, Any]:
    details = event["Details"]
    return dict(json.loads(details) if isinstance(details, str) else details)


def test_every_change_is_logged_before_and_after_it_is_made(deployed: Deployed) -> None:
    release = deployed.release()
    jobs = [
        deployed.succeed(name, correlation_id=f"log-{release.version}") for name in ("import_manifest", "import_images")
    ]
    for job in jobs:
        events = rows_of(deployed, job)
        assert_tells_all(events, job)
        assert {event["CorrelationId"] for event in events} == {f"log-{release.version}"}
        assert {event["Runbook"] for event in events} == {job.result["runbook"]}
        # These are the observed states, not the planned ones.
        assert observed(events) == {change["target"]: change["after"] for change in job.result["changes"]}
        plans = [int(event["Sequence"]) for event in events if event["Step"] == "plan"]
        applied = [int(event["Sequence"]) for event in events if event["Step"] == "apply"]
        assert max(plans) < min(applied)
        # The plan is written first: it is in the table before the first change is requested.
        numbers = {
            kind: [e["sequence"] for e in job.requests if kind in e["path"]] for kind in ("/streams/", "importImage")
        }
        assert min(numbers["/streams/"]) < min(numbers["importImage"])
    # A run that changes nothing writes its start, its release, and its end.
    again = deployed.succeed("import_images")
    events = rows_of(deployed, again)
    assert verify_chain(events) == []
    assert [
        (event["Step"], event["Outcome"]) for event in sorted(events, key=lambda event: int(event["Sequence"]))
    ] == [
        ("run", "started"),
        ("observe", "verified"),
        ("run", "unchanged"),
    ]


def test_a_failed_change_is_logged_with_its_code(deployed: Deployed) -> None:
    release = deployed.release()
    deployed.succeed("import_manifest")
    target = {"service": "arm", "path": "importImage", "nth": 2}
    deployed.lab.fault("status", status=409, code="Conflict", match=target)
    failed = deployed.run("import_images")
    assert failed.status == "Failed"
    events = rows_of(deployed, failed)
    assert_tells_all(events, failed)
    assert Counter(event["ErrorCode"] for event in events if event["Step"] == "apply") == {
        "": len(release.pins) - 1,
        "VD-IMPORT-006": 1,
    }
    assert [event["Outcome"] for event in events if event["Action"] == "finish"] == ["failed"]
    assert release.pins.keys() == {change["target"] for change in failed.result["changes"]}


def test_with_ingestion_down_the_events_wait_and_the_next_run_brings_them(deployed: Deployed) -> None:
    deployed.release()
    deployed.lab.fault("status", status=503, times=0, match={"service": "logs"})
    down = deployed.succeed("import_manifest")
    assert down.result["status"] == "succeeded"
    assert any(kind == "Warning" and "VD-LOG-001" in text for kind, text in down.streams)
    assert rows_of(deployed, down) == []
    waiting = spooled(deployed.lab)
    assert {name.partition("/")[0] for name in waiting} == {down.result["run_id"]}
    assert_tells_all([event for events in waiting.values() for event in events], down)

    # A plan writes nothing at all, and it does not deliver waiting events either.
    planned = deployed.succeed("import_images", plan_only=True)
    assert (planned.writes, spooled(deployed.lab)) == ([], waiting)

    deployed.lab.clear_faults()
    following = deployed.succeed("import_images")
    assert spooled(deployed.lab) == {}
    for job in (down, following):
        assert_tells_all(rows_of(deployed, job), job)


def test_with_storage_down_too_the_events_are_in_the_output(deployed: Deployed) -> None:
    deployed.release()
    deployed.lab.fault("status", status=503, times=0, match={"service": "logs"})
    deployed.lab.fault("status", status=503, times=0, match=SPOOL)
    down = deployed.succeed("import_manifest")
    assert down.result["status"] == "succeeded"
    assert any(kind == "Warning" and "VD-LOG-002" in text for kind, text in down.streams)
    assert_tells_all(events_of(down), down)
    deployed.lab.clear_faults()
    assert spooled(deployed.lab) == {}
    assert rows_of(deployed, down) == []


def test_a_run_that_cannot_begin_is_in_the_log(deployed: Deployed) -> None:
    refused = deployed.run("import_manifest", release_tag="2020.1.0")
    events = rows_of(deployed, refused)
    assert verify_chain(events) == []
    (finish,) = [event for event in events if event["Action"] == "finish"]
    assert (finish["Outcome"], finish["ErrorCode"]) == ("failed", "VD-MANIFEST-001")
