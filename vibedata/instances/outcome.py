"""Carry out a plan at the publisher's own services, and show what was done, or would be."""

import argparse
from collections.abc import Mapping, Sequence
from dataclasses import asdict
from typing import Any

from runbook_lib.basics.clock import SYSTEM_CLOCK
from runbook_lib.change import Action, Plan, Result
from runbook_lib.engine import Work, apply_plan
from runbook_lib.network.retry import NetworkRetryPolicy
from vibedata.change_errors import name_any
from vibedata.output import show, table
from vibedata.progress import reporter


def carry_out(plan: Plan, actions: Sequence[Action[Any]], *, output: str) -> list[Result]:
    """Make the changes, tell each as it ends, and return their results. output: as `--output` says."""
    report = reporter(output)
    return apply_plan(
        plan,
        Work(actions=actions, as_runbook_error=name_any, retry_policy=NetworkRetryPolicy, clock=SYSTEM_CLOCK),
        on_result=lambda result: report(f"{result.change.action} {result.change.target}: {result.outcome}"),
        on_stage_end=lambda: None,
        on_progress=lambda _: None,
    )


def tell(
    arguments: argparse.Namespace, plan: Plan, results: Sequence[Result], *, about: Mapping[str, object], head: str = ""
) -> int:
    """Show a plan and its results, and return the exit code. about: further members of the JSON. head: a first line."""
    failed = next((each for each in results if each.outcome == "failed"), None)
    status = "failed" if failed else "succeeded" if results else "planned" if plan.changes else "unchanged"
    outcomes = {(each.change.action, each.change.target): each.outcome for each in results}
    changes = [{**each.as_json(), "outcome": outcomes.get((each.action, each.target))} for each in plan.changes]
    error = failed.error if failed else None
    result: Mapping[str, object] = {
        "status": status,
        **about,
        "changes": changes,
        "unchanged": [asdict(each) for each in plan.unchanged],
        "error": error.as_json() if error else None,
    }
    title = {"planned": "plan: nothing was changed", "unchanged": "nothing to change"}.get(status, status)
    rows = [
        (each.action, each.target, each.before or "-", each.after, outcomes.get((each.action, each.target), "-"))
        for each in plan.changes
    ]
    text = head
    text += table(title, ("action", "target", "before", "after", "outcome"), rows) if rows else f"{title}\n"
    text += "".join(f"unchanged: {each.target}: {each.why}\n" for each in plan.unchanged)
    show(arguments.output, result=result, text=text + (f"{error}\n" if error else ""))
    return error.exit_code if error else 0
