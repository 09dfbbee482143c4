"""Run a runbook as an Automation job and follow it: show its streams as they come, and return its result."""

from collections.abc import Mapping
from typing import Any, Protocol

from runbook_lib.automation.account import AutomationAccount
from runbook_lib.automation.jobs import JobResult, JobState, job_result, job_state, new_lines, start_job
from runbook_lib.azure.session import AzureSession
from runbook_lib.basics.clock import SYSTEM_CLOCK
from runbook_lib.errors import RunbookError, automation
from runbook_lib.network.listing import bounded
from vibedata.operator import operator
from vibedata.shell_checks import nearest
from vibedata.terminal import told

POLL_SECONDS = 1.0
# How many of an account's runbooks an error names.
MAX_NAMES = 20
MAX_NAME_CHARACTERS = 64
# The sandbox's fair share ends a job after 3 hours (docs/azure-facts.md#python-and-its-limits). The rest is for the
# queue and the start.
FOLLOW_DEADLINE_SECONDS = 4 * 3600.0


class JobWatcher(Protocol):
    """Who is told of one job."""

    def asked(self) -> None:
        """Automation is being asked for the job: from now on it may run."""
        ...

    def seen(self, state: JobState) -> None:
        """The job is in this state. This is told at each look."""
        ...

    def line(self, line: str) -> None:
        """The job has written a line to a stream."""
        ...


def run_job(session: AzureSession, runbook: str, parameters: Mapping[str, Any], watcher: JobWatcher) -> JobResult:
    """Start `runbook` as a job under the account's identity and follow it to its end.

    `parameters` are the runbook's own, sent as one base64url argument, together with who has started the job.
    Raises RunbookError VD-AUTOMATION-004 past the deadline, -001 (no such account), -020 (no such runbook), -021 (it
    was never published), and the errors of runbook_lib.automation.jobs.
    """
    account = AutomationAccount(client=session.clients.automation, settings=session.settings)
    watcher.asked()
    try:
        job_id = start_job(account, runbook, {"started_by": f"{operator()} with vibedata", **parameters})
    except RunbookError as error:
        if not error.is_(automation.CHANGE_REFUSED):
            raise
        raise _why_refused(account, runbook, error) from error
    deadline = SYSTEM_CLOCK.monotonic() + FOLLOW_DEADLINE_SECONDS
    seen: set[str] = set()
    while True:
        # Read the status before the streams, so that no last line of an ended job is missed.
        state = job_state(account, job_id)
        watcher.seen(state)
        for record in new_lines(account, job_id, seen):
            first, *others = record.splitlines() or [""]
            watcher.line(told(first))
            for line in others:  # no stream's name is in front of them, so indent them: they must not look like ours
                watcher.line("  " + told(line))
        if state.ended:
            return job_result(account, state, correlation_id=str(parameters.get("correlation_id", "")))
        if SYSTEM_CLOCK.monotonic() > deadline:
            raise automation.JOB_TIMED_OUT.error(f"last status: {state.status}", target=job_id)
        SYSTEM_CLOCK.sleep(POLL_SECONDS)


def _why_refused(account: AutomationAccount, runbook: str, refused: RunbookError) -> RunbookError:
    """Find out why a job was not started, and return that error, or `refused` if no other reason is found.

    Raises RunbookError VD-AUTOMATION-001 if there is no such account, and azure.core's errors.
    """
    account.location()
    names = sorted(
        str(each.name)
        for each in bounded(account.client.runbook.list_by_automation_account(*account.at), target="runbooks")
    )
    if not names:
        return automation.NOTHING_PUBLISHED.error("the account has no runbook at all", target=account.at[1])
    if runbook.lower() not in (name.lower() for name in names):
        detail = f"it has {', '.join(names[:MAX_NAMES])}{nearest(runbook, names)}"
        return automation.NO_SUCH_RUNBOOK.error(detail, target=runbook[:MAX_NAME_CHARACTERS])
    held = account.runbook(runbook)
    if held is not None and held.sha256 is None:
        return automation.NOTHING_PUBLISHED.error("it has only a draft", target=runbook)
    return refused
