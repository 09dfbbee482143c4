"""A component's health in the component registry: the columns of table Components that check_health writes. Pure.

    health         unknown, healthy, degraded or unhealthy, with what the component depends on
    healthReason   why, for people; "" if all is well
    healthProbed   the health of the component itself, without its dependencies: the next check goes on from it
    healthStreak   successful probes in a row, or, below 0, failed ones
    checkedAt      RFC 3339; the time of the check. Every check writes every component, also if its health is the same:
                   a reader must see how old the recorded health is.

Partition OBSERVABILITY has rows with the same columns for alert rules, schedule and log. No release names them.
"""

from collections.abc import Mapping

from runbook_lib.component_registry.health_states import HEALTH_STATES
from runbook_lib.component_registry.schema import COMPONENTS, OBSERVABILITY, REGISTERED, Entity, Row
from runbook_lib.health.rules import Health, OwnHealth
from runbook_lib.release.model import HealthState


def target_of(entity: Entity) -> str:
    """Return `type/name`, the name of a component in messages."""
    return f"{entity['PartitionKey']}/{entity['RowKey']}"


def recorded_health(entity: Entity) -> HealthState:
    """Return the recorded health."""
    return _state(entity.get("health")) or "unknown"


def own_health(entity: Entity) -> OwnHealth:
    """Return the recorded health of a component itself, without its dependencies.

    Column healthProbed says whether a `degraded` component is so by itself (runbook_lib.health.rules, rule 2). A
    malformed value counts as unknown, and the next probes correct it.
    """
    health, streak = recorded_health(entity), entity.get("healthStreak")
    state = (_state(entity.get("healthProbed")) or health) if health == "degraded" else health
    return OwnHealth(state, streak if type(streak) is int else 0)


def health_row(target: str, health: Health, checked_at: str) -> Row:
    """Return the row that records a health. `checked_at` is RFC 3339."""
    partition, _, name = target.partition("/")
    return Row(
        table=COMPONENTS,
        partition=partition,
        name=name,
        columns={
            "health": health.state,
            "healthReason": health.reason,
            "healthProbed": health.own.state,
            "healthStreak": health.own.streak,
            "checkedAt": checked_at,
        },
        at_first={"state": REGISTERED, "healthKind": OBSERVABILITY} if partition == OBSERVABILITY else {},
    )


def needs(components: Mapping[str, tuple[str, ...]]) -> dict[str, tuple[str, ...]]:
    """Return the targets that each component needs. `components` has by target the names that it depends on.

    A release's names are unique. If a former release had a component of the same name and another type, the result has
    both. A name may stand twice in the table.
    """
    by_name: dict[str, list[str]] = {}
    for target in components:
        by_name.setdefault(target.partition("/")[2], []).append(target)
    return {
        target: tuple(need for name in dict.fromkeys(names) for need in by_name.get(name, ()))
        for target, names in components.items()
    }


def _state(value: object) -> HealthState | None:
    return next((state for state in HEALTH_STATES if state == value), None)
