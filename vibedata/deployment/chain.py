"""A deployment: publish the first runbooks, then run the chain of runbooks as jobs, one after the other."""

from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass, field
from typing import Any

from publisher.instances.document import Instance
from runbook_lib.automation.jobs import JobResult
from runbook_lib.automation.trial import shortcoming_of
from runbook_lib.azure.session import AzureSession
from runbook_lib.basics.clock import SYSTEM_CLOCK
from runbook_lib.change import Plan, Result
from runbook_lib.deployment_lock.lock import DeploymentLock
from runbook_lib.engine import Work, apply_plan
from runbook_lib.network.retry import NetworkRetryPolicy
from runbook_lib.release.model import LATEST
from vibedata.change_errors import name_any
from vibedata.commands.invoke import result_of
from vibedata.deployment import first_token
from vibedata.deployment.first_publication import Bootstrap
from vibedata.deployment.step import WELL, Step, stopwatch
from vibedata.jobs import run_job
from vibedata.progress import WriteLine, job_lines, progress_printer

# In the order of docs/design.md#the-job. Each runbook needs the results of the one before it.
CHAIN: tuple[tuple[str, Mapping[str, Any]], ...] = (
    ("import_manifest", {"release_tag": LATEST}),
    ("import_images", {}),
    ("publish_runbooks", {}),
    ("validate_runbooks", {}),
    ("bootstrap_registry", {}),
    ("check_health", {}),
)

PUBLISH = "publish"
STEPS = (PUBLISH, *(name for name, _ in CHAIN))


def chain(*, allow_downgrade: bool) -> Iterator[tuple[str, Mapping[str, Any]]]:
    """Yield the runbooks of the chain with their parameters. `allow_downgrade` says that an older release is wanted."""
    for runbook, parameters in CHAIN:
        downgrade = {"allow_downgrade": True} if allow_downgrade and runbook == "import_manifest" else {}
        yield runbook, {**parameters, **downgrade}


@dataclass(slots=True)
class Deployment:
    """A deployment with its steps so far."""

    correlation_id: str
    steps: list[Step] = field(default_factory=list)

    @property
    def status(self) -> str:
        """`succeeded` as long as each step succeeded, else `failed`."""
        return "succeeded" if all(step.status in WELL for step in self.steps) else "failed"

    def as_json(self) -> dict[str, Any]:
        """Return the deployment's result for programs."""
        return {
            "status": self.status,
            "correlation_id": self.correlation_id,
            "steps": [asdict(step) for step in self.steps],
            "seconds": round(sum(step.seconds for step in self.steps), 3),
        }


def deploy(
    session: AzureSession,
    bootstrap: Bootstrap,
    deployment: Deployment,
    report: WriteLine,
    *,
    lock: DeploymentLock,
    instance: Instance | None,
    environ: Mapping[str, str],
    chosen: Collection[str],
    allow_downgrade: bool = False,
) -> None:
    """Publish, give the customer a first token if it has none, then run the chain; stop at the first step that fails.

    `deployment` holds the steps as they end. `instance` is the customer's document, if there is one. `environ` has the
    publisher's settings. `chosen` are the names of the steps that are wanted, of STEPS. The token comes with the
    publication. If a runbook does not find its packages, they are published as single wheels, and it runs again.
    Raises RunbookError VD-LOCK-002 if the lock is lost before a step, VD-SETTINGS-005 and -002 if a token is to be made
    without the publisher's settings.
    """
    if PUBLISH in chosen:
        lock.begin(PUBLISH)
        deployment.steps.append(publish(session, bootstrap, report, stop_asked=lock.is_lost))
        lock.check()  # where it was lost, changes were left out
        if deployment.status != "failed" and first_token.lacks_token(session, report):
            lock.begin(first_token.NAME)
            deployment.steps.append(first_token.give_token(session, instance, environ, report))
    for runbook, parameters in chain(allow_downgrade=allow_downgrade):
        if runbook not in chosen:
            continue
        if deployment.status == "failed":
            return
        lock.begin(runbook)
        given = {**parameters, "correlation_id": deployment.correlation_id}
        ended = _run(session, runbook, given, report)
        if _lacks_package(ended):
            report(f"{runbook} does not find its packages: those that came as one wheel come one by one now")
            lock.begin(PUBLISH)
            again = publish(session, bootstrap.with_single_wheels(), report, stop_asked=lock.is_lost)
            lock.check()
            if again.status != "unchanged":
                deployment.steps.append(again)
                if again.status == "failed":
                    return
                lock.begin(runbook)
                ended = _run(session, runbook, given, report)
        deployment.steps.append(_step(runbook, ended))


