"""The last line of a job: which lines count as a runbook's result, and which never do."""

import json
from typing import Any

import pytest

from runbook_lib.automation.job_line import NoResultError, read_result
from runbook_lib.change import Change, Plan, Result
from runbook_lib.errors import RunbookError
from runbook_lib.run.output import RESULT_LIMIT
from runbook_lib.run.result import RunResult, result_line
from vibedata.error_catalogue import CATALOGUE

GOOD: dict[str, Any] = {
    "runbook": "sample",
    "version": "2026.11.0",
    "status": "succeeded",
    "correlation_id": "c",
    "run_id": "r",
    "changed": 1,
    "unchanged": 0,
    "changes": [
        {"action": "write", "target": "a", "before": None, "after": "x", "outcome": "done", "error": None},
    ],
    "error": None,
    "duration_ms": 3,
}
ERROR = {"code": "VD-NET-001", "message": "m", "cause": "c", "remedy": "r", "retryable": True}


def read(line: object, *, runbook: str = "sample", correlation_id: str = "c") -> Any:
    text = line if isinstance(line, str) else json.dumps(line)
    return read_result(text, runbook=runbook, correlation_id=correlation_id)


@pytest.mark.parametrize("error", [None, RunbookError(CATALOGUE["VD-NET-001"], "down", target="host")])
@pytest.mark.parametrize("planned", [True, False])
def test_what_a_runbook_writes_is_read(error: RunbookError | None, planned: bool) -> None:
    change = Change(1, "write", "a", None, "x")
    result = RunResult(
        runbook="sample", version="dev", correlation_id="c", run_id="r", plan=Plan((change,)),
        results=[] if planned else [Result(change=change, outcome="done", observed="x", attempts=1, duration_ms=2)],
        planned_only=planned, error=error, duration_ms=3, report={"count": 1, "text": "a", "list": ["b"]},
    )  # fmt: skip
    line = result_line(result, lambda text: text)
    assert read("progress\n" + line + "\n") == json.loads(line)


@pytest.mark.parametrize(
    "wrong",
    [
        {"status": "rolled-back"}, {"status": "failed "}, {"status": None}, {"status": ["succeeded"]}, {"status": True},
        {"status": "failed"}, {"error": ERROR}, {"error": {}}, {"error": "VD-NET-001"},
        {"status": "failed", "error": {**ERROR, "code": "OK"}}, {"status": "failed", "error": {"code": "VD-NET-001"}},
        {"status": "failed", "error": {**ERROR, "retryable": "no"}}, {"status": "failed", "error": [ERROR]},
        {"runbook": "another"}, {"runbook": None}, {"correlation_id": "other"}, {"correlation_id": 1},
        {"run_id": None}, {"version": 1}, {"changed": -1}, {"changed": True}, {"changed": "1"}, {"changed": 1.0},
        {"unchanged": None}, {"changes": {}}, {"changes": [None]}, {"changes": [{"action": "a"}]},
        {"duration_ms": None}, {"report": []}, {"report": {"a": None}}, {"report": {"a": [1]}}, {"report": {"a": {}}},
    ],
    ids=str,
)  # fmt: skip
def test_a_line_of_another_form_never_counts(wrong: dict[str, Any]) -> None:
    with pytest.raises(NoResultError, match=r"^its result"):
        read({**GOOD, **wrong})


@pytest.mark.parametrize("missing", sorted(set(GOOD) - {"error"}))
def test_a_line_that_lacks_something_never_counts(missing: str) -> None:
    with pytest.raises(NoResultError, match=missing):
        read({name: value for name, value in GOOD.items() if name != missing})


@pytest.mark.parametrize(
    "line",
    ["", "null", "[]", "bye", json.dumps([GOOD]), json.dumps(GOOD) + "\nbye", "{", '{"a":' * 2000 + "1" + "}" * 2000,
     json.dumps(GOOD)[:-5], json.dumps(GOOD).replace('"changed": 1', '"changed": 1, "changed": 0'),
     json.dumps(GOOD).replace('"changed": 1', '"changed": NaN'), json.dumps(GOOD) + "\n" + json.dumps(GOOD),
     json.dumps({**GOOD, "run_id": "r" * RESULT_LIMIT}), '{"status": "succeeded", "changed": 0, "error": null}'],
)  # fmt: skip
def test_what_is_no_result_never_counts(line: str) -> None:
    with pytest.raises(NoResultError):
        read(line)


def test_what_was_seen_is_told_and_cut() -> None:
    with pytest.raises(NoResultError, match="rolled-back"):
        read({**GOOD, "status": "rolled-back"})
    with pytest.raises(NoResultError) as caught:
        read({**GOOD, "status": "x" * 10_000})
    assert len(str(caught.value)) < 200


def test_without_a_correlation_id_any_counts() -> None:
    assert read(GOOD, correlation_id="")["changed"] == 1
