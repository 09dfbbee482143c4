"""The jobs that a former holder of a lock left: found by their correlation id, waited for, or stopped."""

from collections.abc import Callable, Collection, Sequence

from runbook_lib.automation.account import AutomationAccount
from runbook_lib.automation.jobs import JobState, job_state, pause, stop_job, unfinished_jobs
from runbook_lib.basics.clock import Clock
from runbook_lib.errors import deployment

# Automation ends a job after 3 hours (docs/azure-facts.md#python-and-its-limits); queueing comes on top.
WAIT_SECONDS = 4 * 3600.0
# A job that was told to stop is killed soon; a sandbox that has died may be found out later.
STOP_SECONDS = 600.0
# Whoever waits is told so after so long: with the pause before it, every 15 s at the least.
TELL_SECONDS = 5.0
# Of the jobs that still run, what a line shows.
MAX_SHOWN = 5


def end_former_jobs(
    account: AutomationAccount,
    correlation_id: str,
    *,
    runbooks: Collection[str],
    stop: bool,
    check: Callable[[], None],
    report: Callable[[str], None],
    clock: Clock,
) -> None:
    """Return when no job of a former deployment runs any more.

    Parameters: correlation_id, of that deployment; runbooks, those of a deployment: jobs of others are left alone,
    whatever correlation id they have; stop, to have the jobs stopped and not to wait for their own end; check, raises
    where this deployment has lost its own lock; report, told of what is waited for.

    Raises RunbookError VD-LOCK-003 where a job does not end in time, VD-AUTOMATION-008 where it can not be stopped,
    what `check` raises, and azure.core's errors.
    """
    running = unfinished_jobs(account, correlation_id, runbooks=runbooks)
    if stop:
        for job in running:
            report(f"stopping {_shown([job])}, which a former deployment left")
            stop_job(account, job.job_id)
    seconds = STOP_SECONDS if stop else WAIT_SECONDS
    began = clock.monotonic()
    told_at = began - TELL_SECONDS
    while running:
        waited = clock.monotonic() - began
        if waited > seconds:
            raise deployment.FORMER_JOBS_RUN.error(f"after {waited:.0f} s: {_shown(running)}", target=correlation_id)
        if clock.monotonic() - told_at >= TELL_SECONDS:
            told_at = clock.monotonic()
            report(f"waiting for the end of {_shown(running)}, which a former deployment left; {waited:.0f} s")
        clock.sleep(pause(waited))
        check()
        states = [job_state(account, job.job_id) for job in running]
        running = [state for state in states if not state.ended]


def _shown(jobs: Sequence[JobState]) -> str:
    shown = [f"{job.runbook} ({job.status}, job {job.job_id})" for job in jobs[:MAX_SHOWN]]
    more = [f"{len(jobs) - MAX_SHOWN} more"] if len(jobs) > MAX_SHOWN else []
    return ", ".join(shown + more)
