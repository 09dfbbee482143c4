"""What the deployed resources look like, about sixty of them, and the api-versions of types without a service.

Faithful: each has the fields that its REST reference shows for GET, and the ids by which resources name each other.
Resources that answer somewhere in the lab name that address (login server, vault, endpoints, ingress). Left out: what a
platform adds by itself (etags, usage), and properties that no client of the lab uses.
Each type has the api-versions that its REST reference (learn rest/api, azure/templates) offers, the newest that is not
a preview first, and those that azure-cli 2.91 uses. A newer one is served like the newest (lab/arm/types.py). Every
other one is refused. The types of a service of the lab are in the service's own folder.
"""

from collections.abc import Mapping
from typing import Any

from lab.arm.resources import Resource
from lab.shared import Lab

NETWORK_VERSIONS = (
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
_FOUNDRY = ("2026-07-01", "2026-05-01", "2026-03-01", "2025-12-01", "2025-09-01", "2025-06-01")
_WEB = ("2025-03-01", "2024-11-01", "2024-04-01", "2023-12-01", "2022-09-01")
_PRIVATE_DNS = ("2024-06-01", "2020-06-01", "2018-09-01")
API_VERSIONS: Mapping[str, tuple[str, ...]] = {
    "Microsoft.App/containerApps": _APP,
    "Microsoft.App/managedEnvironments": _APP,
    "Microsoft.CognitiveServices/accounts": _FOUNDRY,
    "Microsoft.CognitiveServices/accounts/projects": _FOUNDRY,
    "Microsoft.Compute/disks": ("2026-03-02", "2025-01-02", "2024-03-02", "2023-10-02"),
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
    "Microsoft.Insights/components": ("2020-02-02", "2015-05-01"),
    "Microsoft.Network/networkInterfaces": NETWORK_VERSIONS,
    "Microsoft.Network/networkSecurityGroups": NETWORK_VERSIONS,
    "Microsoft.Network/privateDnsZones": _PRIVATE_DNS,
    "Microsoft.Network/privateDnsZones/virtualNetworkLinks": _PRIVATE_DNS,
    "Microsoft.Network/privateEndpoints": NETWORK_VERSIONS,
    "Microsoft.Network/virtualNetworks": NETWORK_VERSIONS,
    "Microsoft.Web/serverfarms": _WEB,
    "Microsoft.Web/sites": _WEB,
}


def resource_id(lab: Lab, resource_type: str, name: str, *, group: str = "") -> str:
    """Return the ARM id of a resource. The `name` of a child is `parent/child`.

    group: the ARM id of its resource group; "" is the managed resource group.
    """
    namespace, *types = resource_type.split("/")
    path = "/".join(part for pair in zip(types, name.split("/"), strict=True) for part in pair)
    return f"{group or lab.names.resource_group_id}/providers/{namespace}/{path}"


def resource(
    lab: Lab,
    resource_type: str,
    name: str,
    properties: Mapping[str, Any],
    *,
    group: str = "",
    location: str = "",
    **more: Any,
) -> Resource:
    """Return a resource; `more` are its fields beside id, name, type, location, tags and properties.

    group: as for `resource_id`. location: "" stands for the lab's own.
    """
    return {
        "id": resource_id(lab, resource_type, name, group=group),
        "name": name,
        "type": resource_type,
        "location": location or lab.names.location,
        "tags": {},
        **more,
        "properties": dict(properties),
    }


def identity_of(lab: Lab) -> dict[str, Any]:
    """Return the `identity` of a resource that runs as the user-assigned managed identity."""
    identity = {"principalId": lab.names.uami_principal_id, "clientId": lab.names.uami_client_id}
    return {"type": "UserAssigned", "userAssignedIdentities": {lab.names.uami_id: identity}}
