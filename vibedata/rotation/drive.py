"""Run a rotation with the engine, to its end or until it must wait."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime
from typing import Any, Protocol

from publisher.rotation.plan import Step
from runbook_lib.basics.clock import Clock, rfc3339
from runbook_lib.basics.redaction import Redactor
from runbook_lib.change import Action, Result
from runbook_lib.engine import Work, apply_plan
from runbook_lib.network.retry import NetworkRetryPolicy
from vibedata.change_errors import name_any


class Rotating(Protocol):
    """One run of a rotation, as publisher.rotation.run.RotationRun is."""

    def next_step(self) -> Step:
        """Read the state, and return the next step."""
        ...

    def actions(self) -> Sequence[Action[Any]]:
        """Return the action of each kind of change."""
        ...


@dataclass(frozen=True, slots=True, kw_only=True)
class DriveOutcome:
    """The result of a run. `resume_at` is when to continue, None if the rotation has ended or failed.

    `why` is the reason for the wait, as in Step.
    """

    results: list[Result] = field(default_factory=list)
    resume_at: datetime | None = None
    why: str = ""

    @property
    def failed(self) -> Result | None:
        """The first change that failed."""
        return next((result for result in self.results if result.outcome == "failed"), None)


def drive(
    work: Rotating,
    *,
    wait: bool,
    report: Callable[[str], None],
    redactor: Redactor,
    clock: Clock,
    check: Callable[[], None] = lambda: None,
) -> DriveOutcome:
    """Do one step after another. Stop after the last step, if a change fails, or at the overlap without `wait`.

    Args:
        work: The rotation.
        wait: Whether to wait until the overlap is over.
        report: Gets a line for each change when the change ends, and for each wait.
        redactor: Masks the secrets in these lines.
        clock: Gives the time, and waits.
        check: Called before each change. If it raises an error, the change is not made and fails with this error.

    Raises:
        RunbookError: The errors of the work's next_step.
    """
    results: list[Result] = []
    actions = [_checked(action, check) for action in work.actions()]
    engine = Work(actions=actions, as_runbook_error=name_any, retry_policy=NetworkRetryPolicy, clock=clock)
    while True:
        step = work.next_step()
        if step.wait_until is not None:
            if not wait and not step.brief:
                return DriveOutcome(results=results, resume_at=step.wait_until, why=step.why)
            report(f"waiting until {rfc3339(step.wait_until)}")
            clock.sleep(max((step.wait_until - clock.now()).total_seconds(), 0.0))
        elif not step.plan.changes:
            return DriveOutcome(results=results)
        else:
            made = apply_plan(
                step.plan,
                engine,
                on_result=lambda result: report(redactor.redact(_line(result))),
                on_stage_end=lambda: None,
                on_progress=lambda _: None,  # the lines about results and jobs show enough progress
            )
            results += made
            if any(result.outcome not in ("done", "replaced") for result in made):
                return DriveOutcome(results=results)


def _checked(action: Action[Any], check: Callable[[], None]) -> Action[Any]:
    def make(subject: Any) -> None:
        check()
        action.make(subject)

    return replace(action, make=make)


def _line(result: Result) -> str:
    change = result.change
    words = f"{change.action} {change.target}: {result.outcome}"
    return words if result.error is None else f"{words}\n{result.error}"
