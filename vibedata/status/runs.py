"""Read the last runs of an instance: the Automation account's jobs, without trials.

A trial is a job that validate_runbooks starts to find out whether a runbook can run. It plans and changes nothing, so
it does not count as a last run. The list of jobs does not show their parameters, so this reads the newest jobs one by
one.
"""

from collections.abc import Callable, Iterator, Sequence
from datetime import datetime, timezone
from typing import TYPE_CHECKING

from runbook_lib.automation.access import AccountAccess, plain
from runbook_lib.errors import automation
from runbook_lib.network.listing import bounded
from runbook_lib.run.parameters import is_trial
from runbook_lib.workers import side_by_side
from vibedata.status.facts import Run

if TYPE_CHECKING:
    from azure.mgmt.automation.models import JobCollectionItem

# How many runs are shown besides the last one of each runbook.
RECENT_RUNS = 10
# How many jobs are read at the same time.
AT_ONCE = 8
_BEGINNING = datetime.min.replace(tzinfo=timezone.utc)


def read_runs(account: AccountAccess) -> tuple[Run, ...]:
    """Return the newest runs and the last run of each runbook, the newest first. Automation keeps runs for 30 days.

    Raises RunbookError VD-AUTOMATION-001 if there is no such account, and azure.core's errors.

    Source: docs/azure-facts.md#python-and-its-limits.
    """
    from azure.core.exceptions import ResourceNotFoundError

    try:
        # Read all pages: their order is not documented.
        jobs = list(bounded(account.client.job.list_by_automation_account(*account.at), target="jobs"))
    except ResourceNotFoundError as error:
        raise automation.ACCOUNT_UNUSABLE.error("it is not there", target=account.at[1]) from error

    def is_a_trial(run: Run) -> bool:
        properties = account.client.job.get(*account.at, run.job_id).properties
        return any(is_trial(text) for text in ((properties.parameters or {}) if properties else {}).values())

    return last_runs([_run(job) for job in jobs], is_a_trial)


def last_runs(runs: Sequence[Run], is_a_trial: Callable[[Run], bool]) -> tuple[Run, ...]:
    """Return the newest RECENT_RUNS runs and the last run of each runbook, the newest first. Leave out trials.

    So an hourly runbook does not hide the others. This calls `is_a_trial` for no more runs than necessary.
    """
    waiting = sorted(runs, key=_created, reverse=True)
    shown: list[Run] = []
    while chosen := list(_next(waiting, shown)):
        trials = side_by_side(is_a_trial, chosen, at_once=AT_ONCE)
        shown += [run for run, trial in zip(chosen, trials, strict=True) if not trial]
        asked = {run.job_id for run in chosen}
        waiting = [run for run in waiting if run.job_id not in asked]
    return tuple(sorted(shown, key=_created, reverse=True))


def _next(waiting: Sequence[Run], shown: Sequence[Run]) -> Iterator[Run]:
    """Yield the runs that are to be shown, unless they turn out to be trials."""
    known = {run.runbook for run in shown}
    newer = sum(_created(run) >= _created(waiting[0]) for run in shown) if waiting else 0
    for place, run in enumerate(waiting, start=newer):
        if place < RECENT_RUNS or run.runbook not in known:
            known.add(run.runbook)
            yield run


def _created(run: Run) -> datetime:
    return run.created or _BEGINNING


def _run(job: "JobCollectionItem") -> Run:
    assert job.properties is not None  # noqa: S101 - Automation gives them for every job
    return Run(
        job_id=str(job.name),
        runbook=str(job.properties.runbook.name if job.properties.runbook else ""),
        status=plain(job.properties.status),
        created=job.properties.creation_time,
        started=job.properties.start_time,
        ended=job.properties.end_time,
    )
