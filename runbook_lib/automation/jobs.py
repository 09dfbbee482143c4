"""Start an Automation job, and find out how it ended."""

import uuid
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from itertools import islice
from typing import Any

from runbook_lib.automation.access import AccountAccess, if_there, plain
from runbook_lib.automation.job_line import FAILED, NoResultError, read_result
from runbook_lib.automation.refusals import refusals
from runbook_lib.basics.clock import Clock
from runbook_lib.basics.looks import pause_between_looks
from runbook_lib.errors import RunbookError, automation
from runbook_lib.network.failures import as_runbook_error
from runbook_lib.network.listing import bounded
from runbook_lib.run.parameters import correlation_id_in, encode

# Automation's status for a job whose process ended with exit code 0.
_COMPLETED = "Completed"
# Terminal statuses as documented (docs/azure-facts.md#parameters-and-streams).
ENDED = frozenset({"Completed", "Failed", "Stopped", "Suspended"})
# Automation parameters are positional. The name is only for people.
_PARAMETER_NAME = "parameters"
# The bounds of the wait between two requests for a job's state.
LOOK_MIN_SECONDS = 1.0
LOOK_MAX_SECONDS = 10.0
# How many records of a job's streams are read at each look.
MAX_RECORDS = 5_000


@dataclass(frozen=True, slots=True, kw_only=True)
class JobState:
    """A job of `runbook` as Automation shows it.

    `exception` is Automation's text for a failure, maybe the runbook's stderr. `arguments` are the arguments that the
    job got. `ran_seconds` is the time from its start to its end, None as long as one of them is missing.
    """

    job_id: str
    status: str
    exception: str
    runbook: str
    arguments: tuple[str, ...] = field(default=(), repr=False)
    ran_seconds: float | None = None

    @property
    def ended(self) -> bool:
        """Whether the state is final."""
        return self.status in ENDED


@dataclass(frozen=True, slots=True, kw_only=True)
class JobResult:
    """How a job ended.

    `result` is the runbook's own final JSON object (runbook_lib.automation.job_line), None if it printed no valid one.
    `problem` says what is wrong with the output, "" for nothing. `ran_seconds` is JobState's.
    """

    job_id: str
    status: str
    exception: str
    result: Mapping[str, Any] | None
    problem: str = ""
    ran_seconds: float | None = None


def start_job(account: AccountAccess, runbook: str, parameters: Mapping[str, Any], *, option: str = "") -> str:
    """Start `runbook` with its parameters as one base64url argument, and return the job's id.

    option: what a command that an error names needs to work at the same instance.
    The id is new for each call: a repeated id can return an old job (azure-sdk-for-net#34416). If the answer to the
    first request was lost, the second request has the same id and finds the job that the first one started. If no
    request succeeds, this looks whether the job exists. So one call never starts two jobs.
    Raises RunbookError VD-AUTOMATION-007 (at a limit), -008 (refused), -022 (it may have started, and nobody can look),
    and azure.core's errors.
    """
    from azure.core.exceptions import AzureError, HttpResponseError
    from azure.mgmt.automation.models import JobCreateParameters, JobCreateProperties, RunbookAssociationProperty

    job_id = str(uuid.uuid4())
    properties = JobCreateProperties(
        runbook=RunbookAssociationProperty(name=runbook), parameters={_PARAMETER_NAME: encode(parameters)}
    )
    try:
        with refusals(f"job of {runbook}"):
            account.client.job.create(*account.at, job_id, JobCreateParameters(properties=properties))
    except (HttpResponseError, RunbookError) as error:
        if isinstance(error, RunbookError) and not error.is_(automation.CHANGE_REFUSED):
            raise
        refusal = error.__cause__ if isinstance(error, RunbookError) else error
        status = getattr(refusal, "status_code", None)
        # The client accepts only 201. After 200 the job existed already. After 409 it may exist, too.
        may_exist = status in (408, 409) or (status or 0) >= 500
        if status != 200 and not (may_exist and _has_started(account, job_id, option)):
            raise
    except AzureError:  # no answer
        if not _has_started(account, job_id, option):
            raise
    return job_id


def _has_started(account: AccountAccess, job_id: str, option: str) -> bool:
    """Look whether a job exists although its start has failed. Raises RunbookError VD-AUTOMATION-022."""
    from azure.core.exceptions import AzureError

    try:
        return if_there(lambda: account.client.job.get(*account.at, job_id)) is not None
    except AzureError as error:
        named = as_runbook_error(error)
        raise automation.JOB_START_UNKNOWN.error(
            "" if named is None else f"{named.code}: {named.message}",
            target=f"job {job_id}",
            remedy="Do not start it again yet. As soon as Azure answers, type `vibedata logs"
            f" {job_id} --follow{option}`: it shows the job, or says that there is none.",
        ) from error


