"""The managed resource group: its listing with paging, the group itself, and GET of the resources in it.

Faithful: `resources` lists every resource of the group, also runbooks, which are resources of their own; `$top`,
`$filter` on name and resourceType, `$expand`, `nextLink` with `$skiptoken` (learn rest/api/resources,
resources/list-by-resource-group). A resource whose provider is here answers GET by itself; the others get the shape of
their own REST reference. The page is small where Azure's is 1,000, so that every client meets a `nextLink`.
Left out: filters on tags, writes, the resources of other groups.
"""

import base64
import re
from collections.abc import Awaitable, Callable, Iterable, Mapping
from datetime import datetime, timezone
from typing import Any

from aiohttp import web

from lab.arm import Arm, ArmRefusal, Handler, Resource
from lab.arm_requests import invalid_api_version
from lab.lab import Lab

API_VERSIONS = (
    "2025-04-01",
    "2025-03-01",
    "2024-11-01",
    "2024-07-01",
    "2024-03-01",
    "2022-09-01",
    "2021-04-01",
)
PAGE_SIZE = 5
MAX_TOP = 1000
PARAMETERS = {"api-version", "$top", "$filter", "$expand", "$skiptoken"}
EXPANSIONS = {"createdTime", "changedTime", "provisioningState"}
FILTER = re.compile(r"(name|resourceType) eq '([^']*)'", re.IGNORECASE)
# What the listing shows of a resource; `properties` only GET by id does.
LISTED = ("id", "name", "type", "kind", "location", "sku", "identity", "managedBy", "tags")

# Api-versions of the top-level types that have no stand-in of their own.
PLAIN_TYPES = {
    "Microsoft.Automation/automationAccounts": ("2024-10-23", "2023-11-01"),
    "Microsoft.ContainerRegistry/registries": ("2025-11-01", "2025-04-01", "2023-07-01"),
    "Microsoft.Insights/dataCollectionRules": ("2023-03-11", "2022-06-01"),
    "Microsoft.KeyVault/vaults": ("2024-11-01", "2023-07-01"),
    "Microsoft.ManagedIdentity/userAssignedIdentities": ("2024-11-30", "2023-01-31"),
    "Microsoft.OperationalInsights/workspaces": ("2025-02-01", "2023-09-01"),
    "Microsoft.Storage/storageAccounts": ("2025-01-01", "2024-01-01", "2023-05-01"),
}


def register(arm: Arm) -> None:
    """Add the listing and the resources; to be called after the providers, whose own GET goes first."""
    lab = arm.lab
    created = datetime.fromtimestamp(int(lab.clock.now()), timezone.utc).isoformat()
    own = [{**resource, "managedBy": _managed_by(lab), "createdTime": created} for resource in start_set(lab)]
    arm.listed(lambda: own)
    arm.scoped(("resourcegroups", "*", "resources"), _lister(arm))
    arm.scoped(("resources",), _lister(arm))
    arm.scoped(("resourcegroups", "*"), _group(lab))
    for resource_type, versions in PLAIN_TYPES.items():
        if not arm.answers_get(resource_type):
            namespace, _, name = resource_type.partition("/")
            arm.provider(namespace, f"{name}/{{name}}", versions, {"GET": _getter(own, resource_type)})


def start_set(lab: Lab) -> list[dict[str, Any]]:
    """Return what ARM has created in the managed resource group before the first runbook runs."""
    names = lab.names
    storage = f"/{names.storage_account}"
    uami = {names.uami_id: {"principalId": names.uami_principal_id, "clientId": names.uami_client_id}}
    return [
        _resource(lab, "Microsoft.Automation/automationAccounts", names.automation_account)
        | {
            "identity": {"type": "UserAssigned", "userAssignedIdentities": uami},
            "properties": {"sku": {"name": "Basic"}, "state": "Ok", "publicNetworkAccess": True},
        },
        _resource(lab, "Microsoft.ContainerRegistry/registries", names.customer_registry)
        | {
            "sku": {"name": "Premium", "tier": "Premium"},
            "properties": {
                "loginServer": lab.host("customer_registry"),
                "provisioningState": "Succeeded",
                "adminUserEnabled": False,
                "anonymousPullEnabled": False,
                "publicNetworkAccess": "Enabled",
                "networkRuleBypassOptions": "AzureServices",
                "zoneRedundancy": "Disabled",
                "roleAssignmentMode": "LegacyRegistryPermissions",
            },
        },
        _resource(lab, "Microsoft.Insights/dataCollectionRules", names.dcr)
        | {
            "kind": "Direct",
            "properties": {
                "immutableId": names.dcr_immutable_id,
                "endpoints": {"logsIngestion": lab.urls["logs"]},
                "provisioningState": "Succeeded",
            },
        },
        _resource(lab, "Microsoft.KeyVault/vaults", names.key_vault)
        | {
            "properties": {
                "sku": {"family": "A", "name": "standard"},
                "tenantId": names.tenant_id,
                "vaultUri": lab.urls["key_vault"] + "/",
                "enableRbacAuthorization": True,
                "enableSoftDelete": True,
                "provisioningState": "Succeeded",
            },
        },
        _resource(lab, "Microsoft.ManagedIdentity/userAssignedIdentities", names.uami)
        | {
            "properties": {
                "tenantId": names.tenant_id,
                "clientId": names.uami_client_id,
                "principalId": names.uami_principal_id,
            },
        },
        _resource(lab, "Microsoft.OperationalInsights/workspaces", names.workspace)
        | {
            "properties": {
                "customerId": names.workspace_id,
                "provisioningState": "Succeeded",
                "retentionInDays": 90,
                "sku": {"name": "PerGB2018"},
            },
        },
        _resource(lab, "Microsoft.Storage/storageAccounts", names.storage_account)
        | {
            "kind": "StorageV2",
            "sku": {"name": "Standard_ZRS", "tier": "Standard"},
            "properties": {
                "provisioningState": "Succeeded",
                "primaryEndpoints": {kind: f"{lab.urls[kind]}{storage}" for kind in ("blob", "table")},
                "allowSharedKeyAccess": False,
                "minimumTlsVersion": "TLS1_2",
                "supportsHttpsTrafficOnly": True,
            },
        },
    ]


