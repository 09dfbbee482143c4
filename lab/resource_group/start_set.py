"""What the deployment has created in the managed resource group before the first runbook runs: some sixty resources.

Faithful: each, here and in lab/resource_group/applications.py, lab/resource_group/network.py and
lab/monitor/alerts_provider.py, has the fields that its own REST reference shows for GET, with the ids by which
resources name each other; those that answer somewhere in the lab name that address (login server, vault, endpoints,
ingress). Left out: what a platform adds by itself (etags, usage) and properties that nothing here can be asked about.
Source: learn rest/api and azure/templates.
"""

from lab.monitor.alerts_provider import alert_resources
from lab.resource_group.applications import applications, identity_of
from lab.resource_group.network import network, private_links
from lab.resource_group.resources import Resource, resource
from lab.shared import Lab


def start_set(lab: Lab) -> list[Resource]:
    """Return the resources as GET shows them."""
    return [*_platform(lab), *applications(lab), *network(lab), *private_links(lab), *alert_resources(lab)]


def _platform(lab: Lab) -> list[Resource]:
    """Return what the runbooks themselves work with."""
    names = lab.names
    storage = f"/{names.storage_account}"
    return [
        resource(
            lab,
            "Microsoft.Automation/automationAccounts",
            names.automation_account,
            {"sku": {"name": "Basic"}, "state": "Ok", "publicNetworkAccess": True},
            identity=identity_of(lab),
        ),
        resource(
            lab,
            "Microsoft.ContainerRegistry/registries",
            names.customer_registry,
            {
                "loginServer": lab.host("customer_registry"),
                "provisioningState": "Succeeded",
                "adminUserEnabled": False,
                "anonymousPullEnabled": False,
                "publicNetworkAccess": "Enabled",
                "networkRuleBypassOptions": "AzureServices",
                "zoneRedundancy": "Disabled",
                "roleAssignmentMode": "LegacyRegistryPermissions",
            },
            sku={"name": "Premium", "tier": "Premium"},
        ),
        resource(
            lab,
            "Microsoft.Insights/dataCollectionRules",
            names.dcr,
            {
                "immutableId": names.dcr_immutable_id,
                "endpoints": {"logsIngestion": lab.urls["logs"]},
                "provisioningState": "Succeeded",
            },
            kind="Direct",
        ),
        resource(
            lab,
            "Microsoft.KeyVault/vaults",
            names.key_vault,
            {
                "sku": {"family": "A", "name": "standard"},
                "tenantId": names.tenant_id,
                "vaultUri": lab.urls["key_vault"] + "/",
                "enableRbacAuthorization": True,
                "enableSoftDelete": True,
                "provisioningState": "Succeeded",
            },
        ),
        resource(
            lab,
            "Microsoft.ManagedIdentity/userAssignedIdentities",
            names.uami,
            {
                "tenantId": names.tenant_id,
                "clientId": names.uami_client_id,
                "principalId": names.uami_principal_id,
            },
        ),
        resource(
            lab,
            "Microsoft.OperationalInsights/workspaces",
            names.workspace,
            {
                "customerId": names.workspace_id,
                "provisioningState": "Succeeded",
                "retentionInDays": 90,
                "sku": {"name": "PerGB2018"},
            },
        ),
        resource(
            lab,
            "Microsoft.Storage/storageAccounts",
            names.storage_account,
            {
                "provisioningState": "Succeeded",
                "primaryEndpoints": {kind: f"{lab.urls[kind]}{storage}" for kind in ("blob", "table")},
                "allowSharedKeyAccess": False,
                "minimumTlsVersion": "TLS1_2",
                "supportsHttpsTrafficOnly": True,
            },
            kind="StorageV2",
            sku={"name": "Standard_ZRS", "tier": "Standard"},
        ),
    ]
