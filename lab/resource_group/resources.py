"""The resources of the managed resource group: which there are, by id, and which api-versions each type has.

Each type has the api-versions that its REST reference (learn rest/api, azure/templates) offers, the newest that is not
a preview first, and those that azure-cli 2.91 asks with; a newer one is taken as the newest (lab/arm/types.py), and
whoever asks with another is refused. Resources are kept by their lower-cased id, as ARM compares ids
without case, and in that order, so that a page of thousands costs no more than what it shows.
"""

from bisect import bisect_right
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any

from lab.shared import Lab

_NETWORK = (
    "2025-09-01",
    "2025-07-01",
    "2025-05-01",
    "2025-03-01",
    "2025-01-01",
    "2024-10-01",
    "2024-07-01",
    "2024-05-01",
    "2023-11-01",
    "2022-01-01",
)
_APP = ("2026-01-01", "2025-07-01", "2025-01-01", "2024-03-01", "2023-05-01")
_WEB = ("2025-03-01", "2024-11-01", "2024-04-01", "2023-12-01", "2022-09-01")
_PRIVATE_DNS = ("2024-06-01", "2020-06-01", "2018-09-01")
API_VERSIONS: Mapping[str, tuple[str, ...]] = {
    "Microsoft.App/containerApps": _APP,
    "Microsoft.App/managedEnvironments": _APP,
    "Microsoft.Automation/automationAccounts": ("2024-10-23", "2023-11-01"),
    "Microsoft.Compute/disks": ("2026-03-02", "2025-01-02", "2024-03-02", "2023-10-02"),
    "Microsoft.ContainerRegistry/registries": ("2025-11-01", "2025-04-01", "2023-07-01", "2026-09-01-preview"),
    "Microsoft.ContainerService/managedClusters": (
        "2026-05-01",
        "2026-04-01",
        "2026-03-01",
        "2025-07-01",
        "2025-05-01",
        "2024-09-01",
        "2024-05-01",
    ),
    "Microsoft.DBforPostgreSQL/flexibleServers": ("2025-08-01", "2024-08-01", "2022-12-01", "2026-04-01-preview"),
    "Microsoft.Insights/actionGroups": ("2023-01-01", "2022-06-01", "2021-09-01", "2024-10-01-preview"),
    "Microsoft.Insights/components": ("2020-02-02", "2015-05-01"),
    "Microsoft.Insights/dataCollectionRules": ("2024-03-11", "2023-03-11", "2022-06-01"),
    "Microsoft.Insights/metricAlerts": ("2026-01-01", "2018-03-01"),
    "Microsoft.Insights/scheduledQueryRules": ("2023-12-01", "2022-06-15", "2021-08-01"),
    # Those before 2026-02-01 retire on 2027-02-27 (learn key-vault/general/access-control-default).
    "Microsoft.KeyVault/vaults": ("2026-02-01", "2025-05-01", "2024-11-01", "2023-07-01"),
    "Microsoft.ManagedIdentity/userAssignedIdentities": ("2024-11-30", "2023-01-31", "2025-05-31-preview"),
    "Microsoft.Network/applicationGateways": _NETWORK,
    "Microsoft.Network/networkInterfaces": _NETWORK,
    "Microsoft.Network/networkSecurityGroups": _NETWORK,
    "Microsoft.Network/privateDnsZones": _PRIVATE_DNS,
    "Microsoft.Network/privateDnsZones/virtualNetworkLinks": _PRIVATE_DNS,
    "Microsoft.Network/privateEndpoints": _NETWORK,
    "Microsoft.Network/publicIPAddresses": _NETWORK,
    "Microsoft.Network/virtualNetworks": _NETWORK,
    "Microsoft.OperationalInsights/workspaces": ("2026-03-01", "2025-07-01", "2025-02-01", "2023-09-01"),
    "Microsoft.Storage/storageAccounts": (
        "2026-04-01",
        "2025-08-01",
        "2025-06-01",
        "2025-01-01",
        "2024-01-01",
        "2023-05-01",
    ),
    "Microsoft.Web/serverfarms": _WEB,
    "Microsoft.Web/sites": _WEB,
}

PAGE_SIZE = 1000  # of the resource listing, where the client names none

Resource = dict[str, Any]
# What only listings that ARM itself makes tell of a resource; its own provider does not know it.
ARMS_OWN = frozenset({"managedBy", "createdTime"})


def resource_id(lab: Lab, resource_type: str, name: str) -> str:
    """Return the ARM id of a resource of the managed resource group; `name` of a child is `parent/child`."""
    namespace, *types = resource_type.split("/")
    path = "/".join(part for pair in zip(types, name.split("/"), strict=True) for part in pair)
    return f"{lab.names.resource_group_id}/providers/{namespace}/{path}"


def resource(
    lab: Lab, resource_type: str, name: str, properties: Mapping[str, Any], *, location: str = "", **more: Any
) -> Resource:
    """Return a resource; `more` are its fields beside id, name, type, location, tags and properties."""
    return {
        "id": resource_id(lab, resource_type, name),
        "name": name,
        "type": resource_type,
        "location": location or lab.names.location,
        "tags": {},
        **more,
        "properties": dict(properties),
    }


def of_provider(one: Resource) -> Resource:
    """Return a resource as its own provider shows it."""
    return {name: value for name, value in one.items() if name not in ARMS_OWN}


class ManagedResources:
    """The resources, and what the control API has made of them."""

    def __init__(self, *, start: Callable[[], Iterable[Resource]]) -> None:
        """Begin with the resources that `start` returns anew at each call; so does every reset."""
        self._start = start
        self.clear()

    def clear(self) -> None:
        """Go back to the start."""
        self._by_key: dict[str, Resource] = {}
        self._sorted: list[tuple[str, Resource]] | None = None
        self.page_size = PAGE_SIZE
        self.availability: dict[str, str] = {}  # availabilityState by lower-cased id, where it is not Available
        self.add(self._start())

    def add(self, resources: Iterable[Resource]) -> None:
        """Add resources; one with the same id is replaced."""
        self._by_key.update((str(one["id"]).lower(), one) for one in resources)
        self._sorted = None

    def remove(self, resource_ids: Iterable[str]) -> None:
        """Take resources away; KeyError if there is no such id."""
        for one in resource_ids:
            del self._by_key[one.lower()]
        self._sorted = None

    def get(self, resource_id: str) -> Resource | None:
        """Return a resource, None if there is none."""
        return self._by_key.get(resource_id.lower())

    def named(self, name: str) -> list[Resource]:
        """Return the resources that have this name or id."""
        if name.startswith("/"):
            found = self.get(name)
            return [] if found is None else [found]
        return [one for one in self._by_key.values() if str(one["name"]).lower() == name.lower()]

    def of_type(self, resource_type: str) -> list[Resource]:
        """Return the resources of a type, by id."""
        return [one for _, one in self.listing() if str(one["type"]).lower() == resource_type.lower()]

    def listing(self) -> list[tuple[str, Resource]]:
        """Return every resource with its lower-cased id, in the order of these; not to be changed."""
        if self._sorted is None:
            self._sorted = sorted(self._by_key.items())
        return self._sorted

    def __len__(self) -> int:
        """Return how many there are."""
        return len(self._by_key)


def position_after(listing: Sequence[tuple[str, object]], key: str) -> int:
    """Return where the part of a sorted listing begins that comes after a lower-cased id."""
    return bisect_right(listing, key, key=lambda pair: pair[0])