def _resource(lab: Lab, resource_type: str, name: str) -> dict[str, Any]:
    return {
        "id": f"{lab.names.resource_group_id}/providers/{resource_type}/{name}",
        "name": name,
        "type": resource_type,
        "location": lab.names.location,
        "tags": {},
    }


def _managed_by(lab: Lab) -> str:
    """Return the id of the managed application, which lives in a group of the customer's own."""
    group = f"/subscriptions/{lab.names.subscription_id}/resourceGroups/{lab.names.prefix}"
    return f"{group}/providers/Microsoft.Solutions/applications/{lab.names.prefix}"


def _getter(own: Iterable[Mapping[str, Any]], resource_type: str) -> Handler:
    async def get(_request: web.Request, names: Mapping[str, str]) -> web.Response:
        name = names["name"].lower()
        found = next(one for one in own if one["type"] == resource_type and str(one["name"]).lower() == name)
        return web.json_response({key: found[key] for key in (*LISTED, "properties") if key in found})

    return get


def _group(lab: Lab) -> Callable[[web.Request], Awaitable[web.Response]]:
    async def get(request: web.Request) -> web.Response:
        _require_version(request)
        return web.json_response(
            {
                "id": lab.names.resource_group_id,
                "name": lab.names.resource_group,
                "type": "Microsoft.Resources/resourceGroups",
                "location": lab.names.location,
                "managedBy": _managed_by(lab),
                "properties": {"provisioningState": "Succeeded"},
            }
        )

    return get


def _lister(arm: Arm) -> Callable[[web.Request], Awaitable[web.Response]]:
    async def get(request: web.Request) -> web.Response:
        _require_version(request)
        query = request.query
        unknown = sorted(set(query) - PARAMETERS)
        if unknown:
            message = f"The query parameter '{unknown[0]}' is not valid; it takes {', '.join(sorted(PARAMETERS))}."
            raise ArmRefusal(400, "InvalidQueryParameter", message)
        size = _top(query.get("$top"))
        expanded = [part.strip() for part in query.get("$expand", "").split(",") if part.strip()]
        if not set(expanded) <= EXPANSIONS:
            raise ArmRefusal(400, "InvalidExpandInQueryString", f"The expand '{query['$expand']}' is not supported.")
        wanted = _filter(query.get("$filter"))
        after = _skipped(query.get("$skiptoken"))
        found = [one for one in arm.resources() if wanted(one) and str(one["id"]).lower() > after]
        answer: dict[str, Any] = {"value": [_listed(resource, expanded) for resource in found[:size]]}
        if len(found) > size:
            # The last id seen, not an offset: resources that come and go between two pages move no other.
            token = base64.urlsafe_b64encode(str(found[size - 1]["id"]).lower().encode()).decode()
            next_page = request.rel_url.update_query({"$skiptoken": token})
            answer["nextLink"] = f"{arm.lab.urls['arm']}{next_page.raw_path_qs}"
        return web.json_response(answer)

    return get


def _require_version(request: web.Request) -> None:
    if request.query["api-version"] not in API_VERSIONS:
        raise invalid_api_version(request.query["api-version"], API_VERSIONS)


def _top(text: str | None) -> int:
    if text is None:
        return PAGE_SIZE
    if not re.fullmatch(r"[0-9]{1,9}", text) or not 1 <= int(text) <= MAX_TOP:
        raise ArmRefusal(400, "InvalidTopInQueryString", f"$top is '{text}'; it takes 1 to {MAX_TOP}.")
    return int(text)


def _filter(text: str | None) -> Callable[[Resource], bool]:
    if not text:
        return lambda _resource: True
    clauses = []
    for clause in text.split(" and "):
        found = FILTER.fullmatch(clause.strip())
        if found is None:
            raise ArmRefusal(
                400, "InvalidFilterInQueryString", f"Invalid $filter '{text}' specified in the query string."
            )
        clauses.append(("type" if found[1].lower() == "resourcetype" else "name", found[2].lower()))
    return lambda resource: all(str(resource[field]).lower() == value for field, value in clauses)


def _skipped(token: str | None) -> str:
    """Return the id that the page starts after."""
    try:
        return base64.urlsafe_b64decode(token or "").decode()
    except ValueError as error:
        raise ArmRefusal(400, "InvalidSkipToken", "The provided skip token is not valid.") from error


def _listed(resource: Resource, expanded: Iterable[str]) -> dict[str, Any]:
    shown = {key: resource[key] for key in LISTED if key in resource}
    for name in expanded:
        if name == "provisioningState":
            shown[name] = resource.get("properties", {}).get(name, "Succeeded")
        elif "createdTime" in resource:
            shown[name] = resource["createdTime"]
    return shown
