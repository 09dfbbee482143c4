"""Make the plan of each step, with the runbooks' own plans where possible.

A runbook's plan is a pure function of facts. This code reads the facts that the operator may read, for the wanted
release. A job could only read them for the installed release. So the plan of an import or of a publication is the
runbook's own plan, even before the first deployment. The content of the component registry depends on the steps before
it. Until these have run, only its components are known, from the release manifest.
"""

from collections.abc import Iterator, Sequence
from dataclasses import replace

from runbook_lib.automation import publication
from runbook_lib.change import Change, Plan
from runbook_lib.component_registry.schema import COMPONENTS, OBSERVABILITY, VANISHED, Batch, key_of
from runbook_lib.component_registry.tables import ComponentTables
from runbook_lib.errors import RunbookError, azure
from runbook_lib.errors import component_registry as component_registry_errors
from runbook_lib.network.failures import as_runbook_error
from runbook_lib.release.artifacts import ArtifactBlob, Wheel
from runbook_lib.release.installed import ReleaseParameters
from runbook_lib.release.model import ReleaseManifest
from runbooks import bootstrap_registry, configure_gateway, import_manifest, validate_runbooks
from vibedata.deployment.first_credentials import FirstCredential
from vibedata.deployment.first_publication import FIRST_RUNBOOKS, PREFLIGHT, SET, plan_settings
from vibedata.deployment.name import certificate, dns_record
from vibedata.deployment.plan.difference import Difference, Sign, StepPlan, difference
from vibedata.deployment.plan.facts import PlanFacts
from vibedata.deployment.publication_step import NAME as FIRST_STEP

RUNBOOK = "runbook"
LATER = "resources, endpoints and installed versions are known when the steps before have run"

LISTENER_LATER = "the listener reads the first certificate when the vault has it"


def plan_preflight(step: str, facts: PlanFacts) -> StepPlan:
    """Plan what the preflight needs, and its job, which runs each time."""
    return replace(plan_needs_of_preflight(step, facts), each_time="looks for what would fail")


def plan_needs_of_preflight(step: str, facts: PlanFacts) -> StepPlan:
    """Plan to publish the preflight itself, the packages that it needs, and the settings."""
    published, settings = _published(facts, (PREFLIGHT,)), plan_settings(facts.work.session)
    return _of_plan(step, Plan((*published.changes, *settings.changes), (*published.unchanged, *settings.unchanged)))


def plan_first_runbooks(step: str, facts: PlanFacts) -> StepPlan:
    """Plan to publish the first runbooks and to set the settings, without what the preflight brings."""
    published = _without(facts, PREFLIGHT, _published(facts, FIRST_RUNBOOKS), (PREFLIGHT,))
    if PREFLIGHT in facts.shown_before:
        return _of_plan(step, published)
    settings = plan_settings(facts.work.session)
    return _of_plan(step, Plan((*published.changes, *settings.changes), (*published.unchanged, *settings.unchanged)))


def plan_credential(credential: FirstCredential, facts: PlanFacts) -> StepPlan:
    """Plan all changes of the rotation that brings the first credential."""
    unfinished = credential.unfinished(facts.work)
    if unfinished is None:
        told = f"whether the customer has a {credential.told} cannot be seen from here"
        return StepPlan(step=credential.step, not_known=(f"{told}: a job of the {PREFLIGHT} finds out",))
    return _of_changes(credential.step, credential.rotation(facts.work).preview() if unfinished else Plan())


def plan_import_manifest(step: str, facts: PlanFacts) -> StepPlan:
    """Plan as import_manifest does."""
    return _of_plan(step, facts.manifest_plan, version=facts.manifest.version)


def plan_import_images(step: str, facts: PlanFacts) -> StepPlan:
    """Plan as import_images does."""
    return _of_plan(step, facts.images_plan)


def plan_publish_runbooks(step: str, facts: PlanFacts) -> StepPlan:
    """Plan as publish_runbooks does, without what earlier steps bring."""
    return _of_plan(step, _without(facts, FIRST_STEP, publication.plan(facts.held), FIRST_RUNBOOKS))


