"""Microsoft.ResourceHealth availability statuses: what Azure says about a resource's own platform.

Faithful: `GET {resource id}/providers/Microsoft.ResourceHealth/availabilityStatuses/current`, and the list of a
resource group's, which is one request for all; a resource whose type has no health check answers 422
UnsupportedResourceType (microsoft/mcp#2554) and is not in the list: container apps, managed environments, alert rules
and most of the network. The state is Available unless `POST /resources {"availabilityState": ...}` of the control API
says otherwise. As in Azure, it does not depend on what the applications answer. Left out: history,
events, `$filter`, pages. Sources: learn rest/api/resourcehealth (2025-05-01 down to 2020-05-01), the list of types in
learn service-health/resource-health-checks-resource-types.
"""

from typing import Any

from aiohttp import web

from lab.arm.dispatch import Arm, ArmRefusal, Names
from lab.arm.resources import Resource
from lab.automation.account import timestamp

NAMESPACE, KIND = "Microsoft.ResourceHealth", "availabilityStatuses"
API_VERSIONS = ("2025-05-01", "2025-04-01", "2024-02-01", "2022-10-01", "2020-05-01")
SUPPORTED = frozenset(
    {
        "microsoft.containerservice/managedclusters",
        "microsoft.dbforpostgresql/flexibleservers",
        "microsoft.keyvault/vaults",
        "microsoft.network/applicationgateways",
        "microsoft.operationalinsights/workspaces",
        "microsoft.storage/storageaccounts",
        "microsoft.web/serverfarms",
        "microsoft.web/sites",
    }
)
SUMMARIES = {
    "Available": "There aren't any known Azure platform problems affecting this resource.",
    "Degraded": "Your resource is up, but some of its requests fail or are slow.",
    "Unavailable": "We're sorry, your resource isn't available because of a problem of the Azure platform.",
    "Unknown": "We are currently unable to determine the health of this resource.",
}


def register(arm: Arm) -> None:
    """Serve a resource's status, and the group's list."""
    managed = arm.managed
    since = arm.lab.clock.now()

    def status(one: Resource) -> dict[str, Any]:
        state = managed.availability.get(str(one["id"]).lower(), "Available")
        well = state == "Available"
        return {
            "id": f"{one['id']}/providers/{NAMESPACE}/{KIND}/current",
            "name": "current",
            "type": f"{NAMESPACE}/AvailabilityStatuses",
            "location": one["location"],
            "properties": {
                "availabilityState": state,
                "title": state,
                "summary": SUMMARIES[state],
                "reasonType": "" if well else "Unplanned",
                "reasonChronicity": "Persistent" if well else "Transient",
                # In Azure, when the state began; here, when the lab started. Azure spells the name so.
                "occuredTime": timestamp(since),
                "reportedTime": timestamp(arm.lab.clock.now()),
            },
        }

    async def current(_request: web.Request, names: Names) -> web.Response:
        one = managed.get(names["resource"])
        if one is None:
            raise ArmRefusal(404, "ResourceNotFound", f"The Resource '{names['resource']}' was not found.")
        if str(one["type"]).lower() not in SUPPORTED:
            message = f"The resource type '{one['type']}' is not supported by resource health."
            raise ArmRefusal(422, "UnsupportedResourceType", message)
        return web.json_response(status(one))

    async def every(_request: web.Request, _names: Names) -> web.Response:
        found = [one for _, one in managed.listing() if str(one["type"]).lower() in SUPPORTED]
        return web.json_response({"value": [status(one) for one in found]})

    arm.extension(NAMESPACE, f"{KIND}/current", API_VERSIONS, {"GET": current})
    arm.provider(NAMESPACE, KIND, API_VERSIONS, {"GET": every})
