"""Carry out plans at the publisher's own services, and show what was done or would be done."""

import argparse
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict
from typing import Any

from runbook_lib.basics.clock import SYSTEM_CLOCK
from runbook_lib.change import Action, Plan, Result
from runbook_lib.engine import Work, apply_plan
from runbook_lib.errors import RunbookError
from runbook_lib.network.retry import NetworkRetryPolicy
from vibedata.change_errors import name_any
from vibedata.interruption import Interrupted, exit_code_of
from vibedata.output import show, table
from vibedata.progress import reporter

# A plan, and the action of each kind of change in it.
Part = tuple[Plan, Sequence[Action[Any]]]


def whole(parts: Sequence[Part]) -> Plan:
    """Return all plans as one."""
    plans = [plan for plan, _ in parts]
    changes = tuple(change for plan in plans for change in plan.changes)
    return Plan(changes, tuple(each for plan in plans for each in plan.unchanged))


def carry_out(parts: Sequence[Part], *, output: str, about: Mapping[str, object], resume: str) -> list[Result]:
    """Carry out one plan after the other, report each change when it ends, and return the results.

    A failure in one plan does not stop the next plan.

    Args:
        parts: The plans with their actions.
        output: The value of `--output`.
        about: Additional members of the JSON.
        resume: The command that continues the work after an interruption.

    Raises:
        Interrupted: Somebody ended the command.
    """
    report = reporter(output)
    results: list[Result] = []

    def ended(result: Result) -> None:
        results.append(result)
        report(f"{result.change.action} {result.change.target}: {result.outcome}")

    try:
        for plan, actions in parts:
            work = Work(actions=actions, as_runbook_error=name_any, retry_policy=NetworkRetryPolicy, clock=SYSTEM_CLOCK)
            apply_plan(plan, work, on_result=ended, on_stage_end=lambda: None, on_progress=lambda _: None)
    except KeyboardInterrupt as caught:
        result = {**_result("interrupted", whole(parts), results, about), "resume": resume}
        text = f"interrupted. The next run does not repeat the changes that are done. To go on, type:\n  {resume}\n"
        raise Interrupted(exit_code_of(caught), result, text) from caught
    return results


def looked(looks: Sequence[Callable[[], Part]]) -> tuple[list[Part], list[RunbookError]]:
    """Make the plans that do not depend on each other. A look that fails does not stop the next one.

    Args:
        looks: Each function reads its facts, and returns a plan with its actions.

    Returns:
        The plans, and the errors of the looks that failed.
    """
    parts: list[Part] = []
    errors: list[RunbookError] = []
    for look in looks:
        try:
            parts.append(look())
        except Exception as error:  # noqa: BLE001 - the other plans are carried out, and then this error is shown
            errors.append(name_any(error))
    return parts, errors


def tell(
    arguments: argparse.Namespace,
    plan: Plan,
    results: Sequence[Result],
    *,
    about: Mapping[str, object],
    head: str = "",
    errors: Sequence[RunbookError] = (),
) -> int:
    """Show a plan and its results, and return the exit code.

    Args:
        arguments: The command's arguments, with `output`.
        plan: The plan.
        results: The results of its changes, none if nothing was carried out.
        about: Additional members of the JSON.
        head: The first line of the text, "" for none.
        errors: The errors of the looks that failed.
    """
    found = [*errors, *(each.error for each in results if each.outcome == "failed" and each.error)]
    status = "failed" if found else "succeeded" if results else "planned" if plan.changes else "unchanged"
    error = found[0] if found else None
    result = {
        **_result(status, plan, results, about),
        "error": error.as_json() if error else None,
        "further_errors": [each.as_json() for each in found[1:]],
    }
    title = {"planned": "plan: nothing was changed", "unchanged": "nothing to change"}.get(status, status)
    outcomes = _outcomes(results)
    rows = [
        (each.action, each.target, each.before or "-", each.after, outcomes.get((each.action, each.target), "-"))
        for each in plan.changes
    ]
    text = head
    text += table(title, ("action", "target", "before", "after", "outcome"), rows) if rows else f"{title}\n"
    text += "".join(f"unchanged: {each.target}: {each.why}\n" for each in plan.unchanged)
    show(arguments.output, result=result, text=text + "".join(f"{each}\n" for each in found))
    return error.exit_code if error else 0


def _result(status: str, plan: Plan, results: Sequence[Result], about: Mapping[str, object]) -> dict[str, object]:
    outcomes = _outcomes(results)
    return {
        "status": status,
        **about,
        "changes": [{**each.as_json(), "outcome": outcomes.get((each.action, each.target))} for each in plan.changes],
        "unchanged": [asdict(each) for each in plan.unchanged],
    }


def _outcomes(results: Sequence[Result]) -> Mapping[tuple[str, str], str]:
    return {(each.change.action, each.change.target): each.outcome for each in results}
