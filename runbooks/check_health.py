"""Probe every component of the component registry, and record its health.

The runbook looks for ill components, so an ill component is no failure of the run. The run fails only if it cannot look
or cannot record, or, at its end, if the recorded release in artifact storage is not the publisher's. It also checks
that the operations log takes events, that alert rules lead to somebody, that no credential and no certificate ends
soon, that no report waits, and that a schedule starts the next check. It records the credentials' states, too.
"""

import sys
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any

from runbook_lib.application_gateway.watch import WATCH, look_at_certificate
from runbook_lib.basics.clock import rfc3339
from runbook_lib.callbacks.delivery import Callbacks
from runbook_lib.callbacks.payloads import Payload
from runbook_lib.change import Action, ActionKind, Plan, Result
from runbook_lib.component_registry import schema as component_registry
from runbook_lib.component_registry.health_states import HEALTH_STATES
from runbook_lib.component_registry.registered import current_release, registered_component
from runbook_lib.component_registry.schema import (
    COMPONENTS,
    CREDENTIALS,
    OBSERVABILITY,
    RELEASES,
    Batch,
    Entity,
    Key,
    Recorded,
)
from runbook_lib.component_registry.tables import ComponentTables, recorded_as
from runbook_lib.context import Context
from runbook_lib.errors import RunbookError
from runbook_lib.errors import release as release_errors
from runbook_lib.errors import trust as trust_errors
from runbook_lib.health.backlog import look_at_backlog
from runbook_lib.health.columns import health_row, needs, own_health, recorded_health
from runbook_lib.health.components import look_at_components, registered
from runbook_lib.health.credentials import WORKING
from runbook_lib.health.observability import LOG, SCHEDULE, look_at_observability
from runbook_lib.health.policy import health_policy_row, read_health_policy
from runbook_lib.health.rules import (
    Health,
    HealthPolicy,
    Observation,
    OwnHealth,
    Transition,
    next_own_health,
    roll_up,
    transitions,
)
from runbook_lib.health.schedule import RunbookSchedule
from runbook_lib.health.summary import health_summary
from runbook_lib.network.failures import as_runbook_error
from runbook_lib.operations_log.events import Entry
from runbook_lib.permissions.automation_account import MAKE_SCHEDULES
from runbook_lib.permissions.credentials import READ_CERTIFICATE
from runbook_lib.permissions.storage import WRITE_TABLES
from runbook_lib.permissions.watching import READ_ALERTS, READ_RESOURCES
from runbook_lib.release.model import ReleaseManifest
from runbook_lib.release.stored import stored_release
from runbook_lib.rotation.checked import look_at_credentials
from runbook_lib.rotation.credentials import FoundCredential, secret_rows
from runbook_lib.run.parameters import CommonParameters
from runbook_lib.run.result import Report
from runbook_lib.runbook import Runbook, main

NAME = "check_health"
# Areas of the errors that refuse a stored release. Other errors, such as the network's, do not say whether the release
# is good. Runbooks that need the release report them.
REFUSALS = (trust_errors.AREA, release_errors.STORAGE, release_errors.MANIFEST)
RECORD: ActionKind[Batch] = ActionKind("record", stage=1)
# The last stage, after the batches and the schedule's stages 2 and 3. Its subject is the error that refuses the
# recorded release.
VERIFY: ActionKind[RunbookError] = ActionKind("verify", stage=4)


