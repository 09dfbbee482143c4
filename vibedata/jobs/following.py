"""Follow a job to its end: show each line of its streams at once, and find out how the job ended."""

from collections.abc import Iterator, Mapping
from itertools import islice
from typing import Any, Protocol, cast

from runbook_lib.automation.account import AutomationAccount
from runbook_lib.automation.jobs import MAX_RECORDS, JobResult, JobState, job_result, job_state, lines_of
from runbook_lib.azure.session import AzureSession
from runbook_lib.basics.clock import Clock
from runbook_lib.errors import RunbookError, automation
from runbook_lib.network.failures import as_runbook_error
from vibedata.jobs.pace import Pace
from vibedata.jobs.start import checked, start
from vibedata.progress_view.waiting import take_up
from vibedata.terminal import told

# The sandbox's fair share ends a job after 3 hours (docs/azure-facts.md#python-and-its-limits). The remaining time is
# for the queue and the start.
FOLLOW_DEADLINE_SECONDS = 4 * 3600.0
# Azure does not explain these states. The first two do not end by themselves. The others lead to another state.
HALTED = frozenset({"Blocked", "Removing"})
PASSING = frozenset({"Disconnected", "Suspending", "Stopping", "Resuming"})
PASSING_SECONDS = 300.0
# A job goes on even if nobody can look at it. This code tries to look again for this time. After that a person can
# follow the job again.
TROUBLE_SECONDS = 300.0
# Limits of the output that is shown. All streams of a job together may have 1 MiB.
MAX_SHOWN_LINES, MAX_SHOWN_CHARACTERS = MAX_RECORDS, 1024 * 1024


class JobWatcher(Protocol):
    """An observer of one job."""

    @property
    def option(self) -> str:
        """What a printed command needs to work at the same instance. See vibedata.instances.choice.Customer."""
        ...

    def asked(self) -> None:
        """The command asks Automation for the job now: from this moment the job may run."""
        ...

    def seen(self, state: JobState) -> None:
        """The job is in this state. Called at each look."""
        ...

    def line(self, line: str) -> None:
        """The job has written a line to a stream."""
        ...


def run_job(session: AzureSession, runbook: str, parameters: Mapping[str, Any], watcher: JobWatcher) -> JobResult:
    """Start `runbook` as a job under the account's identity and follow it to its end.

    `parameters` are the runbook's parameters. They are sent as one base64url argument, together with the name of the
    starter.
    Raises what vibedata.jobs.start does, and `follow`.
    """
    account = AutomationAccount(client=session.clients.automation, settings=session.settings)
    return run_checked(account, runbook, checked(account, runbook, parameters), watcher, clock=session.clock)


def run_checked(
    account: AutomationAccount, runbook: str, given: Mapping[str, Any], watcher: JobWatcher, *, clock: Clock
) -> JobResult:
    """Do the same as `run_job`, with parameters that vibedata.jobs.start.checked has returned."""
    watcher.asked()
    job_id = start(account, runbook, given, option=watcher.option)
    return follow(account, job_id, watcher, clock=clock, correlation_id=str(given.get("correlation_id", "")))


def follow(
    account: AutomationAccount, job_id: str, watcher: JobWatcher, *, clock: Clock, correlation_id: str = ""
) -> JobResult:
    """Follow a started job to its end. `correlation_id` is the id that the job got, "" if it is not known.

    Raises RunbookError VD-AUTOMATION-004 past the deadline, -028 (it does not go on), -029 (it is gone), and the last
    error if Azure gives no answer for TROUBLE_SECONDS. The remedy says how to follow the job again.
    """
    lines, pace = Lines(account, job_id), Pace(clock)
    began = looked = clock.monotonic()
    state, since = JobState(job_id=job_id, status="", exception="", runbook=""), began
    while True:
        now = clock.monotonic()
        try:
            # Read the status before the streams, so that no last line of an ended job is missed.
            after = job_state(account, job_id, on_headers=pace.take)
            since = since if after.status == state.status else now
            state = after
            watcher.seen(state)
            for line in lines.new(whole=state.ended):
                watcher.line(line)
            if state.ended:
                if lines.note():
                    watcher.line(lines.note())
                return job_result(account, state, correlation_id=correlation_id)
            looked = now
        except Exception as error:
            trouble = _passing(error, job_id, watcher.option)
            pace.take(getattr(getattr(error, "response", None), "headers", {}))
            if now - looked > TROUBLE_SECONDS:
                raise trouble from error
        _refuse_endless(state, now - since, watcher.option)
        if now - began > FOLLOW_DEADLINE_SECONDS:
            remedy = f"It may still end: `{take_up(job_id, watcher.option)}` follows it again."
            raise automation.JOB_TIMED_OUT.error(f"last status: {told(state.status)}", target=job_id, remedy=remedy)
        clock.sleep(pace.seconds(now - began))


