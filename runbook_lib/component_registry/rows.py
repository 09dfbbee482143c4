"""The rows that a bootstrap records, and the reading of a recorded component. Pure."""

import json
import re
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING

from runbook_lib.basics import strict_json
from runbook_lib.basics.clock import rfc3339
from runbook_lib.basics.digest import is_digest
from runbook_lib.component_registry.health_states import HEALTH_STATES, STREAK_LIMIT
from runbook_lib.component_registry.managed_resources import Resource
from runbook_lib.component_registry.policies import NETWORK_RETRY_POLICIES, PARTITION, POLICIES
from runbook_lib.component_registry.schema import (
    COMPONENTS,
    CREDENTIALS,
    CURRENT,
    REGISTERED,
    RELEASES,
    RESOURCES,
    SCHEMA,
    SCHEMA_KEY,
    SCHEMA_VERSION,
    VANISHED,
    Entity,
    Key,
    Row,
    Value,
    fit,
    key_of,
)
from runbook_lib.release.model import ReleaseId, ReleaseManifest

if TYPE_CHECKING:
    from runbook_lib.component_registry.claims import Claim, Found
    from runbook_lib.vault.credential_states import CredentialState

UNKNOWN = "unknown"
# Edm.Int32, the largest (learn.microsoft.com, Understanding the Table service data model).
MAX_INT32 = 2**31 - 1
# The release manifest has the same limit (runbook_lib.release.manifest).
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
# The health of a component that was not probed yet, also of one that has returned after it was gone.
INITIAL_HEALTH: Mapping[str, Value] = {
    "health": UNKNOWN,
    "healthReason": "not probed yet",
    "checkedAt": "",
    "healthStreak": 0,
}
# The health of a component that the release no longer has.
GONE_COMPONENT: Mapping[str, Value] = {
    "state": VANISHED,
    "health": UNKNOWN,
    "healthReason": "no longer part of the release",
    "healthStreak": 0,
}
GONE_RESOURCE: Mapping[str, Value] = {"state": VANISHED}


def schema_row() -> Row:
    """Return the row that says which schema the tables have."""
    partition, name = SCHEMA_KEY
    return Row(table=SCHEMA, partition=partition, name=name, columns={"schemaVersion": SCHEMA_VERSION})


def resource_rows(resources: Iterable[Resource], recorded: Iterable[Key]) -> Iterator[Row]:
    """Yield a row for each resource. `recorded` are the keys in the table.

    ARM spells the same type in several ways, and compares without case. A recorded key keeps its spelling.
    """
    spelled = {(partition.lower(), name.lower()): (partition, name) for partition, name in recorded}
    partitions = {partition.lower(): partition for partition, _ in spelled.values()}
    for resource in resources:
        partition, name = key_of(resource.type), key_of(resource.name)
        partition = partitions.setdefault(partition.lower(), partition)
        partition, name = spelled.get((partition.lower(), name.lower()), (partition, name))
        columns: dict[str, Value] = {
            "resourceId": resource.resource_id,
            "kind": resource.kind,
            "location": resource.location,
            "sku": resource.sku,
            "tags": resource.tags,
            "provisioningState": resource.provisioning_state,
            "createdAt": resource.created_at,
            "state": REGISTERED,
        }
        yield Row(table=RESOURCES, partition=partition, name=name, columns=columns)


def component_row(claim: "Claim", found: "Found") -> Row:
    """Return the row of a component."""
    component, health = claim.component, claim.component.health
    return Row(
        table=COMPONENTS,
        partition=component.type,
        name=key_of(component.name),
        columns={
            "version": component.version,
            "artifactDigest": claim.pin.digest if claim.pin else "",
            "resourceId": claim.resource.resource_id if claim.resource else "",
            "endpoint": found.endpoint,
            "dependsOn": json.dumps(component.depends_on),
            "state": REGISTERED,
            "discoveredVersion": found.version,
            "drift": found.drift,
            "healthKind": health.kind,
            "healthPath": health.path or "",
            "healthExpectedStatus": health.expected_status or 0,
            "healthTimeoutSeconds": health.timeout_seconds or 0,
        },
        at_first=INITIAL_HEALTH,
    )


