"""Start an Automation job, and find out how it ended."""

import uuid
from collections.abc import Collection, Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

from runbook_lib.automation.access import AccountAccess, plain
from runbook_lib.automation.job_line import FAILED, NoResultError, read_result
from runbook_lib.automation.refusals import refusals
from runbook_lib.basics.clock import Clock
from runbook_lib.errors import RunbookError, automation
from runbook_lib.network.listing import bounded
from runbook_lib.run.parameters import correlation_id_in, encode

# Automation's status for a job whose process ended with exit code 0.
_COMPLETED = "Completed"
# Terminal statuses as documented (docs/azure-facts.md#parameters-and-streams).
ENDED = frozenset({"Completed", "Failed", "Stopped", "Suspended"})
# Automation parameters are positional. The name is only for people.
_PARAMETER_NAME = "parameters"
# The wait between two requests for a job's state is this share of the time so far.
LOOK_SHARE = 0.05
LOOK_MIN_SECONDS = 1.0
LOOK_MAX_SECONDS = 10.0


@dataclass(frozen=True, slots=True, kw_only=True)
class JobState:
    """A job of `runbook` as Automation shows it.

    `exception` is its text for a failure, maybe the runbook's stderr. `arguments` are those that the job got.
    """

    job_id: str
    status: str
    exception: str
    runbook: str
    arguments: tuple[str, ...] = field(default=(), repr=False)

    @property
    def ended(self) -> bool:
        """Whether the state is final."""
        return self.status in ENDED


@dataclass(frozen=True, slots=True, kw_only=True)
class JobResult:
    """How a job ended.

    `result` is the runbook's own final JSON object (runbook_lib.automation.job_line), None if it printed no valid one.
    `problem` says what is wrong with the output, "" for nothing.
    """

    job_id: str
    status: str
    exception: str
    result: Mapping[str, Any] | None
    problem: str = ""


def start_job(account: AccountAccess, runbook: str, parameters: Mapping[str, Any]) -> str:
    """Start `runbook` with its parameters as one base64url argument, and return the job's id.

    The id is new for each call: a repeated id can return an old job (azure-sdk-for-net#34416). If the answer to the
    first request was lost, the second request finds the job that the first one started.
    Raises RunbookError VD-AUTOMATION-007 (at a limit), -008 (refused), and azure.core's errors.
    """
    from azure.core.exceptions import HttpResponseError
    from azure.mgmt.automation.models import JobCreateParameters, JobCreateProperties, RunbookAssociationProperty

    job_id = str(uuid.uuid4())
    properties = JobCreateProperties(
        runbook=RunbookAssociationProperty(name=runbook), parameters={_PARAMETER_NAME: encode(parameters)}
    )
    with refusals(f"job of {runbook}"):
        try:
            account.client.job.create(*account.at, job_id, JobCreateParameters(properties=properties))
        except HttpResponseError as error:
            if error.status_code != 200:  # the client accepts only 201
                raise
    return job_id


def job_state(account: AccountAccess, job_id: str) -> JobState:
    """Return what Automation says of a job now. Raises azure.core's errors."""
    properties = account.client.job.get(*account.at, job_id).properties
    return JobState(
        job_id=job_id,
        status=plain(properties.status) if properties else "",
        exception=((properties.exception or "") if properties else "").strip(),
        runbook=(properties.runbook.name or "") if properties and properties.runbook else "",
        arguments=tuple(each or "" for each in ((properties.parameters or {}) if properties else {}).values()),
    )