def job_state(
    account: AccountAccess, job_id: str, *, on_headers: Callable[[Mapping[str, str]], object] | None = None
) -> JobState:
    """Return the present state of a job. `on_headers` gets the header fields of the answer. Raises azure.core's
    errors.
    """
    hook: dict[str, Any] = (
        {} if on_headers is None else {"raw_response_hook": lambda got: on_headers(got.http_response.headers)}
    )
    return state_in(job_id, account.client.job.get(*account.at, job_id, **hook).properties)


def state_in(job_id: str, properties: Any) -> JobState:
    """Return the state in a job's properties, as the client has read them."""
    times = (properties.start_time, properties.end_time) if properties else (None, None)
    return JobState(
        job_id=job_id,
        status=plain(properties.status) if properties else "",
        exception=((properties.exception or "") if properties else "").strip(),
        runbook=(properties.runbook.name or "") if properties and properties.runbook else "",
        arguments=tuple(each or "" for each in ((properties.parameters or {}) if properties else {}).values()),
        ran_seconds=(times[1] - times[0]).total_seconds() if times[0] and times[1] else None,
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
        job_id=ended.job_id,
        status=ended.status,
        exception=ended.exception,
        result=result,
        problem=problem,
        ran_seconds=ended.ran_seconds,
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
    """Return the unfinished jobs of these runbooks with a correlation id; none if the account does not exist.

    Raises RunbookError VD-STORAGE-005 (too many are listed), and azure.core's errors.
    """
    from azure.core.exceptions import ResourceNotFoundError

    names = {name.lower() for name in runbooks}
    try:
        # Read the jobs of all 30 days: a filter by time would trust the clock of the person who started them.
        listed = list(bounded(account.client.job.list_by_automation_account(*account.at), target="jobs"))
    except ResourceNotFoundError:
        return []
    found: list[JobState] = []
    for each in listed:
        runbook = (each.properties.runbook.name or "") if each.properties.runbook else ""
        state = JobState(job_id=str(each.name), status=plain(each.properties.status), exception="", runbook=runbook)
        if state.ended or runbook.lower() not in names:
            continue
        # The list does not show the parameters of a job.
        arguments = job_state(account, state.job_id).arguments
        if any(correlation_id_in(argument) == correlation_id for argument in arguments):
            found.append(state)
    return found


def stop_job(account: AccountAccess, job_id: str) -> None:
    """Ask Automation to stop a job, which takes some time. Do nothing if the job has ended already.

    Raises RunbookError VD-AUTOMATION-008 (refused), and azure.core's errors.
    """
    from azure.core.exceptions import HttpResponseError

    try:
        with refusals(f"stop of job {job_id}"):
            account.client.job.stop(*account.at, job_id, repeatable=True)
    except (HttpResponseError, RunbookError):
        # The job may have ended in the meantime, or a first request may have stopped it, whose answer was lost.
        if not job_state(account, job_id).ended:
            raise


def pause(waited: float) -> float:
    """Return the seconds until the next look at a job, from the time that was waited so far."""
    return pause_between_looks(waited, least=LOOK_MIN_SECONDS, most=LOOK_MAX_SECONDS)


def all_lines(account: AccountAccess, job_id: str) -> Iterator[str]:
    """Yield a job's stream lines, without the final JSON.

    If a job has more than MAX_RECORDS records, this yields the first ones: even an empty line is a record, and a job
    may print a million lines. Raises azure.core's errors.
    """
    listed = bounded(account.client.job_stream.list_by_job(*account.at, job_id), target=f"job {job_id}")
    return lines_of(islice(listed, MAX_RECORDS), set())


def lines_of(records: Iterable[Any], seen: set[str]) -> Iterator[str]:
    """Yield the lines of those records of a job's streams whose ids are not in `seen` yet, and add their ids to it."""
    for record in records:
        properties = record.properties
        if properties is None or properties.job_stream_id is None or properties.job_stream_id in seen:
            continue
        seen.add(properties.job_stream_id)
        text = (properties.summary or "").rstrip("\n")
        stream = plain(properties.stream_type).upper()
        # It is unconfirmed whether Automation keeps the prefix that chose the stream. Both forms give the same line.
        if text and not text.startswith("{"):
            yield text if stream == "OUTPUT" or text.startswith(stream) else f"{stream}: {text}"
