"""Carry out the changes that a step makes without a job, and return how the step ended."""

from collections.abc import Callable, Sequence
from typing import Any

from runbook_lib.azure.session import AzureSession
from runbook_lib.basics.clock import SYSTEM_CLOCK
from runbook_lib.change import Action, Plan, Result
from runbook_lib.engine import Work, apply_plan
from runbook_lib.network.retry import NetworkRetryPolicy
from vibedata.change_errors import name_any
from vibedata.deployment.step import StepResult, stopwatch
from vibedata.progress_view import events
from vibedata.progress_view.writer import View


def carried_out(
    look: Callable[[], tuple[Plan, Sequence[Action[Any]]]],
    session: AzureSession,
    view: View,
    *,
    step: str,
    stop_asked: Callable[[], bool],
) -> StepResult:
    """Look, and make the changes of the plan.

    Args:
        look: Returns the plan, and the action of each kind of change.
        session: The access to the customer's Azure.
        view: Shows the changes.
        step: The step's name in the reported lines.
        stop_asked: Returns whether to begin no new change.

    Raises:
        RunbookError: The errors of `look`.
    """
    with stopwatch() as seconds:
        plan, actions = look()
        view.say(f"{step}: {len(plan.changes)} to change, {len(plan.unchanged)} already right")
        view.tell(events.planned(plan))
        results = apply_plan(
            plan,
            Work(
                actions=actions,
                as_runbook_error=name_any,
                retry_policy=NetworkRetryPolicy,
                clock=SYSTEM_CLOCK,
                stop_asked=stop_asked,
            ),
            on_result=lambda result: _tell(step, result, session, view),
            on_stage_end=lambda: None,
            on_progress=lambda progress: view.tell(events.ChangesCounted(progress)),
        )
    failed = [result for result in results if result.outcome not in ("done", "replaced")]
    error = next((result.error.as_json() for result in failed if result.error is not None), None)
    if error is not None:
        error["message"] = session.redactor.redact(str(error["message"]))
    return StepResult(
        name=step,
        status=_status(plan, failed),
        seconds=seconds(),
        changed=sum(result.outcome == "done" for result in results),
        error=error,
    )


def _status(plan: Plan, failed: Sequence[Result]) -> str:
    if failed:
        return "failed"
    return "succeeded" if plan.changes else "unchanged"


def _tell(step: str, result: Result, session: AzureSession, view: View) -> None:
    """Report the end of a change. A failure gets only one line here: the output shows its remedy below the steps."""
    view.tell(events.ended(result))
    if result.outcome == "failed" and result.error is not None:
        words = f"{step}: {result.change.action} {result.change.target}: {result.error.code}: {result.error.message}"
        view.say(session.redactor.redact(words))
