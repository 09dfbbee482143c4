"""Probe every component of the component registry, and record its health.

A component that is ill is what this runbook is there to find, and no failure of it: it fails only where it could not
look, or not record what it saw, or where the recorded release in artifact storage is not the publisher's. Nobody's
health comes from that release, so health is looked at and recorded all the same, and the run fails at its end. Beside
the components it looks at what watches over them: that the operations log takes events, that alert rules are on and
lead to somebody, and that a schedule starts the next check.
"""

import ssl
import sys
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from typing import cast

from runbook_lib.basics.clock import rfc3339
from runbook_lib.callbacks.delivery import Callbacks
from runbook_lib.callbacks.payloads import Payload
from runbook_lib.change import Change, Plan, Result
from runbook_lib.component_registry import schema as component_registry
from runbook_lib.component_registry.health_states import STATES, State
from runbook_lib.component_registry.managed_resources import ManagedResources
from runbook_lib.component_registry.rows import RegisteredComponent, current_release, ill_columns, registered_component
from runbook_lib.component_registry.schema import (
    COMPONENTS,
    OBSERVABILITY,
    RELEASES,
    SCHEMA,
    Batch,
    Entity,
    Key,
    Recorded,
)
from runbook_lib.component_registry.tables import ComponentTables
from runbook_lib.context import Context
from runbook_lib.errors import RunbookError
from runbook_lib.errors import component_registry as component_registry_errors
from runbook_lib.errors import release as release_errors
from runbook_lib.errors import trust as trust_errors
from runbook_lib.health.columns import health_row, needs, own_of, state_of, target_of
from runbook_lib.health.observability import SCHEDULE, look_at_observability
from runbook_lib.health.policy import policy_row, read_health_policy
from runbook_lib.health.probes.choice import probe_of, read_group
from runbook_lib.health.probes.connection import tls_context
from runbook_lib.health.probes.many import Probe, run_probes
from runbook_lib.health.rules import Health, HealthPolicy, Observation, Own, Transition, next_own, roll_up, transitions
from runbook_lib.health.schedule import RunbookSchedule
from runbook_lib.health.summary import health_summary
from runbook_lib.network.failures import name_error
from runbook_lib.operations_log.events import Entry
from runbook_lib.release.installed import stored_release
from runbook_lib.release.model import ReleaseManifest
from runbook_lib.run.parameters import CommonParameters
from runbook_lib.run.result import Report
from runbook_lib.runbook import Runbook, main

NAME = "check_health"
# Areas of the errors by which a stored release is not believed. All others, the network's above all, leave open what it
# is, and whoever needs it will say so.
REFUSALS = (trust_errors.AREA, release_errors.STORAGE, release_errors.MANIFEST)
VERIFY = "verify"
THE_RELEASE = "the recorded release"
# After everything that is to be done all the same: the batches, and the schedule's stages 2 and 3.
_LAST_STAGE = 4


@dataclass(frozen=True, kw_only=True)
class Facts:
    """What check_health found.

    entities: table Components, by target (`type/name`). seen: what was seen of each target this time. depends_on: by
    target. policy: None where none is recorded. schedule: what starts the next check. checked_at: RFC 3339. manifest:
    of the release that is recorded, None where that cannot be read or nothing is to be told. refusal: why that release
    is not believed, None where it is, or is not known.
    """

    entities: Mapping[str, Entity]
    seen: Mapping[str, Observation]
    depends_on: Mapping[str, tuple[str, ...]]
    policy: HealthPolicy | None
    schedule: RunbookSchedule
    checked_at: str
    manifest: ReleaseManifest | None
    refusal: RunbookError | None
    tables: ComponentTables = field(repr=False)

    @cached_property
    def healths(self) -> Mapping[str, Health]:
        """Every target's health now."""
        policy = self.policy or HealthPolicy()
        own = {target: next_own(_own(self.entities, target), seen, policy) for target, seen in self.seen.items()}
        return roll_up(own, self.depends_on)

    @cached_property
    def transitions(self) -> Mapping[str, Transition]:
        """What has changed since the last check, by target."""
        before = {target: state_of(entity) for target, entity in self.entities.items()}
        return {each.target: each for each in transitions(before, self.healths)}

    @cached_property
    def batches(self) -> Mapping[str, Batch]:
        """What is to be written, by target."""
        rows = [health_row(target, health, self.checked_at) for target, health in self.healths.items()]
        if self.policy is None:
            rows.append(policy_row(HealthPolicy()))
        return {batch.target: batch for batch in component_registry.batches(rows)}

    @cached_property
    def recorded(self) -> Mapping[Key, Recorded]:
        """What is recorded in table Components, as ComponentTables.write wants to know it."""
        return {
            (str(entity["PartitionKey"]), str(entity["RowKey"])): Recorded(
                etag=str(entity.metadata["etag"]),  # type: ignore[attr-defined]
                state=str(entity.get("state", "")),
            )
            for entity in self.entities.values()
        }


