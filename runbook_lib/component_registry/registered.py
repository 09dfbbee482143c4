"""Read components and the installed release from the component registry's tables. All pure."""

import re
from collections.abc import Iterable
from dataclasses import dataclass

from runbook_lib.basics import strict_json
from runbook_lib.basics.digest import is_digest
from runbook_lib.component_registry.health_states import HEALTH_STATES, STREAK_LIMIT, UNKNOWN
from runbook_lib.component_registry.schema import CURRENT, Entity, fit
from runbook_lib.release.model import ReleaseId

# The maximum of Edm.Int32 (learn.microsoft.com, Understanding the Table service data model).
MAX_INT32 = 2**31 - 1
# The limit of the release manifest (runbook_lib.release.manifest).
MAX_COMPONENTS = 1000
_VERSION = re.compile(r"[0-9]+(\.[0-9]+){2}")
_TEXTS = (
    "version",
    "resourceId",
    "endpoint",
    "state",
    "drift",
    "healthKind",
    "healthPath",
    "healthReason",
    "checkedAt",
)
_NUMBERS = ("healthExpectedStatus", "healthTimeoutSeconds")
_HEALTHS = ("health", "healthProbed")


def current_release(entities: Iterable[Entity]) -> ReleaseId | None:
    """Return the release that table Releases calls installed. Return None if it names none, or several.

    A row with a malformed version or digest does not count.
    """
    current = [
        ReleaseId(_text(each, "RowKey"), _text(each, "digest")) for each in entities if each.get("state") == CURRENT
    ]
    named = [each for each in current if _VERSION.fullmatch(each.version) and is_digest(each.digest)]
    return named[0] if len(named) == 1 else None


@dataclass(frozen=True, slots=True, kw_only=True)
class RegisteredComponent:
    """A component as the component registry records it. A missing text is "", and a missing number is 0.

    `depends_on` has names. `checked_at` is RFC 3339.
    """

    type: str
    name: str
    version: str
    resource_id: str
    endpoint: str
    depends_on: tuple[str, ...]
    state: str
    drift: str
    health_kind: str
    health_path: str
    health_expected_status: int
    health_timeout_seconds: int
    health: str
    health_reason: str
    checked_at: str


def registered_component(entity: Entity) -> RegisteredComponent:
    """Return the component in an entity of table Components. A malformed column counts as missing."""
    return RegisteredComponent(
        type=_text(entity, "PartitionKey"),
        name=_text(entity, "RowKey"),
        version=_text(entity, "version"),
        resource_id=_text(entity, "resourceId"),
        endpoint=_text(entity, "endpoint"),
        depends_on=_names(entity.get("dependsOn")) or (),
        state=_text(entity, "state"),
        drift=_text(entity, "drift"),
        health_kind=_text(entity, "healthKind"),
        health_path=_text(entity, "healthPath"),
        health_expected_status=_whole(entity, "healthExpectedStatus"),
        health_timeout_seconds=_whole(entity, "healthTimeoutSeconds"),
        health=_text(entity, "health") or UNKNOWN,
        health_reason=_text(entity, "healthReason"),
        checked_at=_text(entity, "checkedAt"),
    )


def ill_columns(entity: Entity) -> tuple[str, ...]:
    """Return the malformed columns of an entity of table Components, in alphabetical order."""
    ill = [name for name in _TEXTS if not isinstance(entity.get(name, ""), str)]
    ill += [name for name in _NUMBERS if name in entity and _whole(entity, name) != entity[name]]
    ill += [name for name in _HEALTHS if (entity.get(name) or UNKNOWN) not in HEALTH_STATES]
    streak = entity.get("healthStreak", 0)
    ill += [] if type(streak) is int and abs(streak) <= STREAK_LIMIT else ["healthStreak"]
    ill += [] if _names(entity.get("dependsOn")) is not None else ["dependsOn"]
    return tuple(sorted({*ill}))


def _text(entity: Entity, name: str) -> str:
    value = entity.get(name)
    return fit(value) if isinstance(value, str) else ""


def _whole(entity: Entity, name: str) -> int:
    value = entity.get(name)
    return value if type(value) is int and 0 <= value <= MAX_INT32 else 0


def _names(value: object) -> tuple[str, ...] | None:
    """Return the names in a JSON list. Return None if it is not a list of names."""
    if not isinstance(value, str) or not value:
        return () if value in (None, "") else None
    try:
        names = strict_json.loads(value)
    except strict_json.NotStrictJsonError:
        return None
    if not isinstance(names, list) or len(names) > MAX_COMPONENTS or not all(isinstance(name, str) for name in names):
        return None
    return tuple(names)