def plan_validate_runbooks(step: str, facts: PlanFacts) -> StepPlan:
    """Plan the trials. This step starts a trial of each runbook that no earlier job has proven. It changes nothing."""
    found = facts.validation
    to_try = len(validate_runbooks.plan(found).changes)
    if not to_try:
        return StepPlan(step=step, unchanged=len(found.lacks))
    # The jobs of the steps before it prove their runbooks.
    return StepPlan(step=step, each_time=f"starts up to {to_try} runbooks, each of them once and only to plan")


def plan_bootstrap_registry(step: str, facts: PlanFacts) -> StepPlan:
    """Plan as bootstrap_registry does if the release is installed.

    Otherwise plan only the components of its manifest.
    """
    installed = facts.installed
    try:
        if installed:
            return _recorded(step, facts)
        return StepPlan(step=step, differences=tuple(_components(facts)), not_known=(LATER,))
    except Exception as error:
        named = as_runbook_error(error)
        if named is None or named.area == component_registry_errors.NO_COMPONENT_REGISTERED.area:
            raise
        # bootstrap_registry reads the customer's vault. The operator needs no right on it.
        return StepPlan(step=step, not_known=(f"what it will record cannot be seen from here: {_cause(named)}",))


def plan_dns_record(step: str, facts: PlanFacts) -> StepPlan:
    """Plan the record that makes the instance's name lead to its gateway."""
    plan = dns_record.plan_record(facts.work)
    return StepPlan(step=step, each_time=dns_record.NOT_CONFIGURED) if plan is None else _of_plan(step, plan)


def plan_first_certificate(step: str, facts: PlanFacts) -> StepPlan:
    """Plan all changes of the issuance of the first certificate."""
    plan = facts.certificate_plan
    if plan is None:
        return StepPlan(step=step, each_time=certificate.why_not_configured(facts.work))
    return _of_changes(step, plan)


def plan_certificate_test(step: str, facts: PlanFacts) -> StepPlan:
    """Plan the end of the issuance of the first certificate."""
    why = certificate.why_not_configured(facts.work)
    if why:
        return StepPlan(step=step, each_time=why)
    return _of_changes(step, certificate.plan_test(facts.work, follows=certificate.NAME in facts.shown_before))


def plan_configure_gateway(step: str, facts: PlanFacts) -> StepPlan:
    """Plan in the same way as configure_gateway."""
    try:
        parameters = configure_gateway.Parameters(plan_only=True)
        plan = configure_gateway.plan(configure_gateway.observe(facts.context, parameters))
    except Exception as error:
        named = as_runbook_error(error)
        if named is None or named.area == azure.GATEWAY_FAILED.area:
            raise
        # configure_gateway reads the customer's vault. The operator needs no right on it.
        return StepPlan(step=step, not_known=(f"what it will change cannot be seen from here: {_cause(named)}",))
    follows = certificate.NAME in facts.shown_before and facts.certificate_plan and facts.certificate_plan.changes
    return replace(_of_plan(step, plan), not_known=(LISTENER_LATER,) if follows else ())


def plan_check_health(step: str, facts: PlanFacts) -> StepPlan:
    """Plan that health is recorded. Nobody can know health in advance."""
    return StepPlan(step=step, each_time=f"probes {len(facts.manifest.components)} components and records their health")


def plan_report(step: str, facts: PlanFacts) -> StepPlan:  # noqa: ARG001 - as every step's
    """Plan that the publisher is told."""
    return StepPlan(step=step, each_time="tells the publisher how the deployment ended")


def _published(facts: PlanFacts, runbooks: Sequence[str]) -> Plan:
    """Return the plan of a publication of only these runbooks. Raises RunbookError VD-PUSH-007."""
    wanted = facts.held.wanted
    scripts = facts.work.release.scripts(runbooks)
    return publication.plan(replace(facts.held, wanted=replace(wanted, scripts=scripts, documents=())))


def _without(facts: PlanFacts, step: str, plan: Plan, runbooks: Sequence[str]) -> Plan:
    """Return a plan without the changes that an earlier step makes when it publishes these runbooks."""
    if step not in facts.shown_before:
        return plan
    earlier = _published(facts, runbooks)
    changed = {(each.action, each.target) for each in earlier.changes}
    right = {each.target for each in earlier.unchanged}
    return Plan(
        tuple(each for each in plan.changes if (each.action, each.target) not in changed),
        tuple(each for each in plan.unchanged if each.target not in right),
    )