def _own(entities: Mapping[str, Entity], target: str) -> Own:
    return own_of(entities[target]) if target in entities else Own()


def observe(context: Context, parameters: CommonParameters) -> Facts:
    """Read what is registered, ask ARM, probe every component, and look at the observability."""
    checked_at = rfc3339(context.clock.now())
    tables = ComponentTables(
        context.clients.table_service,
        retry_policy=context.retry_policy,
        clock=context.clock,
        warn=context.output.warning,
    )
    entities = _registered(context, tables)
    policy, warning = read_health_policy(context.clients.table_service)
    if warning:
        context.output.warning(warning)
    components = {
        target: registered_component(entity)
        for target, entity in entities.items()
        if entity["PartitionKey"] != OBSERVABILITY
    }
    seen = _look_at(context, components, {target: own_of(entity) for target, entity in entities.items()})
    schedule = RunbookSchedule.read(context, NAME)
    watching = look_at_observability(context.clients.monitor, context.settings.resource_group, context.deliver_log())
    watching = {**watching, SCHEDULE: schedule.seen}
    manifest, refusal = (None, None) if parameters.plan_only else _manifest(context, tables)
    facts = Facts(
        entities=entities,
        seen={**seen, **{f"{OBSERVABILITY}/{name}": each for name, each in watching.items()}},
        depends_on=needs({target: component.depends_on for target, component in components.items()}),
        policy=policy,
        schedule=schedule,
        checked_at=checked_at,
        manifest=manifest,
        refusal=refusal,
        tables=tables,
    )
    for target, health in _ill(facts):
        context.output.warning(f"{target} is {health.state}: {health.reason}")
    return facts


def _registered(context: Context, tables: ComponentTables) -> dict[str, Entity]:
    """Raises RunbookError VD-HEALTH-001, and VD-COMPONENT-003 where a newer runbook has written the registry."""
    from azure.core.exceptions import ResourceNotFoundError

    tables.recorded(SCHEMA)
    try:
        entities = {target_of(entity): entity for entity in tables.entities(COMPONENTS)}
    except ResourceNotFoundError as error:
        raise component_registry_errors.NO_COMPONENT_REGISTERED.error("there is no table Components") from error
    ill = {target: columns for target, entity in entities.items() if (columns := ill_columns(entity))}
    if ill:
        target, columns = next(iter(ill.items()))
        context.output.warning(
            f"table {COMPONENTS} has {len(ill)} rows with columns that are not of their form, such as {target}:"
            f" {', '.join(columns)}; they count as not there, and bootstrap_registry writes them anew"
        )
    if all(entity["PartitionKey"] == OBSERVABILITY for entity in entities.values()):
        raise component_registry_errors.NO_COMPONENT_REGISTERED.error("table Components is empty")
    return entities


def _look_at(
    context: Context, components: Mapping[str, RegisteredComponent], known: Mapping[str, Own]
) -> dict[str, Observation]:
    managed = ManagedResources(client=context.clients.resources, settings=context.settings)
    group = read_group(managed, components.values(), context.output.warning)
    trust = _trust(context)
    given = {target: probe_of(component, group, trust) for target, component in components.items()}
    # Those that were ill begin first: one that hangs for its whole deadline holds the others up least at the start.
    asked = sorted(
        (target for target, each in given.items() if isinstance(each, Probe)),
        key=lambda target: (known[target].state == "healthy", target),
    )
    probes = [cast(Probe, given[target]) for target in asked]
    answers = run_probes(probes, clock=context.clock, on_progress=context.output.progress)
    return {
        **{target: each for target, each in given.items() if isinstance(each, Observation)},
        **dict(zip(asked, answers, strict=True)),
    }


def _trust(context: Context) -> ssl.SSLContext:
    """The same authorities that every other request of the run trusts."""
    import certifi

    found = context.clients.session.merge_environment_settings("https://", {}, None, None, None)["verify"]
    return tls_context(found if isinstance(found, str) else certifi.where())


