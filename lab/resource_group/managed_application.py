"""Microsoft.Solutions/applications: the customer's managed application, in a resource group of the customer's own.

Faithful: the fields of azure-mgmt-resource-managedapplications (2019-07-01, and 2021-07-01 of bicep-types-az); GET by
name, lists of the group and of the subscription. Left out: writes, JIT access, definitions, update of the plan.
Source: learn rest/api/managedapplications.
"""

from typing import Any

from aiohttp import web

from lab.arm.dispatch import Arm, Names, resource_not_found
from lab.shared import Lab

NAMESPACE = "Microsoft.Solutions"
TYPE = f"{NAMESPACE}/applications"
API_VERSIONS = ("2021-07-01", "2019-07-01", "2018-06-01")
VERSION = "1.0.0"  # of the offer's plan


def register(arm: Arm) -> None:
    """Add the application."""
    lab = arm.lab

    async def get(_request: web.Request, names: Names) -> web.Response:
        if names["application"].lower() != lab.names.prefix.lower():
            raise resource_not_found(TYPE, names["application"], lab.names.application_group)
        return web.json_response(_application(lab))

    async def every(_request: web.Request, _names: Names) -> web.Response:
        return web.json_response({"value": [_application(lab)]})

    async def none(_request: web.Request, _names: Names) -> web.Response:
        return web.json_response({"value": []})

    group = lab.names.application_group
    arm.provider(NAMESPACE, "applications/{application}", API_VERSIONS, {"GET": get}, group=group)
    arm.provider(NAMESPACE, "applications", API_VERSIONS, {"GET": every}, group=group)
    arm.provider(NAMESPACE, "applications", API_VERSIONS, {"GET": none})  # No application is in the managed group.
    arm.subscription_provider(NAMESPACE, "applications", API_VERSIONS, {"GET": every})
    arm.listed(lambda: [_application(lab)])


def _application(lab: Lab) -> dict[str, Any]:
    names = lab.names
    return {
        "id": names.application_id,
        "name": names.prefix,
        "type": TYPE,
        "location": names.location,
        "kind": "MarketPlace",
        "tags": {},
        "plan": {"name": "standard", "publisher": "vibedata", "product": "vibedata", "version": VERSION},
        "properties": {
            "managedResourceGroupId": names.resource_group_id,
            "provisioningState": "Succeeded",
            "managementMode": "Managed",
            "publisherTenantId": names.tenant_id,
            "parameters": {},
            "outputs": {},
            "authorizations": [
                {
                    "principalId": names.operator_principal_id,
                    # Owner, as a publisher's plan has it (learn managed-applications/publish-managed-app-definition).
                    "roleDefinitionId": "8e3af657-a8ff-443c-a75c-2fe8c4bcb635",
                }
            ],
            "customerSupport": {"email": "support@vibedata.example", "phone": "+31 20 000 0000"},
            "createdBy": {"applicationId": names.operator_client_id, "oid": names.operator_principal_id},
            "updatedBy": {"applicationId": names.operator_client_id, "oid": names.operator_principal_id},
        },
    }