def _of_changes(step: str, preview: Plan) -> StepPlan:
    """Return the plan of a step that brings one thing through several states. Without changes it is right already."""
    if not preview.changes:
        return StepPlan(step=step, unchanged=1)
    return StepPlan(
        step=step,
        differences=tuple(
            difference(each, f"{each.target}: {each.action}, then it is {each.after}") for each in preview.changes
        ),
    )


def _of_plan(step: str, plan: Plan, *, version: str = "") -> StepPlan:
    return StepPlan(
        step=step,
        differences=tuple(difference(each, _named(each, version)) for each in plan.changes),
        unchanged=len(plan.unchanged),
    )


def _named(change: Change, version: str) -> str:
    """Return the changes with names instead of digests, because a person cannot read digests."""
    subject = change.subject
    if isinstance(subject, ArtifactBlob):
        return f"file {subject.filename}"
    if isinstance(subject, Wheel):
        return f"package {subject.distribution} {subject.version}"
    if SET.is_of(change) or not version:
        return change.target
    if import_manifest.STORE.is_of(change):
        return f"stored release {version}: its {subject}"
    return f"signature of release {version}" if import_manifest.IMPORT_SIGNATURE.is_of(change) else change.target


def _recorded(step: str, facts: PlanFacts) -> StepPlan:
    observed = bootstrap_registry.observe(facts.context, ReleaseParameters())
    plan = bootstrap_registry.plan(observed)
    found: list[Difference] = []
    for change in plan.changes:
        if not isinstance(change.subject, Batch):
            found.append(difference(change, change.target))
            continue
        known = observed.recorded.get(change.subject.table, {})
        for row in change.subject.rows:
            sign: Sign = "-" if row.marks_gone else "~" if row.key in known else "+"
            what = f"{row.table}: {row.partition} {row.name}"
            found.append(difference(change, what, sign=sign))
    return StepPlan(step=step, differences=tuple(found), unchanged=len(plan.unchanged))


def _components(facts: PlanFacts) -> Iterator[Difference]:
    """Yield the differences between the recorded components and the components of the manifest."""
    session = facts.work.session
    tables = ComponentTables(session.clients.table_service, retry_policy=session.retry_policy, clock=session.clock)
    yield from components_changed(facts.manifest, _versions(tables))


def _versions(tables: ComponentTables) -> dict[tuple[str, str], str]:
    """Return the version of each recorded component that still exists, by its type and name."""
    from azure.core.exceptions import ResourceNotFoundError

    try:
        return {
            (str(each["PartitionKey"]), str(each["RowKey"])): str(each.get("version", ""))
            for each in tables.entities(COMPONENTS)
            if each.get("state") != VANISHED and each["PartitionKey"] != OBSERVABILITY
        }
    except ResourceNotFoundError:
        return {}


def components_changed(manifest: ReleaseManifest, recorded: dict[tuple[str, str], str]) -> Iterator[Difference]:
    """Yield how recorded components, their versions by type and name, differ from those of a release. Pure.

    A runbook that the release pins is a component, too (runbook_lib.component_registry.claims).
    """
    named = {each.artifact or each.name for each in manifest.components if each.type == RUNBOOK}
    unnamed = [pin for pin in manifest.runbooks if pin.name not in named]
    optional = {(RUNBOOK, key_of(pin.name)) for pin in unnamed}
    wanted: dict[tuple[str, str], str] = {
        (RUNBOOK, key_of(pin.name)): manifest.version for pin in unnamed if pin.mandatory
    }
    wanted |= {(each.type, key_of(each.name)): each.version for each in manifest.components}
    for key, version in wanted.items():
        before = recorded.get(key)
        if before != version:
            yield _component(key, before, version)
    for key, before in recorded.items():
        if key not in wanted and key not in optional:
            yield _component(key, before, None)


def _component(key: tuple[str, str], before: str | None, after: str | None) -> Difference:
    kind, name = key
    versions = " -> ".join(each for each in (before, after) if each)
    return Difference(
        sign="+" if before is None else "-" if after is None else "~",
        what=f"component {kind} {name} {versions}",
        action="record",
        target=f"{COMPONENTS} {kind} {name}",
        before=before,
        after=after or VANISHED,
    )


def _cause(error: RunbookError) -> str:
    return f"{error.code}: {error.message}"