def lock_step(seconds: float) -> Step:
    """Return the step that has got the lock. seconds: that it took, waiting included."""
    return Step(name="lock", status="succeeded", seconds=round(seconds, 3), changed=0)


def publish(
    session: AzureSession, bootstrap: Bootstrap, report: WriteLine, *, stop_asked: Callable[[], bool] = lambda: False
) -> Step:
    """Publish the runbooks that the chain begins with, and their packages. stop_asked: whether to begin nothing new."""
    with stopwatch() as seconds:
        plan = bootstrap.plan()
        report(f"publish: {len(plan.changes)} to change, {len(plan.unchanged)} already right")
        work = Work(
            actions=bootstrap.actions(),
            as_runbook_error=name_any,
            retry_policy=NetworkRetryPolicy,
            clock=SYSTEM_CLOCK,
            stop_asked=stop_asked,
        )
        results = apply_plan(
            plan,
            work,
            on_result=lambda result: _tell_failure(result, session, report),
            on_stage_end=lambda: None,
            on_progress=progress_printer(lambda line: report(f"publish: {line}")),
        )
    failed = [result for result in results if result.outcome not in ("done", "replaced")]
    error = next((result.error.as_json() for result in failed if result.error is not None), None)
    if error is not None:
        error["message"] = session.redactor.redact(str(error["message"]))
    return Step(
        name=PUBLISH,
        status=_status(plan, failed),
        seconds=seconds(),
        changed=sum(result.outcome == "done" for result in results),
        error=error,
    )


def run_step(session: AzureSession, runbook: str, parameters: Mapping[str, Any], report: WriteLine) -> Step:
    """Run a runbook as a job and return the step."""
    return _step(runbook, _run(session, runbook, parameters, report))


@dataclass(frozen=True, slots=True)
class _Ended:
    """A job that has ended, the lines of its streams, and its wall time in seconds."""

    job: JobResult
    lines: Sequence[str]
    seconds: float


def _run(session: AzureSession, runbook: str, parameters: Mapping[str, Any], report: WriteLine) -> _Ended:
    report(f"{runbook}: starting a job")
    lines: list[str] = []
    tell = job_lines(runbook, report)

    def on_line(line: str) -> None:
        lines.append(line)
        tell(line)

    with stopwatch() as seconds:
        job = run_job(session, runbook, parameters, on_line)
    return _Ended(job, lines, seconds())


def _lacks_package(ended: _Ended) -> bool:
    """Whether a runbook, or one that validate_runbooks tried, shows that its packages are not there."""
    found = shortcoming_of(ended.job, ended.lines)
    report = None if ended.job.result is None else ended.job.result.get("report")
    lacking = report.get("lacking") if isinstance(report, Mapping) else None
    tried = isinstance(lacking, list) and any("lacks package " in str(each) for each in lacking)
    return tried or (found is not None and found.kind == "package")


def _step(runbook: str, ended: _Ended) -> Step:
    result = result_of(ended.job)
    return Step(
        name=runbook,
        status=str(result["status"]),
        seconds=ended.seconds,
        changed=int(result["changed"]),
        error=result["error"],
    )


def _status(plan: Plan, failed: Sequence[Result]) -> str:
    if failed:
        return "failed"
    return "succeeded" if plan.changes else "unchanged"


def _tell_failure(result: Result, session: AzureSession, report: WriteLine) -> None:
    """Report a failed change in one line. The output shows its remedy below the steps."""
    if result.outcome == "failed" and result.error is not None:
        words = f"publish: {result.change.action} {result.change.target}: {result.error.code}: {result.error.message}"
        report(session.redactor.redact(words))