def _manifest(context: Context, tables: ComponentTables) -> tuple[ReleaseManifest | None, RunbookError | None]:
    """Return what says which components the publisher may be told of, or why it is refused.

    Nobody's health is in question without it. Before a first release there is none, which is no failure; nor is it
    where it cannot be found out, which is told.
    """
    from azure.core.exceptions import ResourceNotFoundError

    try:
        release = current_release(tables.entities(RELEASES))
        return None if release is None else stored_release(context, release).manifest, None
    except ResourceNotFoundError:
        return None, None  # nothing is recorded yet
    except Exception as error:  # noqa: BLE001 - what is told must not keep anybody from looking
        named = name_error(error)
        why = type(error).__name__ if named is None else f"{named.code}: {named.message}"
        context.output.warning(
            f"the publisher is told of no component by name: the release manifest cannot be read: {why}"
        )
        return None, named if named is not None and named.area in REFUSALS else None


def _ill(facts: Facts) -> Iterator[tuple[str, Health]]:
    return ((target, health) for target, health in facts.healths.items() if health.state in ("degraded", "unhealthy"))


def plan(facts: Facts) -> Plan:
    """Record everybody's health, batch by batch and side by side; see to the schedule; fail last for a bad release."""
    written = [
        Change(1, "record", batch.target, _before(batch, facts), batch.wanted) for batch in facts.batches.values()
    ]
    made, left = facts.schedule.changes
    bad = () if facts.refusal is None else (Change(_LAST_STAGE, VERIFY, THE_RELEASE, None, "verified"),)
    return Plan(changes=(*written, *made, *bad), unchanged=left)


def _before(batch: Batch, facts: Facts) -> str | None:
    targets = {row.name: f"{row.partition}/{row.name}" for row in batch.rows}
    return batch.seen({name: facts.entities[each] for name, each in targets.items() if each in facts.entities})


def apply(context: Context, facts: Facts, change: Change) -> None:  # noqa: ARG001 - the engine's signature
    """Record a batch, make the schedule or its link, or raise why the release is refused."""
    if change.target == THE_RELEASE and facts.refusal is not None:
        raise facts.refusal
    batch = facts.batches.get(change.target)
    if batch is not None:
        facts.tables.write(batch, facts.recorded if batch.table == COMPONENTS else {})
    else:
        facts.schedule.apply(change)


def look(context: Context, facts: Facts, change: Change) -> str | None:  # noqa: ARG001 - the engine's signature
    """Return what is recorded of a batch, or of the schedule; of a release that is refused, nothing."""
    if change.target == THE_RELEASE:
        return None
    batch = facts.batches.get(change.target)
    return facts.schedule.look(change) if batch is None else batch.seen(facts.tables.read(batch))


def events(facts: Facts, result: Result) -> Sequence[Entry]:
    """Return an event for each health that has changed, once it is recorded."""
    batch = facts.batches.get(result.change.target)
    if batch is None or result.outcome != "done":
        return ()
    targets = (f"{row.partition}/{row.name}" for row in batch.rows)
    return [_event(facts.transitions[target]) for target in targets if target in facts.transitions]


def _event(transition: Transition) -> Entry:
    return Entry(
        step="apply",
        action="health",
        target=transition.target,
        outcome=transition.after,
        message=transition.reason,
        details={"Before": transition.before, "After": transition.after},
    )


def report(facts: Facts) -> Report:
    """Tell counts, who is ill and why, and what has changed."""
    by_state = _by_state(facts, (target for target in facts.healths if not target.startswith(f"{OBSERVABILITY}/")))
    ill = dict(_ill(facts))
    return {
        "components": sum(by_state.values()),
        **{state: by_state[state] for state in STATES},
        "ill": [f"{target} is {ill[target].state}: {ill[target].reason}" for target in ill],
        "changed": [f"{each.target}: {each.before} -> {each.after}" for each in facts.transitions.values()],
    }


def _by_state(facts: Facts, targets: Iterable[str]) -> Counter[State]:
    return Counter(facts.healths[target].state for target in targets)


def told(facts: Facts, instance_id: str) -> Sequence[Payload]:
    """Tell the publisher how the instance is."""
    return (health_summary(facts.healths, facts.manifest, instance_id=instance_id, at=facts.checked_at),)


RUNBOOK = Runbook(
    name=NAME,
    summary="probe every component and record its health",
    parameters=CommonParameters,
    observe=observe,
    plan=plan,
    apply=apply,
    look=look,
    report=report,
    events=events,
    callbacks=Callbacks(release_version=lambda facts: facts.manifest.version if facts.manifest else "", payloads=told),
)

if __name__ == "__main__":
    sys.exit(main(RUNBOOK))
