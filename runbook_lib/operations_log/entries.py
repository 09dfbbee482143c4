"""The log entries of a run: its start, each change as planned and as observed, its end."""

from collections.abc import Sequence

from runbook_lib.change import Change, Result
from runbook_lib.operations_log import sentences
from runbook_lib.operations_log.events import Entry, RunIdentity
from runbook_lib.run.result import RunResult


def start_entry(run: RunIdentity) -> Entry:
    """Return the entry that begins a run's chain."""
    return Entry(
        step="run",
        action="start",
        outcome="started",
        message=f"{run.runbook} {run.version} began, started by {run.started_by}.",
        details=_origin(run),
    )


def planned_entry(change: Change) -> Entry:
    """Return the entry written before anything is changed."""
    return Entry(
        step="plan",
        action=change.action,
        target=change.target,
        outcome="planned",
        message=sentences.planned(change),
        details={"Stage": change.stage, "Before": change.before or "", "After": change.after},
    )


def result_entry(result: Result) -> Entry:
    """Return the entry for a change's result. `Observed` is what the read-back showed."""
    change, error = result.change, result.error
    return Entry(
        step="apply",
        action=change.action,
        target=change.target,
        outcome=result.outcome,
        duration_ms=result.duration_ms,
        attempts=result.attempts,
        error_code=error.code if error else "",
        message=sentences.ended(result),
        details={
            "Stage": change.stage,
            "Before": change.before or "",
            "After": change.after,
            "Observed": result.observed or "",
        },
    )


def finish_entry(run: RunIdentity, result: RunResult) -> Entry:
    """Return the entry that ends a run's chain."""
    error = result.error
    outcomes = [item.outcome for item in result.results]
    reason = f": {error.message}" if error else f". {result.changed} changed, {len(result.plan.unchanged)} were right."
    return Entry(
        step="run",
        action="finish",
        outcome=result.status,
        duration_ms=result.duration_ms,
        error_code=error.code if error else "",
        message=f"{run.runbook} {run.version} ended as {result.status}{reason}",
        details={
            **_origin(run),
            "Changed": result.changed,
            "Unchanged": result.unchanged,
            "Failed": outcomes.count("failed"),
            "Skipped": outcomes.count("skipped"),
        },
    )


def no_events(_facts: object, _result: Result) -> Sequence[Entry]:
    """Return no further events: the events of the changes are enough."""
    return ()


def _origin(run: RunIdentity) -> dict[str, str]:
    # A run that only plans writes no events. A trial is such a run, too.
    return {"Mode": "run", "StartedBy": run.started_by}
