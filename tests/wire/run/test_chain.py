"""A chain of runbooks in one run, over the wire: the lock, the parts, a stop, a plan."""

import io
import json
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

import pytest

from runbook_lib.basics.clock import SYSTEM_CLOCK, Clock
from runbook_lib.chain import Chain, ChainParameters, Part
from runbook_lib.deployment_lock.content import read_content
from runbook_lib.deployment_lock.lock import holding
from runbook_lib.run.parameters import encode
from runbook_lib.runbook import main
from tests.support import sample_runbook
from tests.support.automation import automation
from tests.support.lock_rig import break_lease, content, deployment, lease_state, overwrite, places
from tests.support.log_reader import table_rows
from tests.support.operations_chain import verify_chain
from tests.support.runbook_run import QuickClock
from tests.support.running_lab import LabUnderTest


@dataclass(frozen=True, kw_only=True)
class Parameters(ChainParameters):
    first: str = field(default="a", metadata={"help": "blobs of the first part"})
    second: str = field(default="b", metadata={"help": "blobs of the second part"})


def sample(blobs: Callable[[Parameters], str]) -> Part[Parameters]:
    def parameters(given: Parameters) -> sample_runbook.Parameters:
        return sample_runbook.Parameters(
            blobs=blobs(given), correlation_id=given.correlation_id, plan_only=given.plan_only
        )

    return Part(runbook=sample_runbook.RUNBOOK, parameters=parameters)


CHAIN = Chain(
    name="both",
    summary="write the blobs of two parts",
    parameters=Parameters,
    parts=(sample(lambda given: given.first), sample(lambda given: given.second)),
)


def run(
    lab: LabUnderTest, chain: Chain[Any] = CHAIN, *, clock: Clock | None = None, **parameters: object
) -> tuple[int, dict[str, Any], list[str]]:
    """Run a chain here. Return its exit code, its result and its earlier output."""
    stream = io.BytesIO()
    code = main(chain, [encode(parameters)], lab.env, stream=stream, clock=clock or QuickClock())
    *lines, last = stream.getvalue().decode().splitlines()
    return code, json.loads(last), lines


def test_the_parts_run_one_after_the_other_and_have_one_result(lab: LabUnderTest) -> None:
    code, result, lines = run(lab, correlation_id="deployment-7")
    assert (code, result["status"], result["changed"]) == (0, "succeeded", 2), lines
    assert [(part["runbook"], part["status"], part["changed"]) for part in result["parts"]] == [
        ("sample", "succeeded", 1),
        ("sample", "succeeded", 1),
    ]
    assert [change["target"] for change in result["changes"]] == ["a", "b"]
    rows = table_rows(lab)
    assert verify_chain(rows) == []
    assert {row["CorrelationId"] for row in rows} == {"deployment-7"}
    assert {row["RunId"] for row in rows} == {result["run_id"], *(part["run_id"] for part in result["parts"])}
    told = read_content(content(places(lab.env)[1]))
    assert told is not None
    assert (told.ended, told.jobs.correlation_id) == (True, "deployment-7")
    assert lease_state(places(lab.env)[1]) == "available"

    code, result, _ = run(lab)
    assert (code, result["status"], result["changed"], result["unchanged"]) == (0, "unchanged", 0, 2)


def test_two_parts_may_look_after_the_same_target(lab: LabUnderTest) -> None:
    code, result, _ = run(lab, first="a;b", second="b,c")
    assert (code, result["changed"], result["unchanged"]) == (0, 3, 1)
    code, result, _ = run(lab, first="d", second="d,e", plan_only=True)
    assert (code, result["status"]) == (0, "planned")
    assert [change["target"] for change in result["changes"]] == ["d", "d", "e"]


def test_a_plan_writes_nothing_and_takes_no_lock(lab: LabUnderTest) -> None:
    place = places(lab.env)[1]
    with holding(deployment(lab.env), [place], wait_seconds=0):
        since = lab.last_request()
        code, result, lines = run(lab, plan_only=True)
        assert (code, result["status"], result["changed"]) == (0, "planned", 0)
        assert [part["to_change"] for part in result["parts"]] == [1, 1]
        assert "would write b: nothing -> content of b" in lines
        assert {entry["method"] for entry in lab.journal(since=since) if entry["service"] == "blob"} <= {"GET", "HEAD"}