def retry_policy_row(manifest: ReleaseManifest) -> Row:
    """Return the row of the network retry policy, which runbook_lib.component_registry.policies reads."""
    policy = manifest.network_retry_policies
    columns: dict[str, Value] = {"max_retries": policy.max_retries, "delay_seconds": policy.delay_seconds}
    return Row(table=POLICIES, partition=PARTITION, name=NETWORK_RETRY_POLICIES, columns=columns)


def release_row(manifest: ReleaseManifest, digest: str) -> Row:
    """Return the row of the installed release. digest: of its manifest."""
    columns: dict[str, Value] = {
        "digest": digest,
        "channel": manifest.channel,
        "createdAt": rfc3339(manifest.created_at),
        "expiresAt": rfc3339(manifest.expires_at),
        "state": CURRENT,
    }
    return Row(table=RELEASES, partition="release", name=manifest.version, columns=columns)


def current_release(entities: Iterable[Entity]) -> ReleaseId | None:
    """Return the installed release from table Releases, None if the table names none or several.

    A row with a malformed version or digest does not count.
    """
    current = [
        ReleaseId(_text(each, "RowKey"), _text(each, "digest")) for each in entities if each.get("state") == CURRENT
    ]
    named = [each for each in current if _VERSION.fullmatch(each.version) and is_digest(each.digest)]
    return named[0] if len(named) == 1 else None


def credential_row(credential: "CredentialState") -> Row:
    """Return the row of a credential's state."""
    columns: dict[str, Value] = {
        "state": credential.state,
        "notBefore": rfc3339(credential.not_before) if credential.not_before else "",
        "expires": rfc3339(credential.expires) if credential.expires else "",
    }
    return Row(table=CREDENTIALS, partition=credential.kind, name=key_of(credential.id), columns=columns)


@dataclass(frozen=True, slots=True, kw_only=True)
class RegisteredComponent:
    """A component of the component registry. A text is "" and a number is 0 if the row does not have it. `depends_on`
    are names. `checked_at` is RFC 3339.
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
    """Return the component in an entity of table Components. A malformed column counts as absent."""
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


def _text(entity: Entity, name: str) -> str:
    value = entity.get(name)
    return fit(value) if isinstance(value, str) else ""


def _whole(entity: Entity, name: str) -> int:
    value = entity.get(name)
    return value if type(value) is int and 0 <= value <= MAX_INT32 else 0


def _names(value: object) -> tuple[str, ...] | None:
    """Return the names in a JSON list, None if the value is not such a list."""
    if not isinstance(value, str) or not value:
        return () if value in (None, "") else None
    try:
        names = strict_json.loads(value)
    except strict_json.NotStrictJsonError:
        return None
    if not isinstance(names, list) or len(names) > MAX_COMPONENTS or not all(isinstance(name, str) for name in names):
        return None
    return tuple(names)


def ill_columns(entity: Entity) -> tuple[str, ...]:
    """Return the malformed columns of an entity of table Components, in alphabetical order."""
    ill = [name for name in _TEXTS if not isinstance(entity.get(name, ""), str)]
    ill += [name for name in _NUMBERS if name in entity and _whole(entity, name) != entity[name]]
    ill += [name for name in _HEALTHS if (entity.get(name) or UNKNOWN) not in HEALTH_STATES]
    streak = entity.get("healthStreak", 0)
    ill += [] if type(streak) is int and abs(streak) <= STREAK_LIMIT else ["healthStreak"]
    ill += [] if _names(entity.get("dependsOn")) is not None else ["dependsOn"]
    return tuple(sorted({*ill}))
