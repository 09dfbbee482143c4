"""The rows that a bootstrap records. All pure."""

import json
from collections.abc import Iterable, Iterator, Mapping
from typing import TYPE_CHECKING

from runbook_lib.basics.clock import rfc3339
from runbook_lib.component_registry.health_states import UNKNOWN
from runbook_lib.component_registry.managed_resources import Resource
from runbook_lib.component_registry.policies import NETWORK_RETRY_POLICIES, PARTITION, POLICIES
from runbook_lib.component_registry.schema import (
    COMPONENTS,
    CURRENT,
    OBSERVABILITY,
    REGISTERED,
    RELEASES,
    RESOURCES,
    SCHEMA,
    SCHEMA_KEY,
    SCHEMA_VERSION,
    VANISHED,
    Key,
    Recorded,
    Row,
    Value,
    key_of,
)
from runbook_lib.release.model import ReleaseManifest

if TYPE_CHECKING:
    from runbook_lib.component_registry.claims import Claim, Found

# The health of a component that was not probed yet, or that has returned after it was gone.
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
    """Return the row with the version of the tables' schema."""
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
    """Return the row of the installed release. `digest` is the digest of its manifest."""
    columns: dict[str, Value] = {
        "digest": digest,
        "channel": manifest.channel,
        "createdAt": rfc3339(manifest.created_at),
        "expiresAt": rfc3339(manifest.expires_at),
        "state": CURRENT,
    }
    return Row(table=RELEASES, partition="release", name=manifest.version, columns=columns)


def gone(
    table: str, recorded: Mapping[Key, Recorded], kept: Iterable[Key], columns: Mapping[str, Value]
) -> Iterator[Row]:
    """Yield a row with `columns`, which include a state, for each recorded row that is not `kept` and not in that state
    yet.
    """
    still = set(kept)
    for (partition, name), known in recorded.items():
        if (partition, name) not in still and partition != OBSERVABILITY and known.state != columns["state"]:
            yield Row(table=table, partition=partition, name=name, columns=columns)
