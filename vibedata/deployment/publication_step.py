"""The step that publishes the first runbooks, and the code of every step that publishes runbooks."""

from collections.abc import Callable, Sequence

from runbook_lib.azure.session import AzureSession
from runbook_lib.basics.clock import SYSTEM_CLOCK
from runbook_lib.change import Plan, Result
from runbook_lib.engine import Work, apply_plan
from runbook_lib.network.retry import NetworkRetryPolicy
from vibedata.change_errors import name_any
from vibedata.deployment.first_publication import FIRST_RUNBOOKS, FirstPublication
from vibedata.deployment.step import StepResult, stopwatch
from vibedata.deployment.work import DeploymentWork
from vibedata.progress_view import events
from vibedata.progress_view.writer import View

NAME = "first_runbooks"


def publish_first_runbooks(work: DeploymentWork) -> StepResult:
    """Publish the first runbooks of the chain, and their packages."""
    return publish_within(work, NAME, work.publication(FIRST_RUNBOOKS))


def publish_within(work: DeploymentWork, step: str, publication: FirstPublication) -> StepResult:
    """Publish as a part of the step of this name.

    Raises RunbookError VD-LOCK-002 if the lock was lost meanwhile: then some changes were left out.
    """
    result = publish(work.session, publication, work.view, step=step, stop_asked=work.lock.is_lost)
    work.lock.check()
    return result


def publish(
    session: AzureSession,
    publication: FirstPublication,
    view: View,
    *,
    step: str = NAME,
    stop_asked: Callable[[], bool] = lambda: False,
) -> StepResult:
    """Publish. step: the name in the reported lines. stop_asked: tells whether to begin no new change."""
    with stopwatch() as seconds:
        view.tell(events.Waiting("reading what the account holds, and comparing the files that it keeps"))
        plan = publication.plan()
        view.say(f"{step}: {len(plan.changes)} to change, {len(plan.unchanged)} already right")
        view.tell(events.planned(plan))
        results = apply_plan(
            plan,
            Work(
                actions=publication.actions(),
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
