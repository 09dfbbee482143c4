"""Show one job to a person: its lines and its end."""

from collections.abc import Callable, Mapping
from typing import Any

from runbook_lib.automation.jobs import JobResult
from runbook_lib.azure.session import AzureSession
from vibedata.instances.choice import Customer
from vibedata.jobs import verdict
from vibedata.jobs.following import JobWatcher
from vibedata.output import show
from vibedata.progress_view.events import StepBegan
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
    """Do the work that follows a job, show the verdict, and return the exit code.

    Args:
        runbook: The runbook's name.
        work: Follows the job.
        session: The way to the customer's Azure.
        customer: The customer whose instance it is.
        output: The value of `--output`.
        about: Additional members of the JSON. A member of the run's own result with the same name is not shown.
        known: Whether the job began before this command.

    Raises:
        Interrupted: Somebody ended the command. The job goes on, and the command says how to follow it again.
        RunbookError: The errors of the work and of `result_of`.
    """
    title, option = f"{runbook}: {customer}", customer.option
    watched = watching(title, output=output, clock=session.clock, option=option, about=customer.as_field())
    with watched as view:
        view.tell(StepBegan(runbook, known=known))
        job = work(view.whole_job(runbook))
    result = verdict.result_of(job)
    text = verdict.verdict(runbook, job.job_id, result)
    # The job wrote its result. It must not replace what the command itself knows.
    show(output, result={**result, **about, "job_id": job.job_id, **customer.as_field()}, text=text)
    return verdict.exit_code_of(result)
