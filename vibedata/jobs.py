"""Run a runbook as an Automation job and follow it: its streams as they come, its result at the end."""

from collections.abc import Callable, Mapping
from typing import Any

from runbook_lib.automation.account import AutomationAccount
from runbook_lib.automation.jobs import JobResult, job_result, job_state, new_lines, start_job
from runbook_lib.azure.session import AzureSession
from runbook_lib.basics.clock import SYSTEM_CLOCK
from runbook_lib.errors import RunbookError, automation
from runbook_lib.network.listing import bounded
from vibedata.shell_checks import nearest
from vibedata.terminal import told

POLL_SECONDS = 1.0
# Of an account's runbooks, and of a name that nobody has heard of, what an error shows.
MAX_NAMES = 20
MAX_NAME_CHARACTERS = 64
# The sandbox's fair share ends a job after 3 hours (docs/azure-facts.md#python-and-its-limits); queueing and start-up
# come on top.
FOLLOW_DEADLINE_SECONDS = 4 * 3600.0


def run_job(
    session: AzureSession, runbook: str, parameters: Mapping[str, Any], on_line: Callable[[str], None]
) -> JobResult:
    """Start `runbook` as a job under the account's identity and follow it to its end.

    Parameters: parameters, the runbook's own, sent as one base64url argument; on_line, called for each stream line as
    it comes. Raises RunbookError VD-AUTOMATION-004 past the deadline, -001 (no such account), -020 (no such runbook),
    -021 (it was never published), and the errors of runbook_lib.automation.jobs.
    """
    account = AutomationAccount(client=session.clients.automation, settings=session.settings)
    try:
        job_id = start_job(account, runbook, parameters)
    except RunbookError as error:
        if not error.is_(automation.CHANGE_REFUSED):
            raise
        raise _why_refused(account, runbook, error) from error
    deadline = SYSTEM_CLOCK.monotonic() + FOLLOW_DEADLINE_SECONDS
    seen: set[str] = set()
    while True:
        # The status is read before the streams, so that the last lines of an ended job are not missed.
        state = job_state(account, job_id)
        for record in new_lines(account, job_id, seen):
            first, *others = record.splitlines() or [""]
            on_line(told(first))
            for line in others:  # they have no stream's name in front, and pass for no line of ours
                on_line("  " + told(line))
        if state.ended:
            return job_result(account, state, correlation_id=str(parameters.get("correlation_id", "")))
        if SYSTEM_CLOCK.monotonic() > deadline:
            raise automation.JOB_TIMED_OUT.error(f"last status: {state.status}", target=job_id)
        SYSTEM_CLOCK.sleep(POLL_SECONDS)


def _why_refused(account: AutomationAccount, runbook: str, refused: RunbookError) -> RunbookError:
    """Look why a job was not started, and return the error that says so; `refused` where nothing is wrong with it.

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
        return automation.NOTHING_PUBLISHED.error("it has a draft alone", target=runbook)
    return refused