class Lines:
    """The lines of a job, each once, filtered and limited, because their writer may be hostile."""

    def __init__(self, account: AutomationAccount, job_id: str) -> None:
        self._account = account
        self._job_id = job_id
        self._seen: set[str] = set()
        # The address of the last page that was read, None for the first page.
        self._page: str | None = None
        self._shown = 0
        self._characters = 0
        self._left_out = False

    def new(self, *, whole: bool = False) -> Iterator[str]:
        """Yield the lines that came since the last call, each as soon as its page is read.

        If a page cannot be read, the lines of the pages before it have been yielded: no later call yields them again.

        Args:
            whole: Whether to read all pages again. Otherwise this begins at the last page that was read. No document
                says that a new record comes after all others, so the last call should read all pages.

        Raises:
            azure.core's errors: Automation cannot be reached, fails, or refuses the login.
        """
        if self._left_out:
            return
        if whole:
            self._page = None
        for record in lines_of(islice(self._records(), MAX_RECORDS), self._seen):
            first, *others = record.splitlines() or [""]
            # The other lines have no stream name in front. Indent them, so that they do not look like our own lines.
            for line in (told(first), *("  " + told(line) for line in others)):
                if self._shown >= MAX_SHOWN_LINES or self._characters >= MAX_SHOWN_CHARACTERS:
                    self._left_out = True
                    return
                self._shown += 1
                self._characters += len(line)
                yield line
        self._left_out = len(self._seen) >= MAX_RECORDS

    def _records(self) -> Iterator[Any]:
        """Yield the records from the last page that was read. Raises azure.core's errors."""
        from azure.core.exceptions import HttpResponseError

        try:
            yield from self._records_from_page()
        except HttpResponseError:
            if self._page is None:
                raise
            self._page = None  # Automation may not know the address any more
            yield from self._records_from_page()

    def _records_from_page(self) -> Iterator[Any]:
        from azure.core.paging import PageIterator

        listed = self._account.client.job_stream.list_by_job(*self._account.at, self._job_id)
        pages = cast("PageIterator[Any]", listed.by_page(self._page))
        for page in islice(pages, MAX_RECORDS):  # a page may be empty
            yield from page
            self._page = pages.continuation_token or self._page

    def note(self) -> str:
        """Return a note if lines were left out, "" if none was."""
        if not self._left_out:
            return ""
        return f"WARNING: only {self._shown} lines are shown; the job's page in the portal has all that it wrote"


def _passing(error: Exception, job_id: str, option: str) -> RunbookError:
    """Return the error of a temporary failure. For any other failure, raise `error` or an error of its own."""
    from azure.core.exceptions import ResourceNotFoundError

    if isinstance(error, ResourceNotFoundError):
        raise automation.JOB_REMOVED.error("Automation does not know it any more", target=f"job {job_id}") from error
    named = as_runbook_error(error)
    if named is None:
        raise error
    remedy = f"The job goes on without you. When this works again, type `{take_up(job_id, option)}`."
    told_again = named.entry.error(named.detail, target=named.target, remedy=f"{named.remedy} {remedy}")
    if not named.retryable:
        raise told_again from error
    return told_again


def _refuse_endless(state: JobState, seconds: float, option: str) -> None:
    """Raise RunbookError VD-AUTOMATION-028 for a job that stays too long in a state that does not end by itself."""
    if state.status in HALTED or (state.status in PASSING and seconds > PASSING_SECONDS):
        words = ". ".join(part for part in (f"its status is {state.status}", told(state.exception)) if part)
        line = take_up(state.job_id, option)
        raise automation.JOB_STUCK.error(
            words,
            target=f"job {state.job_id}",
            remedy=f"{automation.JOB_STUCK.remedy} If it goes on after all, `{line}` shows it.",
        )