def job_result(account: AccountAccess, ended: JobState, *, correlation_id: str = "") -> JobResult:
    """Return how a job ended, with the result that it printed.

    `correlation_id` is the one that the job got, "" for none. A result of success counts only if Automation reports
    success, too. Raises azure.core's errors.
    """
    output = account.client.job.get_output(*account.at, ended.job_id)
    result: Mapping[str, Any] | None = None
    problem = ""
    try:
        result = read_result(output, runbook=ended.runbook, correlation_id=correlation_id)
        if result["status"] != FAILED and ended.status != _COMPLETED:
            raise NoResultError(f"its result says {result['status']}")
    except NoResultError as error:
        result, problem = None, str(error)
    return JobResult(
        job_id=ended.job_id, status=ended.status, exception=ended.exception, result=result, problem=problem
    )


def wait_for_job(
    account: AccountAccess, job_id: str, *, clock: Clock, seconds: float, correlation_id: str = ""
) -> JobResult:
    """Return how a job ended. `job_result` explains `correlation_id`.

    Raises RunbookError VD-AUTOMATION-004 if it has not ended after `seconds`, and azure.core's errors.
    """
    started = clock.monotonic()
    while not (state := job_state(account, job_id)).ended:
        waited = clock.monotonic() - started
        if waited > seconds:
            raise automation.JOB_TIMED_OUT.error(f"after {waited:.0f} s it is {state.status}", target=job_id)
        clock.sleep(pause(waited))
    return job_result(account, state, correlation_id=correlation_id)


def unfinished_jobs(account: AccountAccess, correlation_id: str, *, runbooks: Collection[str]) -> list[JobState]:
    """Return the jobs of some runbooks that have a correlation id and have not ended; none where the account is gone.

    Raises RunbookError VD-STORAGE-005 (too many are listed), and azure.core's errors.
    """
    from azure.core.exceptions import ResourceNotFoundError

    names = {name.lower() for name in runbooks}
    try:
        # All of 30 days: a filter by time would trust the clock of whoever started them.
        listed = list(bounded(account.client.job.list_by_automation_account(*account.at), target="jobs"))
    except ResourceNotFoundError:
        return []
    found: list[JobState] = []
    for each in listed:
        runbook = (each.properties.runbook.name or "") if each.properties.runbook else ""
        state = JobState(job_id=str(each.name), status=plain(each.properties.status), exception="", runbook=runbook)
        if state.ended or runbook.lower() not in names:
            continue
        # The listing does not tell a job's parameters.
        arguments = job_state(account, state.job_id).arguments
        if any(correlation_id_in(argument) == correlation_id for argument in arguments):
            found.append(state)
    return found


def stop_job(account: AccountAccess, job_id: str) -> None:
    """Ask for a job's end, which comes later; nothing where it has ended already.

    Raises RunbookError VD-AUTOMATION-008 (refused), and azure.core's errors.
    """
    from azure.core.exceptions import HttpResponseError

    try:
        with refusals(f"stop of job {job_id}"):
            account.client.job.stop(*account.at, job_id, repeatable=True)
    except (HttpResponseError, RunbookError):
        # It may have ended in between, or by a first request whose answer was lost.
        if not job_state(account, job_id).ended:
            raise


def pause(waited: float) -> float:
    """Return the seconds until the next look at a job that has been waited for so long."""
    return min(max(waited * LOOK_SHARE, LOOK_MIN_SECONDS), LOOK_MAX_SECONDS)


def new_lines(account: AccountAccess, job_id: str, seen: set[str]) -> Iterator[str]:
    """Yield a job's stream lines that are not in `seen` yet, without the final JSON. Raises azure.core's errors."""
    for record in bounded(account.client.job_stream.list_by_job(*account.at, job_id), target=f"job {job_id}"):
        properties = record.properties
        if properties is None or properties.job_stream_id is None or properties.job_stream_id in seen:
            continue
        seen.add(properties.job_stream_id)
        text = (properties.summary or "").rstrip("\n")
        stream = plain(properties.stream_type).upper()
        # It is unconfirmed whether Automation keeps the prefix that chose the stream. Both forms give the same line.
        if text and not text.startswith("{"):
            yield text if stream == "OUTPUT" or text.startswith(stream) else f"{stream}: {text}"
