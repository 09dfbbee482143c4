"""The resources of the managed resource group, from ARM's listing. Each page is one request. No resource needs one."""

import json
from collections.abc import Container, Mapping
from dataclasses import dataclass
from sys import intern
from typing import TYPE_CHECKING, Any
from urllib.parse import quote, urlencode

from runbook_lib.azure.arm_listing import items_of
from runbook_lib.azure.settings import Settings
from runbook_lib.basics.strict_json import member
from runbook_lib.component_registry.endpoints import CONTAINER_APPS, SITES
from runbook_lib.component_registry.schema import fit
from runbook_lib.errors import azure

if TYPE_CHECKING:
    from azure.mgmt.resource.resources import ResourceManagementClient

API_VERSION = "2025-04-01"  # Microsoft.Resources; azure-mgmt-resource 26 uses this version
# The listing leaves out `properties`. These two are returned with it (REST reference, Resources - List By Resource
# Group).
EXPANSIONS = "createdTime,provisioningState"
# Types whose own listing shows `properties`, where the addresses and images of such components are.
DETAILED_TYPES: Mapping[str, str] = {CONTAINER_APPS: "2025-01-01", SITES: "2024-11-01"}
AVAILABILITY = "Microsoft.ResourceHealth/availabilityStatuses"
AVAILABILITY_API_VERSION = "2025-05-01"
VERSION_TAG = "vibedata-version"


@dataclass(frozen=True, slots=True, kw_only=True)
class Resource:
    """One resource. `name` includes the name of a parent. `sku` is a name. `tags` are JSON, "" for none. `version` is
    its tag VERSION_TAG, "" if it has none.
    """

    resource_id: str
    type: str
    name: str
    kind: str
    location: str
    sku: str
    tags: str
    version: str
    provisioning_state: str
    created_at: str

    @property
    def key(self) -> tuple[str, str]:
        """Type and name in small letters, since ARM compares them without case."""
        return self.type.lower(), self.name.lower()


@dataclass(frozen=True, slots=True)
class Availability:
    """Available, Degraded, Unavailable or Unknown, and a sentence about it."""

    state: str
    summary: str


class ManagedResources:
    """The managed resource group.

    Raises RunbookError VD-ARM-001 (an answer that cannot be understood), -002 (there is no such group), and
    azure.core's errors if ARM cannot be reached, fails, throttles, or refuses the identity.
    """

    def __init__(self, *, client: "ResourceManagementClient", settings: Settings) -> None:
        self._client = client
        self._settings = settings

    def all(self) -> list[Resource]:
        """Return every resource once. A listing may show one twice if resources appear or vanish between two pages."""
        query = urlencode({"api-version": API_VERSION, "$expand": EXPANSIONS}, safe="$,")
        found = {}
        for item in items_of(self._client, self._settings, f"{self._group}/resources?{query}"):
            resource = _resource(item)
            found[resource.key] = resource
        return list(found.values())

    def properties_of(self, resource_type: str, names: Container[str]) -> dict[str, Mapping[str, Any]]:
        """Return the properties of the resources of `resource_type`, one of DETAILED_TYPES, that have one of `names`.

        `names` and the returned keys are in small letters. Other resources are dropped: there may be thousands.
        """
        version = DETAILED_TYPES[resource_type.lower()]
        path = f"{self._group}/providers/{resource_type}?{urlencode({'api-version': version})}"
        kept = {}
        for item in items_of(self._client, self._settings, path):
            name = _text(item, "name").lower()
            properties = item.get("properties")
            if name in names and isinstance(properties, Mapping):
                kept[name] = properties
        return kept

    def availability(self) -> dict[str, Availability]:
        """Return the availability that Azure reports for resources, by resource id in small letters.

        Many types have no such check (container apps and most of the network). The result does not have them.
        """
        path = f"{self._group}/providers/{AVAILABILITY}?{urlencode({'api-version': AVAILABILITY_API_VERSION})}"
        found = {}
        for item in items_of(self._client, self._settings, path):
            resource_id = _text(item, "id").lower().partition(f"/providers/{AVAILABILITY.lower()}")[0]
            state = _optional(member(item, "properties", "availabilityState"))
            found[resource_id] = Availability(state, _optional(member(item, "properties", "summary")))
        return found

    @property
    def _group(self) -> str:
        return quote(self._settings.resource_group_id, safe="/()")


def _resource(item: Mapping[str, Any]) -> Resource:
    tags = item.get("tags") or {}
    # Thousands of resources share few words: keep each word once.
    return Resource(
        resource_id=_text(item, "id"),
        type=intern(_text(item, "type")),
        name=_text(item, "name"),
        kind=intern(_optional(item.get("kind"))),
        location=intern(_optional(item.get("location"))),
        sku=intern(_optional(member(item, "sku", "name"))),
        tags=fit(json.dumps(tags, sort_keys=True, ensure_ascii=False)) if tags else "",
        version=_optional(member(tags, VERSION_TAG)),
        provisioning_state=intern(_optional(item.get("provisioningState"))),
        created_at=_optional(item.get("createdTime")),
    )


def _text(item: Mapping[str, Any], name: str) -> str:
    value = item.get(name)
    if not isinstance(value, str) or not value:
        raise azure.ARM_ANSWER_UNCLEAR.error(f"a resource has no {name}")
    return fit(value)


def _optional(value: object) -> str:
    return fit(value) if isinstance(value, str) else ""
