"""Read the last runs of an instance: the Automation account's jobs, without trials.

A trial is a job that validate_runbooks starts to find out whether a runbook can run. It plans and changes nothing, so
it does not count as a last run. The list of jobs does not show their parameters, so this reads each job that may be a
last run, and at most MAX_LOOKS jobs.
"""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from functools import partial
from itertools import islice
from operator import attrgetter

from runbook_lib.automation.access import AccountAccess
from runbook_lib.errors import RunbookError, automation
from runbook_lib.workers import side_by_side
from vibedata.jobs.finding import ListedJob, known_job, listed_jobs
from vibedata.jobs.history import TRIAL, mode_in

# How many runs are shown besides the last one of each runbook.
RECENT_RUNS = 10
# How many jobs are read at the same time.
AT_ONCE = 8
# How many jobs are read in all. An instance with twenty runbooks needs about thirty reads. All programs that read the
# jobs of a subscription share 600 reads in a period of unknown length (docs/azure-facts.md#recorded-answers).
MAX_LOOKS = 100
_age = attrgetter("age_key")


@dataclass(frozen=True, slots=True, kw_only=True)
class LastRuns:
    """The last runs, the newest first.

    cut: there were so many trials that not all jobs were read. Some of the unread jobs may be last runs, too.
    """

    runs: tuple[ListedJob, ...] = ()
    cut: bool = False


def read_runs(account: AccountAccess) -> LastRuns:
    """Return the newest runs and the last run of each runbook. Automation keeps runs for 30 days.

    Raises RunbookError VD-AUTOMATION-001 if there is no such account, and the errors of listed_jobs and known_job.

    Source: docs/azure-facts.md#python-and-its-limits.
    """
    return last_runs(listed_jobs(account), partial(_is_no_run, account))


def _is_no_run(account: AccountAccess, job: ListedJob) -> bool:
    """Whether a job is a trial, or was removed since it was listed. Raises the other errors of known_job."""
    try:
        return mode_in(known_job(account, job.job_id).given) == TRIAL
    except RunbookError as error:
        if error.is_(automation.NO_SUCH_JOB):
            return True
        raise


def last_runs(jobs: Sequence[ListedJob], is_no_run: Callable[[ListedJob], bool]) -> LastRuns:
    """Return the newest RECENT_RUNS runs and the last run of each runbook. `is_no_run` tells which jobs to leave out.

    An hourly runbook does not hide the others. This calls `is_no_run` for no more jobs than necessary, and for at
    most MAX_LOOKS.
    """
    waiting = sorted(jobs, key=_age, reverse=True)
    shown: list[ListedJob] = []
    looks = 0
    while chosen := list(islice(_next(waiting, shown), MAX_LOOKS - looks)):
        left_out = side_by_side(is_no_run, chosen, at_once=AT_ONCE)
        shown += [job for job, out in zip(chosen, left_out, strict=True) if not out]
        looks += len(chosen)
        asked = {job.job_id for job in chosen}
        waiting = [job for job in waiting if job.job_id not in asked]
    return LastRuns(
        runs=tuple(sorted(shown, key=_age, reverse=True)), cut=next(_next(waiting, shown), None) is not None
    )


def _next(waiting: Sequence[ListedJob], shown: Sequence[ListedJob]) -> Iterator[ListedJob]:
    """Yield the runs that are to be shown, unless they turn out to be trials."""
    known = {run.runbook for run in shown}
    newer = sum(_age(run) >= _age(waiting[0]) for run in shown) if waiting else 0
    for place, run in enumerate(waiting, start=newer):
        if place < RECENT_RUNS or run.runbook not in known:
            known.add(run.runbook)
            yield run
