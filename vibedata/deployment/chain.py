"""The chain: all steps of a deployment in order, and the loop that does them.

The lock is held from before the first step to after the last (vibedata/deployment/lock.py). After a step that fails,
only the report follows: the publisher also learns how a failed deployment ended. The preflight alone deploys nothing,
so no report follows it.
"""

from collections.abc import Callable, Collection, Mapping
from dataclasses import dataclass
from functools import partial
from typing import Any, Literal

from runbook_lib.errors import deployment as deployment_errors
from runbook_lib.network.failures import as_runbook_error
from vibedata.deployment.first_credentials import HMAC_KEY, REGISTRY_TOKEN, FirstCredential
from vibedata.deployment.first_publication import PREFLIGHT
from vibedata.deployment.job_step import run_as_step
from vibedata.deployment.name import certificate, dns_record
from vibedata.deployment.outcome_report import NAME as REPORT
from vibedata.deployment.outcome_report import report_outcome
from vibedata.deployment.plan import steps
from vibedata.deployment.plan.difference import StepPlan
from vibedata.deployment.plan.facts import PlanFacts
from vibedata.deployment.plan.from_here import LookFromHere
from vibedata.deployment.preflight_step import preflight
from vibedata.deployment.publication_step import NAME as FIRST_RUNBOOKS
from vibedata.deployment.publication_step import publish_first_runbooks
from vibedata.deployment.step import StepResult, step_ended, stopwatch, unchanged
from vibedata.deployment.work import DeploymentWork, ReleaseWork
from vibedata.progress_view.events import PlannedStep, StepBegan, StepsPlanned, Waiting

