"""A component's health in the component registry: the columns of table Components that check_health writes. All pure.

    health         unknown, healthy, degraded or unhealthy, with what the component depends on
    healthReason   why, for people; "" if all is well
    healthProbed   the same without what it depends on: where the next check goes on from
    healthStreak   probes in a row that succeeded, or, below 0, that failed
    checkedAt      RFC 3339; of the check, whether or not the health has changed: health that nobody has looked at for
                   long is no news, and a reader must see that. So every check writes every component.

Partition OBSERVABILITY holds rows of the same columns for what watches over the others; no release names them.
"""

from collections.abc import Mapping

from runbook_lib.component_registry.health_states import STATES, State
from runbook_lib.component_registry.schema import COMPONENTS, OBSERVABILITY, REGISTERED, Entity, Row
from runbook_lib.health.rules import Health, OwnHealth


def target_of(entity: Entity) -> str:
    """Return `type/name`, by which a component is told of."""
    return f"{entity['PartitionKey']}/{entity['RowKey']}"


def state_of(entity: Entity) -> State:
    """Return the recorded health."""
    return _state(entity.get("health")) or "unknown"


def own_health(entity: Entity) -> OwnHealth:
    """Return what is recorded of a component by itself.

    Only `degraded` leaves open whether it is so by itself (runbook_lib.health.rules, rule 2), and what is not
    understood counts as unknown: whoever wrote it, the next probes tell.
    """
    health, streak = state_of(entity), entity.get("healthStreak")
    state = (_state(entity.get("healthProbed")) or health) if health == "degraded" else health
    return OwnHealth(state, streak if type(streak) is int else 0)


def health_row(target: str, health: Health, checked_at: str) -> Row:
    """Return the row that records a health. checked_at: RFC 3339."""
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
    """Return what each component needs, as targets. components: by target, the names that it depends on.

    A release's names are unique; a name of a former release's component of another type only adds one to look at.
    """
    by_name: dict[str, list[str]] = {}
    for target in components:
        by_name.setdefault(target.partition("/")[2], []).append(target)
    return {
        target: tuple(need for name in names for need in by_name.get(name, ())) for target, names in components.items()
    }


def _state(value: object) -> State | None:
    return next((state for state in STATES if state == value), None)
