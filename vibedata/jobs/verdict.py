"""Tell how a job ended: use the runbook's own result, not Automation's status. Pure."""

from collections.abc import Mapping
from typing import Any

from runbook_lib.automation.job_line import FAILED
from runbook_lib.automation.jobs import JobResult
from runbook_lib.basics.redaction import whole_words
from runbook_lib.errors import ErrorEntry, RunbookError, automation
from vibedata.terminal import told

# Automation's word for the end by fair share (learn automation/automation-runbook-execution). A stopped job that ran
# for this time has reached the limit, too, even if Automation gives another reason.
EVICTED = "evicted"
FAIR_SHARE_SECONDS = 3 * 3600.0 - 60.0
# How many characters of Automation's message are shown.
MAX_WORDS = 600


def result_of(job: JobResult) -> Mapping[str, Any]:
    """Return the runbook's own result.

    Raises RunbookError VD-AUTOMATION-005 if the job ended without a valid one, -025 if it was stopped, -026 if fair
    share ended it, -027 if it is suspended.
    """
    if job.result is None:
        raise without_result(job)
    return job.result


def without_result(job: JobResult) -> RunbookError:
    """Return the error of a job that ended without a valid result."""
    words = whole_words(" ".join(job.exception.split()), MAX_WORDS)
    seen = ". ".join(part for part in (f"status {job.status}", job.problem, words) if part)
    return _entry(job).error(seen, target=f"job {job.job_id}")


def exit_code_of(result: Mapping[str, Any]) -> int:
    """Return the exit code of a command that has shown this result."""
    return 1 if result["status"] == FAILED else 0


def verdict(runbook: str, job_id: str, result: Mapping[str, Any]) -> str:
    """Return the lines that show a result: how the run ended, and for a failure its code, its cause and the remedy."""
    lines = [f"{runbook}: {told(result['status'])} (job {job_id})"]
    error = result["error"]
    if error is None:
        lines.append(f"  {counts(result)}")
        return "\n".join(lines)
    again = "run it again, nothing is lost" if error["retryable"] else "correct the cause first; then a rerun is safe"
    lines += [
        told(f"{error['code']}: {error['message']}"),
        f"  cause: {told(error['cause'])}",
        f"  what to do: {told(error['remedy'])}",
        f"  rerun: {again}",
    ]
    return "\n".join(lines)


def counts(result: Mapping[str, Any]) -> str:
    """Return how much a run has changed, or would change."""
    if result["status"] == "planned":
        omitted = result.get("changes_omitted", 0)
        to_change = len(result["changes"]) + (omitted if type(omitted) is int else 0)
        return f"{to_change} to change, {result['unchanged']} already right"
    return f"{result['changed']} changed, {result['unchanged']} already right"


def _entry(job: JobResult) -> ErrorEntry:
    if job.status == "Suspended":
        return automation.JOB_SUSPENDED
    if job.status != "Stopped":
        return automation.JOB_WITHOUT_RESULT
    long = job.ran_seconds is not None and job.ran_seconds >= FAIR_SHARE_SECONDS
    return automation.JOB_EVICTED if long or EVICTED in job.exception.lower() else automation.JOB_STOPPED
