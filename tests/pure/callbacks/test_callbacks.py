"""The publisher's report of how a run ended, for every kind of run, error and facts."""

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from runbook_lib.callbacks.delivery import Callbacks, payloads_of
from runbook_lib.callbacks.payloads import PayloadRefusedError, to_json
from runbook_lib.change import Change, Plan, Result
from runbook_lib.errors import RunbookError
from runbook_lib.run.result import RunResult
from vibedata.error_catalogue import CATALOGUE

CANARY = "db.contoso.example"
DEPLOYMENT = "0f8fad5b-d9cb-469f-a165-70867728950e"
THEIRS = st.one_of(st.text(), st.just(CANARY), st.text().map(lambda text: f"{text}{CANARY}"))
ERRORS = st.one_of(st.none(), st.builds(RunbookError, st.sampled_from(list(CATALOGUE.values())), THEIRS, target=THEIRS))


def told(result: RunResult, *, deployment_id: str = DEPLOYMENT, version: str = "2026.11.0") -> list[dict[str, Any]]:
    callbacks: Callbacks[str] = Callbacks(release_version=lambda facts: facts)
    payloads = payloads_of(
        callbacks,
        (version,),
        result,
        deployment_id=deployment_id,
        instance_id="i-1",
        at="2026-11-25T10:00:00.000000Z",
    )
    return [json.loads(to_json(payload)) for payload in payloads]


def result(error: RunbookError | None = None, *, theirs: str = "", runbook: str = "sample", ms: int = 1) -> RunResult:
    change = Change(1, theirs, theirs, theirs, theirs)
    return RunResult(
        runbook=runbook,
        version=theirs,
        correlation_id=theirs,
        run_id=theirs,
        plan=Plan(changes=(change,)),
        results=(Result(change=change, outcome="done", observed=theirs),),
        planned_only=False,
        report={"ill": [theirs]},
        error=error,
        duration_ms=ms,
    )


@pytest.mark.slow
@given(ERRORS, THEIRS, st.sampled_from([DEPLOYMENT, CANARY, f"{DEPLOYMENT}{CANARY}", DEPLOYMENT.upper(), ""]))
def test_of_a_run_its_step_status_and_code_are_told(error: RunbookError | None, theirs: str, given_id: str) -> None:
    reports = told(result(error, theirs=theirs), deployment_id=given_id)
    assert len(reports) == (given_id == DEPLOYMENT)
    for report in reports:
        assert CANARY not in json.dumps(report)
        assert report["status"] == ("succeeded" if error is None else "failed")
        assert report["error_code"] == ("" if error is None else error.code)


@given(THEIRS, THEIRS)
def test_no_release_and_no_runbook_of_somebodys_own_is_told(version: str, runbook: str) -> None:
    for one, release in ((result(), version), (result(runbook=runbook), "")):
        try:
            (report,) = told(one, version=release)
        except PayloadRefusedError as error:
            assert CANARY not in str(error)
        else:
            assert CANARY not in json.dumps(report)


def test_a_run_longer_than_a_day_is_told_as_one() -> None:
    assert [report["duration_ms"] for report in told(result(ms=10**12))] == [86_400_000]