# A job runs in the customer's Automation account as vibedata-uami. The operator acts in the customer's tenant, with the
# login of the person who typed the command. The publisher acts in its own services, and by jobs in the customer's
# tenant.
CarriedOutBy = Literal["job", "operator", "publisher"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Step:
    """One step of the chain.

    Attributes:
        name: The name that `--from` and `--only` take.
        about: What it does, in one line.
        carried_out_by: See CarriedOutBy.
        plan: Returns what it would change, and changes nothing.
        do: Does the step, and returns how it ended; None if there was nothing to do.
        each_time: Do the step even if its plan is empty. Any other step is left out if its plan, made here, is empty.
    """

    name: str
    about: str
    carried_out_by: CarriedOutBy
    plan: Callable[[PlanFacts], StepPlan]
    do: Callable[[DeploymentWork, LookFromHere], StepResult | None]
    each_time: bool = False


def _no_parameters(_work: DeploymentWork) -> Mapping[str, Any]:
    return {}


def manifest_parameters(version: str, *, allow_downgrade: bool) -> Mapping[str, Any]:
    """Return the parameters of import_manifest. A version's tag never moves; `latest` may have moved."""
    downgrade = {"allow_downgrade": True} if allow_downgrade else {}
    return {"release_tag": version, **downgrade}


def _job(
    runbook: str,
    about: str,
    plan: Callable[[str, PlanFacts], StepPlan],
    parameters: Callable[[DeploymentWork], Mapping[str, Any]] = _no_parameters,
    *,
    each_time: bool = False,
) -> Step:
    return Step(
        name=runbook,
        about=about,
        carried_out_by="job",
        plan=partial(plan, runbook),
        do=lambda work, _look: run_as_step(work, runbook, parameters(work)),
        each_time=each_time,
    )


def _credential(credential: FirstCredential) -> Step:
    return Step(
        name=credential.step,
        about=f"gives the customer a {credential.told}, unless it has one",
        carried_out_by="publisher",
        plan=partial(steps.plan_credential, credential),
        do=lambda work, _look: credential.give(work),
        each_time=True,  # it looks for itself
    )


# In the order of docs/design.md#the-job. Each step needs the results of the ones before it.
CHAIN: tuple[Step, ...] = (
    Step(
        name=PREFLIGHT,
        about="finds everything that would fail, before anything that is in use is changed",
        carried_out_by="job",
        plan=partial(steps.plan_preflight, PREFLIGHT),
        do=preflight,
        each_time=True,
    ),
    Step(
        name=FIRST_RUNBOOKS,
        about="publishes the runbooks that fetch everything else",
        carried_out_by="operator",
        plan=partial(steps.plan_first_runbooks, FIRST_RUNBOOKS),
        do=lambda work, _look: publish_first_runbooks(work),
    ),
    _credential(REGISTRY_TOKEN),
    _job(
        "import_manifest",
        "copies the release manifest with its signature to the customer",
        steps.plan_import_manifest,
        lambda work: manifest_parameters(work.release.verified.id.version, allow_downgrade=work.allow_downgrade),
    ),
    _job("import_images", "copies every image and artifact that the manifest pins", steps.plan_import_images),
    _job("publish_runbooks", "publishes all runbooks of the release and their packages", steps.plan_publish_runbooks),
    _job(
        "validate_runbooks", "proves that each runbook can start and sees what it needs", steps.plan_validate_runbooks
    ),
    _job("bootstrap_registry", "fills the component registry", steps.plan_bootstrap_registry),
    _credential(HMAC_KEY),
    Step(
        name=dns_record.NAME,
        about="makes the instance's name lead to its gateway",
        carried_out_by="publisher",
        plan=partial(steps.plan_dns_record, dns_record.NAME),
        do=lambda work, _look: dns_record.point_name(work),
    ),
    Step(
        name=certificate.NAME,
        about="orders the instance's first TLS certificate, unless it has one",
        carried_out_by="publisher",
        plan=partial(steps.plan_first_certificate, certificate.NAME),
        do=lambda work, _look: certificate.give_certificate(work),
        each_time=True,  # it looks for itself
    ),
    _job(
        "configure_gateway",
        "makes the gateway serve the certificate, and let in only known addresses",
        steps.plan_configure_gateway,
    ),
    _job("check_health", "probes every component and records its health", steps.plan_check_health, each_time=True),
    Step(
        name=certificate.TEST,
        about="sees that the gateway serves the first certificate",
        carried_out_by="publisher",
        plan=partial(steps.plan_certificate_test, certificate.TEST),
        do=lambda work, _look: certificate.test_certificate(work),
        each_time=True,  # it looks for itself
    ),
    Step(
        name=REPORT,
        about="tells the publisher how the deployment ended",
        carried_out_by="publisher",
        plan=partial(steps.plan_report, REPORT),
        do=lambda work, _look: report_outcome(work),
        each_time=True,
    ),
)
# What comes before the steps. It cannot be chosen.
LOCK = "lock"
# The steps that can be chosen. The report belongs to each deployment that has another step than the preflight.
STEPS = tuple(step.name for step in CHAIN if step.name != REPORT)


def deploy(work: DeploymentWork) -> None:
    """Do the chosen steps in their order, and then the report. After a failed step only the report follows.

    `work.deployment` gets each step when it ends. Raises RunbookError VD-LOCK-002 if the lock is lost: then nothing
    more is done, and no report is sent.

    A step may fail because nobody can look at its job. The lock learns that this job may go on.
    """
    look = LookFromHere(work)
    for step in _steps_of(work.chosen):
        if step.name == REPORT or not work.deployment.failed:
            work.lock.begin(step.name)
            work.view.tell(StepBegan(step.name))
            result = _idle(step, work, look) or _carried_out(step, work, look) or unchanged(step.name)
            current = work.view.state.current
            if current is not None and current.has_open_job:
                work.lock.jobs_go_on()
            work.view.tell(step_ended(result))
            work.deployment.steps.append(result)


def planned_steps(chosen: Collection[str]) -> StepsPlanned:
    """Return the coming steps, for the view."""
    steps = [PlannedStep(name=step.name, is_job=step.carried_out_by == "job") for step in _steps_of(chosen)]
    return StepsPlanned(steps)


def planned(work: ReleaseWork) -> tuple[StepPlan, ...]:
    """Return what each chosen step would change, in the order of the chain. Raises what its refusal would be."""
    facts = PlanFacts(work, shown_before=work.chosen)
    return tuple(step.plan(facts) for step in _steps_of(work.chosen))


def _steps_of(chosen: Collection[str]) -> list[Step]:
    """Return the chosen steps in the order of the chain, with the report if it belongs to them.

    A preflight that succeeds says nothing of the instance. Its report would hide that the last deployment has failed.
    """
    reported = set(chosen) != {PREFLIGHT}
    return [step for step in CHAIN if step.name in chosen or (step.name == REPORT and reported)]


def _idle(step: Step, work: DeploymentWork, look: LookFromHere) -> StepResult | None:
    """Return the result of a step if it is known here that it has nothing to do; else None."""
    if step.each_time or not look.looks:
        return None
    with stopwatch() as seconds:
        work.view.tell(Waiting("looking from here whether there is anything to do"))
        plan = look.idle(step.plan)
    if plan is None:
        return None
    work.report(f"{step.name}: 0 to change, {plan.unchanged} already right")
    return unchanged(step.name, seconds())


def _carried_out(step: Step, work: DeploymentWork, look: LookFromHere) -> StepResult | None:
    with stopwatch() as seconds:
        try:
            return step.do(work, look)
        except Exception as error:
            named = as_runbook_error(error)
            if named is None or named.is_(deployment_errors.LOCK_LOST):
                raise
    message = {"message": work.session.redactor.redact(named.message)}
    return StepResult(
        name=step.name, status="failed", seconds=seconds(), changed=0, error={**named.as_json(), **message}
    )


def lock_step(seconds: float) -> StepResult:
    """Return the result of the step that took the lock. seconds: its time, with the waiting."""
    return StepResult(name=LOCK, status="succeeded", seconds=round(seconds, 3), changed=0)
