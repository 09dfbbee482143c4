"""Find the job that a person means: by its id, by the beginning of its id, or by its runbook's name."""

import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timezone
from typing import Any

from runbook_lib.automation.access import AccountAccess, if_there, plain
from runbook_lib.automation.jobs import JobState, state_in
from runbook_lib.errors import RunbookError, automation
from runbook_lib.network.listing import bounded
from runbook_lib.run.parameters import parameters_in
from vibedata.shell_checks import nearest

# How many jobs an error names, and how many characters of the user's word it shows.
MAX_NAMED = 5
MAX_WORD_CHARACTERS = 64
_UUID = re.compile(r"[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}")
_OF_UUID = re.compile(r"[0-9a-f-]{4,36}")
_NEVER = datetime.min.replace(tzinfo=timezone.utc)


@dataclass(frozen=True, slots=True, kw_only=True)
class ListedJob:
    """A job in the list of jobs, without its parameters and its output. Automation keeps a job for 30 days.

    started_by: who started it in the portal, "" if Automation does not know.
    """

    job_id: str
    runbook: str
    status: str
    created: datetime | None
    started: datetime | None
    ended: datetime | None
    started_by: str

    @property
    def seconds(self) -> float | None:
        """Wall time from start to end, None if one of them is missing."""
        return None if self.started is None or self.ended is None else (self.ended - self.started).total_seconds()

    @property
    def age_key(self) -> tuple[datetime, str]:
        """Return the sort key. Older jobs come first."""
        return self.created or _NEVER, self.job_id


@dataclass(frozen=True, slots=True, kw_only=True)
class KnownJob:
    """A job as it was requested. given: its unchecked parameters, {} if they cannot be read."""

    state: JobState
    created: datetime | None
    given: Mapping[str, Any]


def listed_jobs(account: AccountAccess) -> list[ListedJob]:
    """Return all jobs of an account, the newest first.

    Raises RunbookError VD-AUTOMATION-001 if the account does not exist, VD-STORAGE-005 if it has too many jobs, and
    azure.core's errors.
    """
    # Read all pages, because their order is not documented.
    items = account.client.job.list_by_automation_account(*account.at)
    found = if_there(lambda: [_listed(job) for job in bounded(items, target="jobs")])
    if found is None:
        raise automation.ACCOUNT_UNUSABLE.error("it is not there", target=account.at[1])
    return sorted(found, key=lambda job: job.age_key, reverse=True)


def find_job(account: AccountAccess, wanted: str) -> str:
    """Return the id of the job that is meant. For a complete id, `known_job` finds out whether the job exists.

    Raises RunbookError VD-AUTOMATION-023 (there is none), -024 (several begin like this), and what listed_jobs does.
    """
    return wanted.lower() if _UUID.fullmatch(wanted.lower()) else chosen(listed_jobs(account), wanted)


def known_job(account: AccountAccess, job_id: str) -> KnownJob:
    """Return a job. Raises RunbookError VD-AUTOMATION-023 (there is none), and azure.core's errors."""
    job = if_there(lambda: account.client.job.get(*account.at, job_id))
    if job is None or job.properties is None:
        raise automation.NO_SUCH_JOB.error(target=job_id)
    given = [parameters_in(value or "") for value in (job.properties.parameters or {}).values()]
    return KnownJob(
        state=state_in(job_id, job.properties),
        created=job.properties.creation_time,
        given=given[0] if given else {},
    )


def chosen(jobs: Sequence[ListedJob], wanted: str) -> str:
    """Return the id of the job that is meant. `jobs` are sorted, the newest first. Pure. Raises: see `find_job`."""
    of_runbook = [job for job in jobs if job.runbook.lower() == wanted.lower()]
    if of_runbook:
        return of_runbook[0].job_id
    fits = [job for job in jobs if job.job_id.lower().startswith(wanted.lower())]
    if not _OF_UUID.fullmatch(wanted.lower()) or not fits:
        raise _none(jobs, wanted)
    if len(fits) > 1:
        shown = ", ".join(f"{job.job_id} ({job.runbook})" for job in fits[:MAX_NAMED])
        more = f", and {len(fits) - MAX_NAMED} more" if len(fits) > MAX_NAMED else ""
        raise automation.JOB_AMBIGUOUS.error(f"{shown}{more}", target=wanted)
    return fits[0].job_id


def _none(jobs: Iterable[ListedJob], wanted: str) -> RunbookError:
    runbooks = sorted({job.runbook for job in jobs})
    seen = f"there are jobs of {', '.join(runbooks)}" if runbooks else "the account has had no job at all"
    return automation.NO_SUCH_JOB.error(seen + nearest(wanted, runbooks), target=wanted[:MAX_WORD_CHARACTERS])


def _listed(job: Any) -> ListedJob:
    properties = job.properties
    return ListedJob(
        job_id=str(job.name),
        runbook=(properties.runbook.name or "") if properties.runbook else "",
        status=plain(properties.status),
        created=properties.creation_time,
        started=properties.start_time,
        ended=properties.end_time,
        started_by=properties.started_by or "",
    )
