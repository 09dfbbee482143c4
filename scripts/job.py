"""Run a runbook as an Automation job and follow it: its streams as they come, its result at the end."""

from collections.abc import Callable, Mapping
from typing import Any

from runbook_lib.automation_account import AutomationAccount
from runbook_lib.clock import SYSTEM_CLOCK
from runbook_lib.errors import RunbookError
from runbook_lib.job import JobResult, job_result, job_state, new_lines, start_job
from scripts.azure_session import AzureSession

POLL_SECONDS = 1.0
# The sandbox's fair share ends a job after 3 hours (azure-facts, section 1); queueing and start-up come on top.
FOLLOW_DEADLINE_SECONDS = 4 * 3600.0


def run_job(
    session: AzureSession, runbook: str, parameters: Mapping[str, Any], on_line: Callable[[str], None]
) -> JobResult:
    """Start `runbook` as a job under the account's identity and follow it to its end.

    Parameters: parameters, the runbook's own, sent as one base64url argument; on_line, called for each stream line as
    it comes. Raises RunbookError VD-AUTOMATION-004 past the deadline, and the errors of runbook_lib.job.
    """
    account = AutomationAccount(client=session.clients.automation, settings=session.settings)
    job_id = start_job(account, runbook, parameters)
    deadline = SYSTEM_CLOCK.monotonic() + FOLLOW_DEADLINE_SECONDS
    seen: set[str] = set()
    while True:
        # The status is read before the streams, so that the last lines of an ended job are not missed.
        state = job_state(account, job_id)
        for line in new_lines(account, job_id, seen):
            on_line(line)
        if state.ended:
            return job_result(account, state, correlation_id=str(parameters.get("correlation_id", "")))
        if SYSTEM_CLOCK.monotonic() > deadline:
            raise RunbookError("VD-AUTOMATION-004", f"last status: {state.status}", target=job_id)
        SYSTEM_CLOCK.sleep(POLL_SECONDS)
