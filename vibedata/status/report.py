"""Make the report of `vibedata status` from what it has read. All pure.

Somebody else may have written the data. So this replaces each character that is not visible, cuts long texts, and turns
a malformed time into None.
"""

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from datetime import datetime, timezone
from typing import Any

from runbook_lib.basics.clock import from_rfc3339, rfc3339
from runbook_lib.basics.visible_text import is_visible
from runbook_lib.component_registry.health_states import HEALTH_STATES
from runbook_lib.component_registry.registered import registered_component
from runbook_lib.component_registry.schema import (
    COMPONENTS,
    CREDENTIALS,
    CURRENT,
    OBSERVABILITY,
    RELEASES,
    VANISHED,
    Entity,
)
from runbook_lib.rotation.record import RETIRED
from vibedata.jobs.finding import ListedJob
from vibedata.status.facts import (
    DEGRADED,
    HEALTHY,
    UNHEALTHY,
    UNKNOWN,
    Component,
    Credential,
    InstalledRelease,
    OpenRotation,
    StatusFacts,
    Trouble,
    Verdict,
)
from vibedata.status.runs import LastRuns
from vibedata.status.verdict import verdict

TABLES = (RELEASES, COMPONENTS, CREDENTIALS)
COMPONENT_REGISTRY, RUNS = "component registry", "list of runs"
# The maximum length of a foreign text in the page and the tables.
TEXT_CHARACTERS = 1000

_NO_PROBE = "none"
_BEGINNING = datetime.min.replace(tzinfo=timezone.utc)


@dataclass(frozen=True, slots=True, kw_only=True)
class StatusReadings:
    """What `vibedata status` has read from one instance.

    `at` is the time. `name`, `scope` and `option` are those of StatusFacts. `entities` has the rows of each of TABLES.
    `entities` is None if there is no component registry, or if it could not be read. `troubles` name the sources that
    could not be read: COMPONENT_REGISTRY or RUNS.
    """

    at: datetime
    name: str
    scope: str
    option: str
    entities: Mapping[str, Sequence[Entity]] | None
    runs: LastRuns
    troubles: tuple[Trouble, ...] = ()


@dataclass(frozen=True, slots=True)
class StatusReport:
    """The facts and the verdict on them."""

    facts: StatusFacts
    verdict: Verdict

    def as_json(self) -> dict[str, Any]:
        """Return the report for programs: times as RFC 3339 in UTC, or null."""
        shown: dict[str, Any] = _plain({"verdict": asdict(self.verdict)} | asdict(self.facts))
        for run, told in zip(self.facts.runs, shown["runs"], strict=True):
            told["seconds"] = run.seconds
        return shown


def report(seen: StatusReadings) -> StatusReport:
    """Return the report on these readings."""
    entities = seen.entities or {}
    current = [_release(entity) for entity in entities.get(RELEASES, ()) if entity.get("state") == CURRENT]
    # Each rotation leaves one retired credential, and the table keeps them all.
    kept = (entity for entity in entities.get(CREDENTIALS, ()) if entity.get("state") != RETIRED)
    credentials = [_credential(entity, seen.at) for entity in kept]
    rotations = [_rotation(entity) for entity in entities.get(CREDENTIALS, ()) if entity.get("rotationState")]
    components = sorted(map(_component, entities.get(COMPONENTS, ())), key=_severity)
    facts = StatusFacts(
        at=seen.at,
        name=_text(seen.name),
        scope=_text(seen.scope),
        option=seen.option,
        registry_exists=seen.entities is not None,
        unreadable=any(trouble.source == COMPONENT_REGISTRY for trouble in seen.troubles),
        # An interrupted bootstrap may have left two current releases.
        release=max(current, key=lambda found: found.since or _BEGINNING, default=None),
        components=tuple(component for component in components if component.type != OBSERVABILITY),
        observability=tuple(component for component in components if component.type == OBSERVABILITY),
        credentials=tuple(sorted(credentials, key=_urgency)),
        rotations=tuple(sorted(rotations, key=lambda each: (each.finish_after or _BEGINNING, each.kind))),
        runs=tuple(map(_run, seen.runs.runs)),
        runs_cut=seen.runs.cut,
        troubles=tuple(replace(trouble, message=_text(trouble.message)) for trouble in seen.troubles),
    )
    return StatusReport(facts, verdict(facts))


def _release(entity: Entity) -> InstalledRelease:
    return InstalledRelease(
        version=_text(entity.get("RowKey")),
        manifest_digest=_text(entity.get("digest")),
        channel=_text(entity.get("channel")),
        since=_time(entity.get("updatedAt")),
        expires=_time(entity.get("expiresAt")),
    )


def _component(entity: Entity) -> Component:
    registered = registered_component(entity)
    return Component(
        type=_text(registered.type),
        name=_text(registered.name),
        version=_text(registered.version),
        drift=_text(registered.drift),
        health=registered.health if registered.health in HEALTH_STATES else UNKNOWN,
        reason=_text(registered.health_reason),
        checked_at=_time(registered.checked_at),
        endpoint=_text(registered.endpoint),
        depends_on=tuple(map(_text, registered.depends_on)),
        probed=registered.health_kind != _NO_PROBE,
        vanished=registered.state == VANISHED,
    )


def _run(run: ListedJob) -> ListedJob:
    return replace(
        run,
        job_id=_text(run.job_id),
        runbook=_text(run.runbook),
        status=_text(run.status),
        started_by=_text(run.started_by),
    )


def _severity(component: Component) -> tuple[object, ...]:
    order = (UNHEALTHY, DEGRADED, UNKNOWN, HEALTHY)
    unprobed = component.health == UNKNOWN and not component.probed
    rank = len(order) if unprobed else list[str](order).index(component.health)
    return component.vanished, rank, not component.drift, component.type, component.name


def _credential(entity: Entity, at: datetime) -> Credential:
    expires = _time(entity.get("expires"))
    return Credential(
        kind=_text(entity.get("PartitionKey")),
        id=_text(entity.get("RowKey")),
        state=_text(entity.get("state")),
        expires=expires,
        days_left=None if expires is None else (expires - at).days,
    )


def _rotation(entity: Entity) -> OpenRotation:
    return OpenRotation(
        kind=_text(entity.get("PartitionKey")),
        secret=_text(entity.get("RowKey")),
        rotation_id=_text(entity.get("rotationId")),
        state=_text(entity.get("rotationState")),
        finish_after=_time(entity.get("retireAfter")),
    )


def _urgency(credential: Credential) -> tuple[object, ...]:
    return credential.expires is None, credential.expires or _BEGINNING, credential.kind, credential.id


def _text(value: object) -> str:
    """Return at most TEXT_CHARACTERS of a text.

    A sign replaces each invisible character: a terminal obeys control characters and changes of writing direction.
    """
    words = " ".join(str("" if value is None else value).split())[:TEXT_CHARACTERS]
    return "".join(character if is_visible(character) else "\N{REPLACEMENT CHARACTER}" for character in words)


def _time(value: object) -> datetime | None:
    try:
        moment = from_rfc3339(str(value))
        # OverflowError: a time in the first or the last year may not exist in another time zone.
        return moment.astimezone(timezone.utc) if moment.tzinfo else moment.replace(tzinfo=timezone.utc)
    except (ValueError, OverflowError):
        return None


def _plain(value: Any) -> Any:
    if isinstance(value, datetime):
        return rfc3339(value)
    if isinstance(value, dict):
        return {name: _plain(part) for name, part in value.items()}
    return [_plain(part) for part in value] if isinstance(value, (list, tuple)) else value
