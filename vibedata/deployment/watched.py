"""Do a deployment and show it to a person: its progress, and how it ended or was interrupted.

vibedata/deployment/chain.py makes the deployment itself.
"""

import sys
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from runbook_lib.basics.clock import Clock
from vibedata.deployment.chain import planned_steps
from vibedata.deployment.step import StepResult
from vibedata.deployment.verdict import INTERRUPTED, Ending, ending_text, resume_command
from vibedata.deployment.work import Deployment
from vibedata.instances.choice import Customer
from vibedata.interruption import exit_code_of
from vibedata.output import show
from vibedata.progress import WriteLine
from vibedata.progress_view.events import Said, Waiting
from vibedata.progress_view.job_lines import WARNING
from vibedata.progress_view.state import State
from vibedata.progress_view.waiting import goes_on
from vibedata.progress_view.writer import View, watching
from vibedata.standard_streams import is_lost


@dataclass(frozen=True, slots=True, kw_only=True)
class Watched:
    """A deployment that somebody watches.

    Attributes:
        customer: Whose instance it is.
        release: The release's version.
        deployment: Keeps how the steps have ended.
        chosen: The names of the chosen steps, in their order.
        only: Whether only one step was chosen.
        command: The command that was typed, without the options that choose steps.
        afterwards: Commands to type after a success.
        result: Additional members of the JSON, beside the deployment.
        output: As `--output` says.
        clock: Measures the time.
    """

    customer: Customer
    release: str
    deployment: Deployment
    chosen: Sequence[str]
    only: bool
    command: str
    afterwards: Sequence[str]
    result: Mapping[str, object]
    output: str
    clock: Clock

    def carry_out(self, work: Callable[[View], None]) -> int:
        """Do the work, show its progress and its end, and return the exit code. Raises what the work raises.

        Ctrl-C, SIGTERM and SIGHUP end the work. Then the command says what goes on in Azure.
        """
        interrupt: KeyboardInterrupt | None = None
        title = f"deploying {self.release} at {self.customer.names[0]}"
        with watching(title, output=self.output, clock=self.clock, option=self.customer.option) as view:
            view.tell(planned_steps(self.chosen))
            try:
                work(view)
            except KeyboardInterrupt as caught:
                interrupt = caught
            except Exception:
                if self.deployment.steps:
                    view.clear()
                    sys.stderr.write(ending_text(self._ending("failed", view.state)))
                raise
        self._show(self._ending(self.deployment.status if interrupt is None else INTERRUPTED, view.state))
        if interrupt is not None:
            return exit_code_of(interrupt)
        return 1 if self.deployment.failed else 0

    def _ending(self, status: str, state: State) -> Ending:
        now, current = self.clock.monotonic(), state.current
        broken_off = (
            []
            if current is None
            else [StepResult(name=current.name, status=status, seconds=now - current.began, changed=0)]
        )
        return Ending(
            status=status,
            instance=str(self.customer),
            release=self.release,
            correlation_id=self.deployment.correlation_id,
            results=(*self.deployment.steps, *broken_off),
            state=state,
            seconds=now - state.began,
            command=self.command,
            steps=self.chosen,
            only=self.only,
            option=self.customer.option,
        )

    def _show(self, ending: Ending) -> None:
        result = {**self.result, **self.deployment.as_json()}
        if ending.status == INTERRUPTED:
            result |= _interrupted(ending)
        text = ending_text(ending, self.afterwards)
        if is_lost(sys.stdout):
            sys.stderr.write(text)
        show(self.output, result=result, text=text)


def lock_lines(view: View) -> WriteLine:
    """Return a function that shows the messages of the lock: a reason to wait, a warning, or another sentence."""

    def tell(line: str) -> None:
        words = line.removeprefix("lock: ")
        if words.startswith("waiting "):
            view.tell(Waiting(words))
        else:
            view.tell(Said(words if words.startswith(WARNING) else line))

    return tell


def _interrupted(ending: Ending) -> dict[str, Any]:
    """Return the JSON result of a deployment that was interrupted from outside."""
    current = ending.state.current
    job = None if current is None else current.job
    return {
        "status": ending.status,
        "step": None if current is None else current.name,
        "job": None if job is None else {"id": job.job_id, "runbook": job.runbook, "status": job.status},
        "goes_on": goes_on(current, ending.option),
        "resume": resume_command(ending),
    }
