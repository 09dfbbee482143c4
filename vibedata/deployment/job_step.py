"""The steps that are jobs: start a runbook in the customer's Automation account, and follow it to its end.

The packages come as one wheel. If a runbook does not find them, this publishes them as single wheels and runs the
runbook again.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

from runbook_lib.automation.jobs import JobResult
from runbook_lib.automation.trial import shortcoming_of
from vibedata.deployment.first_publication import FIRST_RUNBOOKS
from vibedata.deployment.publication_step import publish_within
from vibedata.deployment.step import WELL, StepResult, stopwatch
from vibedata.deployment.work import DeploymentWork
from vibedata.jobs.following import run_job
from vibedata.jobs.verdict import result_of
from vibedata.progress_view.writer import JobView, View


def run_as_step(
    work: DeploymentWork,
    runbook: str,
    parameters: Mapping[str, Any],
    *,
    published: Sequence[str] = FIRST_RUNBOOKS,
) -> StepResult:
    """Run a runbook as a job of this deployment. published: published again if the job does not find its packages."""
    return run_and_report(work, runbook, parameters, published=published)[0]


def run_and_report(
    work: DeploymentWork, runbook: str, parameters: Mapping[str, Any], *, published: Sequence[str]
) -> tuple[StepResult, object]:
    """Run a runbook as run_as_step does. Return its report, too, as the job wrote it: None if it wrote none."""
    given = {**parameters, "correlation_id": work.deployment.correlation_id}
    with stopwatch() as seconds:
        ended = _run(work, runbook, given)
        published_again: StepResult | None = None
        if _lacks_package(ended):
            work.report(f"{runbook} does not find its packages: they are published again as single wheels")
            single = work.publication(published).with_single_wheels()
            published_again = publish_within(work, runbook, single)
            if published_again.status == "succeeded":
                ended = _run(work, runbook, given)
    if published_again is None or published_again.status == "unchanged":
        return replace(_step(runbook, ended), seconds=seconds()), _report(ended)
    if published_again.status not in WELL:
        return replace(published_again, seconds=seconds()), None
    result = _step(runbook, ended)
    changed = result.changed + published_again.changed
    return replace(result, seconds=seconds(), changed=changed), _report(ended)


@dataclass(frozen=True, slots=True)
class _Ended:
    """A job that has ended, and the lines of its streams."""

    job: JobResult
    lines: Sequence[str]


class _KeptLines(JobView):
    """Shows a job, and keeps its lines."""

    def __init__(self, view: View, runbook: str) -> None:
        super().__init__(view, runbook)
        self.lines: list[str] = []

    def line(self, line: str) -> None:
        self.lines.append(line)
        super().line(line)


def _run(work: DeploymentWork, runbook: str, parameters: Mapping[str, Any]) -> _Ended:
    work.lock.begin(runbook)  # a publication just before may have taken minutes
    watcher = _KeptLines(work.view, runbook)
    return _Ended(run_job(work.session, runbook, parameters, watcher), watcher.lines)


def _report(ended: _Ended) -> object:
    return None if ended.job.result is None else ended.job.result.get("report")


def _lacks_package(ended: _Ended) -> bool:
    """Return whether a runbook, or a runbook that validate_runbooks tried, did not find its packages."""
    found = shortcoming_of(ended.job, ended.lines)
    report = _report(ended)
    lacking = report.get("lacking") if isinstance(report, Mapping) else None
    tried = isinstance(lacking, list) and any("lacks package " in str(each) for each in lacking)
    return tried or (found is not None and found.kind == "package")


def _step(runbook: str, ended: _Ended) -> StepResult:
    result = result_of(ended.job)
    return StepResult(
        name=runbook,
        status=str(result["status"]),
        seconds=0.0,
        changed=int(result["changed"]),
        error=result["error"],
    )
