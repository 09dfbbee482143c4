"""The facts that `vibedata jobs` shows of each job: its row in the list, its parameters, and its printed result."""

import re
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from datetime import datetime
from typing import Any

from runbook_lib.automation.access import AccountAccess, if_there
from runbook_lib.automation.job_line import FAILED, NoResultError, read_result
from runbook_lib.automation.jobs import JobResult
from runbook_lib.basics.clock import rfc3339
from runbook_lib.run.parameters import STARTED_BY, parameters_in
from vibedata.jobs.finding import ListedJob
from vibedata.jobs.verdict import counts, without_result
from vibedata.terminal import told

# Automation's words for a job's state, and ours.
STATES: Mapping[str, str] = {
    "New": "queued",
    "Activating": "starting",
    "Running": "running",
    "Completed": "done",
    "Failed": "failed",
    "Stopping": "stopping",
    "Stopped": "stopped",
    "Suspending": "suspending",
    "Suspended": "suspended",
    "Resuming": "resuming",
    "Blocked": "blocked",
    "Disconnected": "lost",
    "Removing": "being removed",
}
ENDED_WELL = "Completed"
# Somebody should know of a job with one of these statuses. If a job runs longer than its fair share, Automation ends it
# as Stopped. Blocked and Disconnected jobs have not ended, and nobody knows whether they will end.
NOT_WELL = frozenset({"Failed", "Stopped", "Suspended", "Blocked", "Disconnected"})
# The mode of a job that validate_runbooks starts to find out whether a runbook can run.
TRIAL = "trial"
# runbook_lib.one_run writes the first line of a run like this: `import_images 2026.11.0: run, started by ...`.
_FIRST = re.compile(r"(?P<runbook>[A-Za-z][\w-]*) (?P<version>\S{1,64}): (?P<mode>run|plan|trial), started by ")


@dataclass(frozen=True, slots=True, kw_only=True)
class Job:
    """One job.

    Attributes:
        job_id: Its id.
        runbook: The runbook's name.
        created: When it was requested.
        ended: When it ended.
        mode: run, plan or trial. It is run if neither the first line nor the parameters say it.
        release: The release that the runbook names in its first line, "" for none.
        started_by: Who started it, as the starter or the portal says; "" if it is not known.
        state: Automation's status in our words.
        status: The status that the runbook printed: succeeded, unchanged, planned or failed; "" for none.
        code: The error's code, "" for none.
        result: The result in a few words.
        correlation_id: The id of the deployment that the job belongs to, "" for none.
    """

    job_id: str
    runbook: str
    created: datetime | None
    ended: datetime | None
    mode: str
    release: str
    started_by: str
    state: str
    status: str
    code: str
    result: str
    correlation_id: str

    def as_json(self) -> dict[str, object]:
        """Return the job for programs."""
        times = {"created": self.created, "ended": self.ended}
        return {**asdict(self), **{name: None if at is None else rfc3339(at) for name, at in times.items()}}


def state_words(status: str) -> str:
    """Return Automation's status in our words. An unknown status stays as it is."""
    return STATES.get(status, told(status))


def read_job(account: AccountAccess, listed: ListedJob) -> Job:
    """Read a job's parameters and its output with two requests. For a removed job return the facts of the list.

    Raises azure.core's errors.
    """
    found = if_there(lambda: account.client.job.get(*account.at, listed.job_id))
    output = if_there(lambda: account.client.job.get_output(*account.at, listed.job_id))
    properties = None if found is None else found.properties
    given = [parameters_in(value or "") for value in ((properties.parameters or {}) if properties else {}).values()]
    exception = ((properties.exception or "") if properties else "").strip()
    return described(listed, given[0] if given else {}, output or "", exception)


def described(listed: ListedJob, given: Mapping[str, Any], output: str, exception: str) -> Job:
    """Return the facts of a job. Somebody else wrote its parameters and its output, so do not trust them. Pure."""
    first = _FIRST.match(output.partition("\n")[0])
    result, code, status = _result(listed, output, exception)
    correlation_id = given.get("correlation_id")
    return Job(
        job_id=listed.job_id,
        runbook=told(listed.runbook),
        created=listed.created,
        ended=listed.ended,
        mode=first["mode"] if first else mode_in(given),
        release=told(first["version"]) if first and first["runbook"] == listed.runbook else "",
        started_by=starter_in(given) or told(listed.started_by),
        state=state_words(listed.status),
        status=status,
        code=code,
        result=result,
        correlation_id=told(correlation_id) if isinstance(correlation_id, str) else "",
    )


def starter_in(given: Mapping[str, Any]) -> str:
    """Return who started a job, as its parameters say; "" if they do not say it."""
    starter = given.get("started_by")
    return starter if isinstance(starter, str) and STARTED_BY.fullmatch(starter) else ""


def mode_in(given: Mapping[str, Any]) -> str:
    """Return what kind of run a job's parameters ask for."""
    if given.get("trial") is True:
        return TRIAL
    return "plan" if given.get("plan_only") is True else "run"


def _result(listed: ListedJob, output: str, exception: str) -> tuple[str, str, str]:
    """Return a job's result in a few words, the code of its error, and the status that the runbook printed."""
    if listed.ended is None:
        return "", "", ""
    try:
        result = read_result(output, runbook=listed.runbook, correlation_id="")
        if result["status"] != FAILED and listed.status != ENDED_WELL:
            raise NoResultError(f"its result says {result['status']}")
    except NoResultError as problem:
        ended = JobResult(
            job_id=listed.job_id,
            status=listed.status,
            exception=exception,
            result=None,
            problem=str(problem),
            ran_seconds=listed.seconds,
        )
        error = without_result(ended)
        return error.title, error.code, ""
    failure = result["error"]
    if failure is not None:
        return told(failure["message"]), failure["code"], FAILED
    return counts(result), "", str(result["status"])
