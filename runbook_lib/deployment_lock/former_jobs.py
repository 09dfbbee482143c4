"""The jobs that an earlier holder of a lock left.

This finds them by their correlation id, and waits for them or stops them.
"""

from collections.abc import Callable, Collection, Sequence

from runbook_lib.automation.account import AutomationAccount
from runbook_lib.automation.jobs import JobState, job_state, pause, stop_job, unfinished_jobs
from runbook_lib.basics.clock import Clock
from runbook_lib.errors import deployment

# All runbooks of the suite. A deployment starts most of them as jobs. Its trials start any of them.
RUNBOOKS = (
    "bootstrap_registry",
    "check_health",
    "configure_gateway",
    "deploy_instance",
    "import_images",
    "import_manifest",
    "preflight",
    "publish_runbooks",
    "rotate_acr_token",
    "rotate_hmac",
    "rotate_tls_certificate",
    "validate_runbooks",
)
# Automation ends a job after 3 hours (docs/azure-facts.md#python-and-its-limits). The rest is for the queue.
WAIT_SECONDS = 4 * 3600.0
# A job ends soon after the request to stop it. If its sandbox has died, Automation may notice this later.
STOP_SECONDS = 600.0
# While it waits, it reports after this time. Together with the pause before it, a line appears at least every 15 s.
TELL_SECONDS = 5.0
# A line shows at most this number of the jobs that still run.
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
    """Return when no job of an earlier deployment runs any more.

    Args:
        account: The customer's Automation account.
        correlation_id: The id of the earlier deployment.
        runbooks: The runbooks to look for. Jobs of other runbooks are left alone, whatever their correlation id is.
        stop: Whether to stop the jobs instead of waiting for their end.
        check: Raises an error if this deployment has lost its own lock.
        report: Gets a line about each job that is stopped or waited for.
        clock: Gives the time.

    Raises:
        RunbookError: VD-LOCK-003 (a job does not end in time), VD-AUTOMATION-008 (a job cannot be stopped).
        azure.core's errors: Automation cannot be reached, fails, throttles, or refuses the identity. It also raises
            what `check` raises.
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