def test_what_a_part_cannot_plan_yet_is_no_failure_of_the_plan(lab: LabUnderTest) -> None:
    lab.fault("status", status=403, times=0, match={"service": "blob", "path": "/artifacts/b"})
    code, result, lines = run(lab, plan_only=True)
    assert (code, result["status"], result["error"]) == (0, "planned", None)
    assert [(part["status"], part["error"]) for part in result["parts"]] == [
        ("planned", None),
        ("failed", "VD-NET-003"),
    ]
    assert any("sample cannot plan before the changes above are made (VD-NET-003)" in line for line in lines)
    assert not [line for line in lines if line.startswith("ERROR:")]
    # If nothing has to be done before it, this is a failure.
    run(lab, first="a", second="a")
    code, result, _ = run(lab, plan_only=True)
    assert (code, result["status"], result["error"]["code"]) == (1, "failed", "VD-NET-003")


def test_no_part_begins_after_one_that_failed(lab: LabUnderTest) -> None:
    lab.fault("status", status=403, times=0, match={"service": "blob", "method": "PUT", "path": "/artifacts/a"})
    code, result, lines = run(lab)
    assert (code, result["status"], result["error"]["code"]) == (1, "failed", "VD-NET-003")
    assert [part["status"] for part in result["parts"]] == ["failed"]
    assert sum(line.startswith("ERROR: VD-NET-003") for line in lines) == 1
    assert lease_state(places(lab.env)[1]) == "available"
    lab.clear_faults()
    code, result, _ = run(lab)
    assert (code, result["changed"]) == (0, 2)


def test_another_deployment_keeps_it_out_with_exit_code_3(lab: LabUnderTest) -> None:
    place = places(lab.env)[1]
    with holding(deployment(lab.env, who="ada@desk"), [place], wait_seconds=0):
        since = lab.last_request()
        code, result, lines = run(lab)
        assert (code, result["status"], result["error"]["code"]) == (3, "failed", "VD-LOCK-001")
        assert "held by ada@desk, since " in result["error"]["message"]
        assert "parts" not in result
        assert not [each for each in lab.journal(since=since) if "/artifacts/" in each["path"]]
        # It has waited longer than the lease of a dead deployment.
        assert any("of 75 s: held by ada@desk" in line for line in lines)


def test_a_chain_that_was_killed_leaves_the_lock_for_a_lease(lab: LabUnderTest) -> None:
    place = places(lab.env)[1]
    # This is the blob after a job with this correlation id has died in a part.
    with holding(deployment(lab.env, correlation_id="deployment-7"), [place], wait_seconds=0):
        left = content(place)
    overwrite(place, left)
    code, result, lines = run(lab, correlation_id="deployment-7")
    assert (code, result["changed"]) == (0, 2), lines


@pytest.mark.parametrize("runbook", ["preflight", "rotate_hmac"])
def test_a_chain_waits_for_any_job_that_a_dead_deployment_left(lab: LabUnderTest, runbook: str) -> None:
    place = places(lab.env)[1]
    dead = deployment(lab.env, correlation_id="deployment-6")
    with automation(lab) as account:
        account.environment()
        account.publish("import time\ntime.sleep(5)\n", name=runbook)
        with pytest.raises(KeyboardInterrupt), holding(dead, [place], wait_seconds=0):
            dead.begin(runbook)
            job = account.start({"parameters": encode({"correlation_id": "deployment-6"})}, name=runbook)
            raise KeyboardInterrupt
        code, result, lines = run(lab, clock=SYSTEM_CLOCK)
        assert (code, result["changed"]) == (0, 2), lines
        assert any(f"waiting for the end of {runbook} (" in line and f"job {job})" in line for line in lines), lines
        assert account.status(job) == "Completed"


def test_without_the_lock_nothing_further_is_changed(lab: LabUnderTest) -> None:
    place = places(lab.env)[1]
    lost = iter([False])

    def steal(given: Parameters) -> str:
        if next(lost, True):
            return given.second
        break_lease(place)
        return given.first

    chain = Chain(name="both", summary=CHAIN.summary, parameters=Parameters, parts=(sample(steal), CHAIN.parts[1]))
    code, result, _ = run(lab, chain)
    assert (code, result["error"]["code"]) == (1, "VD-LOCK-002")
    assert [part["runbook"] for part in result["parts"]] == ["sample"]


def test_a_negative_wait_is_refused(lab: LabUnderTest) -> None:
    since = lab.last_request()
    code, result, _ = run(lab, wait_seconds=-1)
    assert (code, result["error"]["code"]) == (2, "VD-PARAM-002")
    assert not lab.journal(since=since)
