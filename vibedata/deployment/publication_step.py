"""The step that publishes the first runbooks, and the code of every step that publishes runbooks."""

from collections.abc import Callable, Sequence
from typing import Any

from runbook_lib.azure.session import AzureSession
from runbook_lib.change import Action, Plan
from vibedata.deployment.first_publication import FIRST_RUNBOOKS, FirstPublication
from vibedata.deployment.own_changes import carried_out
from vibedata.deployment.step import StepResult
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

    def look() -> tuple[Plan, Sequence[Action[Any]]]:
        view.tell(events.Waiting("reading what the account holds, and comparing the files that it keeps"))
        return publication.plan(), publication.actions()

    return carried_out(look, session, view, step=step, stop_asked=stop_asked)
