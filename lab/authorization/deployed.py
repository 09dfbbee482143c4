"""The role assignments that the deployment of the resources creates for the identity of the runbooks."""

import uuid
from datetime import datetime, timezone
from typing import Any

from lab.arm.dispatch import Arm
from lab.authorization.roles import ROLES

NAMESPACE = "Microsoft.Authorization"
# What the deployment of the resources assigns: role, and scope below the managed resource group.
DEPLOYED = (
    ("Reader", ""),
    ("Monitoring Reader", ""),
    ("Automation Contributor", "/providers/Microsoft.Automation/automationAccounts/{names.automation_account}"),
    (
        "Container Registry Data Importer and Data Reader",
        "/providers/Microsoft.ContainerRegistry/registries/{names.customer_registry}",
    ),
    ("Managed Identity Operator", "/providers/Microsoft.ManagedIdentity/userAssignedIdentities/{names.uami}"),
    ("Network Contributor", "/providers/Microsoft.Network/applicationGateways/{names.prefix}-gateway"),
    (
        "Network Contributor",
        "/providers/Microsoft.Network/ApplicationGatewayWebApplicationFirewallPolicies/{names.prefix}-gateway-waf",
    ),
    ("Network Contributor", "/providers/Microsoft.Network/virtualNetworks/{names.prefix}-vnet"),
    ("Network Contributor", "/providers/Microsoft.Network/publicIPAddresses/{names.prefix}-gateway-ip"),
    ("Key Vault Certificates Officer", "/providers/Microsoft.KeyVault/vaults/{names.key_vault}"),
    ("Key Vault Crypto Officer", "/providers/Microsoft.KeyVault/vaults/{names.key_vault}"),
    ("Key Vault Secrets Officer", "/providers/Microsoft.KeyVault/vaults/{names.key_vault}"),
    ("Monitoring Metrics Publisher", "/providers/Microsoft.Insights/dataCollectionRules/{names.dcr}"),
    ("Storage Blob Data Contributor", "/providers/Microsoft.Storage/storageAccounts/{names.storage_account}"),
    ("Storage Table Data Contributor", "/providers/Microsoft.Storage/storageAccounts/{names.storage_account}"),
)


def deploy(arm: Arm) -> None:
    """Assign them."""
    names = arm.lab.names
    now = datetime.fromtimestamp(arm.lab.clock.now(), timezone.utc).isoformat().replace("+00:00", "Z")
    by_name = {role.name: guid for guid, role in ROLES.items()}
    definitions = f"/subscriptions/{arm.home.subscription_id}/providers/{NAMESPACE}/roleDefinitions"
    for role, below in DEPLOYED:
        scope = names.resource_group_id + below.format(names=names)
        name = str(uuid.uuid5(uuid.NAMESPACE_URL, f"{scope} {role}"))
        key = f"{scope}/providers/{NAMESPACE}/roleAssignments/{name}"
        properties: dict[str, Any] = {
            "principalType": "ServicePrincipal",
            "principalId": names.uami_principal_id,
            "roleDefinitionId": f"{definitions}/{by_name[role]}",
            "scope": scope,
            "createdOn": now,
            "updatedOn": now,
            "createdBy": names.operator_principal_id,
            "updatedBy": names.operator_principal_id,
        }
        made = {"id": key, "name": name, "type": f"{NAMESPACE}/roleAssignments", "properties": properties}
        arm.lab.authorization.assignments[key.lower()] = made