@dataclass(frozen=True, kw_only=True)
class Facts:
    """What check_health found.

    `entities` has the rows of table Components, and `seen` this check's observations, by target (`type/name`).
    `depends_on` has the targets that each target depends on. `credentials` lacks those that cannot be read.
    `credentials_recorded` is None if there is no such table, and `policy` if none is recorded. `checked_at` is RFC
    3339. `manifest` is the recorded release's, None if there is none to read. `refusal` says why it is refused, if so.
    """

    entities: Mapping[str, Entity]
    seen: Mapping[str, Observation]
    credentials: tuple[FoundCredential, ...]
    credentials_recorded: Mapping[Key, Recorded] | None
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
        own = {target: next_own_health(_own(self.entities, target), seen, policy) for target, seen in self.seen.items()}
        return roll_up(own, self.depends_on)

    @cached_property
    def transitions(self) -> Mapping[str, Transition]:
        """The changes of health since the last check, by target."""
        before = {target: recorded_health(entity) for target, entity in self.entities.items()}
        return {each.target: each for each in transitions(before, self.healths)}

    @cached_property
    def batches(self) -> tuple[Batch, ...]:
        """The rows to write."""
        rows = [health_row(target, health, self.checked_at) for target, health in self.healths.items()]
        if self.policy is None:
            rows.append(health_policy_row(HealthPolicy()))
        if self.credentials_recorded is not None:
            rows += component_registry.changed(secret_rows(self.credentials), self.credentials_recorded)
        return component_registry.batches(rows)

    @cached_property
    def recorded(self) -> Mapping[str, Mapping[Key, Recorded]]:
        """The recorded rows by table, for ComponentTables.write."""
        components = {
            (str(entity["PartitionKey"]), str(entity["RowKey"])): recorded_as(entity)
            for entity in self.entities.values()
        }
        return {COMPONENTS: components, CREDENTIALS: self.credentials_recorded or {}}


def _own(entities: Mapping[str, Entity], target: str) -> OwnHealth:
    return own_health(entities[target]) if target in entities else OwnHealth()


