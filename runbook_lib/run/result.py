"""A run's result: the JSON object in a job's last line (docs/design.md#running-a-runbook), and its limits."""

import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import partial
from typing import Any, Literal

from runbook_lib.change import Change, Plan, Result
from runbook_lib.errors import RunbookError, run
from runbook_lib.run.output import RESULT_LIMIT

Status = Literal["succeeded", "unchanged", "planned", "failed"]
Cut = Callable[..., str]
# A runbook's report beside its changes: counts, texts, and lists of texts, by name.
Report = Mapping[str, int | str | Sequence[str]]

# The output's limit includes the line's end.
_LINE_BYTES = RESULT_LIMIT - 1
# The limit of a text in the line, in characters. An ASCII escape has at most six bytes, so the result always fits.
TEXT_LIMIT = 300
ERROR_LIMIT = 3000
# How many members of a list the report shows. The warnings and the component registry have them all.
LIST_LIMIT = 20


@dataclass(frozen=True, slots=True, kw_only=True)
class RunResult:
    """The result of a run. `results` has one result for each change, or none if the run only planned.

    `report` is what the runbook reports beside its changes: few members, and long ones are cut. `parts` are the results
    of the runbooks of a chain, which has no plan of its own; its `results` are theirs, one after the other.
    """

    runbook: str
    version: str
    correlation_id: str
    run_id: str
    plan: Plan
    results: Sequence[Result]
    planned_only: bool
    error: RunbookError | None
    duration_ms: int
    report: Report = field(default_factory=dict)
    parts: Sequence["RunResult"] = ()

    @property
    def status(self) -> Status:
        """The run's status."""
        if self.error is not None:
            return "failed"
        if self.planned_only:
            return "planned"
        return "succeeded" if self.results else "unchanged"

    @property
    def exit_code(self) -> int:
        """The process's exit code."""
        return 0 if self.error is None else self.error.exit_code

    @property
    def to_change(self) -> Sequence[Change]:
        """The changes that were planned. Two parts of a chain may have planned the same one."""
        return (*self.plan.changes, *(change for part in self.parts for change in part.to_change))

    @property
    def unchanged(self) -> int:
        """How many targets needed no change."""
        return len(self.plan.unchanged) + sum(part.unchanged for part in self.parts)

    @property
    def changed(self) -> int:
        """How many changes were made and read back."""
        return sum(result.outcome == "done" for result in self.results)


def no_report(_facts: object, _results: Sequence[Result]) -> Report:
    """Return the report of a runbook that reports nothing beside its changes."""
    return {}


def failure_of(results: Sequence[Result], *, stopped: bool = False) -> RunbookError | None:
    """Return the error of the first failed change in the plan's order. Its message says which and how many failed.

    `stopped` says that somebody asked the run to end. Then changes that did not begin count first.
    """
    left = sum(result.outcome == "skipped" for result in results)
    if left and stopped:
        return run.STOPPED.error(f"{left} of {len(results)} changes were not begun")
    failed = [result for result in results if result.error is not None and result.outcome != "replaced"]
    if not failed:
        return None
    first = failed[0]
    assert first.error is not None  # noqa: S101 - a failed result has an error
    count = f"{len(failed)} of {len(results)} changes failed, the first: {first.change.action} {first.change.target}"
    detail = f"{first.error.detail}; {count}" if first.error.detail else count
    return first.error.entry.error(detail, target=first.error.target, remedy=first.error.remedy)


def result_line(result: RunResult, redact: Callable[[str], str]) -> str:
    """Return the line, without its end, of at most RESULT_LIMIT bytes. `redact` masks the secrets in a text.

    If the changes do not fit, the last ones are left out, and failed ones only after all others. Then a further member
    `changes_omitted` says how many. The log has them all. Texts are cut to TEXT_LIMIT characters. The member `report`
    is there if the runbook reports something, and `parts` if it is a chain.
    """
    cut = partial(_cut, redact)
    changes = _changes(result, cut)
    kept = list(range(len(changes)))
    line = _dump(result, changes, 0, cut)
    if len(line) > _LINE_BYTES:
        sizes = [len(json.dumps(change)) + 2 for change in changes]
        room = _LINE_BYTES - len(_dump(result, [], len(changes), cut))
        kept = []
        for index in sorted(range(len(changes)), key=lambda index: (changes[index]["error"] is None, index)):
            room -= sizes[index]
            if room < 0:
                break
            kept.append(index)
        line = _dump(result, [changes[index] for index in sorted(kept)], len(changes) - len(kept), cut)
    return line


def _changes(result: RunResult, cut: Cut) -> list[dict[str, Any]]:
    if result.planned_only:
        return [_entry(change, "planned", None, cut) for change in result.to_change]
    return [_entry(item.change, item.outcome, item.error, cut) for item in result.results]


def _entry(change: Change, outcome: str, error: RunbookError | None, cut: Cut) -> dict[str, Any]:
    return {
        "action": cut(change.action),
        "target": cut(change.target),
        "before": None if change.before is None else cut(change.before),
        "after": cut(change.after),
        "outcome": outcome,
        "error": None if error is None else {"code": error.code, "message": cut(error.message)},
    }


def _dump(result: RunResult, changes: list[dict[str, Any]], omitted: int, cut: Cut) -> str:
    error = None if result.error is None else result.error.as_json()
    if error is not None:
        error["message"] = cut(str(error["message"]), limit=ERROR_LIMIT)
    return json.dumps(
        {
            "runbook": result.runbook,
            "version": result.version,
            "status": result.status,
            "correlation_id": result.correlation_id,
            "run_id": result.run_id,
            "changed": result.changed,
            "unchanged": result.unchanged,
            "changes": changes,
            **({"changes_omitted": omitted} if omitted else {}),
            **({"report": _report(result.report, cut)} if result.report else {}),
            **({"parts": [_part(part) for part in result.parts]} if result.parts else {}),
            "error": error,
            "duration_ms": result.duration_ms,
        }
    )


def _part(part: RunResult) -> dict[str, Any]:
    return {
        "runbook": part.runbook,
        "status": part.status,
        "run_id": part.run_id,
        "changed": part.changed,
        "to_change": len(part.to_change),
        "unchanged": part.unchanged,
        "error": None if part.error is None else part.error.code,
        "duration_ms": part.duration_ms,
    }


def _report(report: Report, cut: Cut) -> dict[str, int | str | list[str]]:
    shown: dict[str, int | str | list[str]] = {}
    for name, value in report.items():
        if isinstance(value, str):
            shown[name] = cut(value)
        elif isinstance(value, int):
            shown[name] = value
        else:
            left = len(value) - LIST_LIMIT
            shown[name] = [cut(item) for item in value[:LIST_LIMIT]] + ([f"... and {left} more"] if left > 0 else [])
    return shown


def _cut(redact: Callable[[str], str], text: str, *, limit: int = TEXT_LIMIT) -> str:
    """Redact a text and then cut it, so that no part of a secret remains."""
    text = redact(text)
    return text if len(text) <= limit else text[: limit - 4] + " ..."
