"""Read the last runs of an instance: the Automation account's jobs, without trials.

A trial is a job that validate_runbooks starts to find out whether a runbook can run. It plans and changes nothing, so
it does not count as a last run. The list of jobs does not show their parameters, so this reads the newest jobs one by
one.
"""

from collections.abc import Callable, Iterator, Sequence
from operator import attrgetter

from runbook_lib.automation.access import AccountAccess
from runbook_lib.workers import side_by_side
from vibedata.jobs.finding import ListedJob, known_job, listed_jobs
from vibedata.jobs.history import TRIAL, mode_in

# How many runs are shown besides the last one of each runbook.
RECENT_RUNS = 10
# How many jobs are read at the same time.
AT_ONCE = 8
_age = attrgetter("age_key")


def read_runs(account: AccountAccess) -> tuple[ListedJob, ...]:
    """Return the newest runs and the last run of each runbook, the newest first. Automation keeps runs for 30 days.

    Raises RunbookError VD-AUTOMATION-001 if there is no such account, and what listed_jobs and known_job do.

    Source: docs/azure-facts.md#python-and-its-limits.
    """
    return last_runs(listed_jobs(account), lambda job: mode_in(known_job(account, job.job_id).given) == TRIAL)


def last_runs(runs: Sequence[ListedJob], is_a_trial: Callable[[ListedJob], bool]) -> tuple[ListedJob, ...]:
    """Return the newest RECENT_RUNS runs and the last run of each runbook, the newest first. Leave out trials.

    So an hourly runbook does not hide the others. This calls `is_a_trial` for no more runs than necessary.
    """
    waiting = sorted(runs, key=_age, reverse=True)
    shown: list[ListedJob] = []
    while chosen := list(_next(waiting, shown)):
        trials = side_by_side(is_a_trial, chosen, at_once=AT_ONCE)
        shown += [run for run, trial in zip(chosen, trials, strict=True) if not trial]
        asked = {run.job_id for run in chosen}
        waiting = [run for run in waiting if run.job_id not in asked]
    return tuple(sorted(shown, key=_age, reverse=True))


def _next(waiting: Sequence[ListedJob], shown: Sequence[ListedJob]) -> Iterator[ListedJob]:
    """Yield the runs that are to be shown, unless they turn out to be trials."""
    known = {run.runbook for run in shown}
    newer = sum(_age(run) >= _age(waiting[0]) for run in shown) if waiting else 0
    for place, run in enumerate(waiting, start=newer):
        if place < RECENT_RUNS or run.runbook not in known:
            known.add(run.runbook)
            yield run