def observe(context: Context, parameters: CommonParameters) -> Facts:
    """Read the registered components, ask ARM, probe every component, and check the observability."""
    checked_at = rfc3339(context.clock.now())
    tables = ComponentTables(
        context.clients.table_service,
        retry_policy=context.retry_policy,
        clock=context.clock,
        warn=context.output.warning,
    )
    entities = registered(context, tables, may_lack=parameters.trial)  # trials come before the first bootstrap
    policy, warning = read_health_policy(context.clients.table_service)
    if warning:
        context.output.warning(warning)
    components = {
        target: registered_component(entity)
        for target, entity in entities.items()
        if entity["PartitionKey"] != OBSERVABILITY
    }
    seen = look_at_components(context, components, {target: own_health(entity) for target, entity in entities.items()})
    schedule = RunbookSchedule.read(context, NAME)
    watching = dict(
        look_at_observability(context.clients.monitor, context.settings.resource_group, context.deliver_log())
    )
    credentials_seen, credentials = look_at_credentials(context)
    credentials_recorded = tables.recorded(CREDENTIALS)
    certificate_seen, certificate = look_at_certificate(context, credentials_recorded or {})
    watching |= look_at_backlog(context, watching[LOG])
    watching |= {SCHEDULE: schedule.seen, WORKING: credentials_seen, WATCH: certificate_seen}
    manifest, refusal = (None, None) if parameters.plan_only else _manifest(context, tables)
    facts = Facts(
        entities=entities,
        seen={**seen, **{f"{OBSERVABILITY}/{name}": each for name, each in watching.items()}},
        credentials=(*credentials, *certificate),
        credentials_recorded=credentials_recorded,
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


def _manifest(context: Context, tables: ComponentTables) -> tuple[ReleaseManifest | None, RunbookError | None]:
    """Return the release manifest, whose components a report may name, or the error that refuses it.

    No health depends on it. Before the first release there is none, and that is no failure. If it cannot be read, the
    run warns and does not fail.
    """
    from azure.core.exceptions import ResourceNotFoundError

    try:
        release = current_release(tables.entities(RELEASES))
        return None if release is None else stored_release(context, release).manifest, None
    except ResourceNotFoundError:
        return None, None  # nothing is recorded yet
    except Exception as error:  # noqa: BLE001 - a failure of the report must not prevent the check
        named = as_runbook_error(error)
        why = type(error).__name__ if named is None else f"{named.code}: {named.message}"
        context.output.warning(
            f"the report to the publisher names no component: the release manifest cannot be read: {why}"
        )
        return None, named if named is not None and named.area in REFUSALS else None


def _ill(facts: Facts) -> Iterator[tuple[str, Health]]:
    return ((target, health) for target, health in facts.healths.items() if health.state in ("degraded", "unhealthy"))


def plan(facts: Facts) -> Plan:
    """Record all health in batches side by side, then make the schedule. A bad release fails in the last stage."""
    written = [RECORD.change(batch, batch.target, _before(batch, facts), batch.wanted) for batch in facts.batches]
    made, left = facts.schedule.changes
    why = facts.refusal
    bad = () if why is None else (VERIFY.change(why, "the recorded release", None, "verified"),)
    return Plan(changes=(*written, *made, *bad), unchanged=left)


def _before(batch: Batch, facts: Facts) -> str | None:
    if batch.table == CREDENTIALS:
        known = sum(row.key in facts.recorded[CREDENTIALS] for row in batch.rows)
        return f"{known} rows" if known else None
    targets = {row.name: f"{row.partition}/{row.name}" for row in batch.rows}
    return batch.seen({name: facts.entities[each] for name, each in targets.items() if each in facts.entities})


def actions(context: Context, facts: Facts) -> Sequence[Action[Any]]:  # noqa: ARG001 - a runbook's signature
    """Return the actions: record a batch, make the schedule or its link, and fail because of a refused release."""
    tables = facts.tables

    def record(batch: Batch) -> None:
        tables.write(batch, facts.recorded.get(batch.table, {}))

    def refuse(why: RunbookError) -> None:
        raise why

    return (
        Action(RECORD, make=record, see=lambda batch: batch.seen(tables.read(batch))),
        *facts.schedule.actions,
        Action(VERIFY, make=refuse, see=lambda _: None),
    )


def events(facts: Facts, result: Result) -> Sequence[Entry]:
    """Return an event for each change of health after it is recorded."""
    batch = result.change.subject
    if not isinstance(batch, Batch) or batch.table != COMPONENTS or result.outcome != "done":
        return ()
    targets = (f"{row.partition}/{row.name}" for row in batch.rows)
    return [_event(facts.transitions[target]) for target in targets if target in facts.transitions]


def _event(transition: Transition) -> Entry:
    return Entry(
        step="apply",
        action="health",
        target=transition.target,
        outcome=transition.after,
        message=str(transition),
        details={"Before": transition.before, "After": transition.after},
    )


def report(facts: Facts, results: Sequence[Result]) -> Report:  # noqa: ARG001 - a runbook's signature
    """Return counts, the ill components with their reasons, and the changes."""
    components = (health for target, health in facts.healths.items() if not target.startswith(f"{OBSERVABILITY}/"))
    by_state = Counter(health.state for health in components)
    ill = dict(_ill(facts))
    return {
        "components": sum(by_state.values()),
        **{state: by_state[state] for state in HEALTH_STATES},
        "ill": [f"{target} is {ill[target].state}: {ill[target].reason}" for target in ill],
        "changed": [f"{each.target}: {each.before} -> {each.after}" for each in facts.transitions.values()],
    }


def told(facts: Facts, instance_id: str) -> Sequence[Payload]:
    """Return the health report for the publisher."""
    states = [each.state for each in facts.credentials]
    return (health_summary(facts.healths, facts.manifest, states, instance_id=instance_id, at=facts.checked_at),)


RUNBOOK = Runbook(
    name=NAME,
    summary="probe every component and record its health",
    parameters=CommonParameters,
    observe=observe,
    plan=plan,
    actions=actions,
    report=report,
    events=events,
    callbacks=Callbacks(release_version=lambda facts: facts.manifest.version if facts.manifest else "", payloads=told),
    permissions=(MAKE_SCHEDULES, READ_ALERTS, READ_CERTIFICATE, READ_RESOURCES, WRITE_TABLES),
)

if __name__ == "__main__":
    sys.exit(main(RUNBOOK))
