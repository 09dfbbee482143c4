"""Show one job to a person: its lines and its end, or how to follow it again if the command is interrupted."""

from collections.abc import Callable, Mapping
from typing import Any

from runbook_lib.automation.jobs import JobResult
from runbook_lib.azure.session import AzureSession
from vibedata.instances.choice import Customer
from vibedata.interruption import ended_by_signals, exit_code_of
from vibedata.jobs import verdict
from vibedata.jobs.following import JobWatcher, take_up
from vibedata.output import show
from vibedata.progress_view.events import StepBegan
from vibedata.progress_view.state import Step
from vibedata.progress_view.waiting import goes_on
from vibedata.progress_view.writer import watching

Work = Callable[[JobWatcher], JobResult]


def watch(
    runbook: str,
    work: Work,
    *,
    session: AzureSession,
    customer: Customer,
    output: str,
    about: Mapping[str, Any],
    known: bool = False,
) -> int:
    """Do the work, which follows a job, show the verdict, and return the exit code.

    Ctrl-C, SIGTERM and SIGHUP end the command and not the job. Then the command says how to follow the job again.

    Args:
        runbook: The runbook's name.
        work: Follows the job.
        session: The way to the customer's Azure.
        customer: The customer whose instance it is.
        output: The value of `--output`.
        about: Additional members of the JSON, beside the run's own result.
        known: Whether the job began before this command.

    Raises what the work and `result_of` raise.
    """
    interrupt: KeyboardInterrupt | None = None
    with ended_by_signals():
        with watching(f"{runbook}: {customer}", output=output, clock=session.clock) as view:
            view.tell(StepBegan(runbook, known=known))
            try:
                job = work(view.whole_job(runbook))
            except KeyboardInterrupt as caught:
                interrupt = caught
                view.say(f"interrupted. {goes_on(view.state.current, customer.option)}")
        if interrupt is not None:
            if output == "json":
                show(output, result=customer.as_field() | _left(view.state.current, customer.option), text="")
            return exit_code_of(interrupt)
    result = verdict.result_of(job)
    text = verdict.verdict(runbook, job.job_id, result)
    show(output, result={**customer.as_field(), "job_id": job.job_id, **about, **result}, text=text)
    return verdict.exit_code_of(result)


def _left(step: Step | None, option: str) -> dict[str, object]:
    """Return the JSON result for a job that nobody follows any more."""
    job_id = "" if step is None or step.job is None else step.job.job_id
    return {
        "status": "interrupted",
        "job_id": job_id or None,
        "goes_on": goes_on(step, option),
        "resume": take_up(job_id, option) if job_id else None,
    }
