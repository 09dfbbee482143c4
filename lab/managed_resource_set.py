"""What the deployment has created in the managed resource group before the first runbook runs: some sixty resources.

Faithful: each has the fields that its own REST reference shows for GET, with the ids by which resources name each
other; those that answer somewhere in the lab name that address (login server, vault, endpoints, ingress). Left out:
what a platform adds by itself (etags, time stamps of revisions, usage) and properties that nothing here can be asked
about. Source: learn rest/api and azure/templates, each type in the api-version that lab/managed_resources.py lists
first.
"""

import uuid
from typing import Any

from lab.arm_alerts import alert_resources
from lab.lab import Lab
from lab.managed_resources import Resource, resource, resource_id

VERSION = "2026.11.0"  # of the applications' images, as the demo's release has it
SLUG = "vibedata"  # first part of the images' repositories
CONTAINER_APPS = (
    "control-panel",
    "studio",
    "airbyte-server",
    "airbyte-webapp",
    "airbyte-worker",
    "airbyte-temporal",
    "api-service",
    "api-gateway",
    "scheduler",
    "metering",
    "planner-agent",
    "reviewer-agent",
)
FUNCTION_APP, LOGIC_APP = "vibedata-functions", "vibedata-workflows"
# Everything that answers over TLS; lab/applications.py has a port for each.
APPLICATIONS = (*CONTAINER_APPS, FUNCTION_APP, LOGIC_APP)
# What has a private endpoint: (short name, resource type, Names' attribute, sub-resource, private DNS zone).
PRIVATE_LINKS = (
    ("blob", "Microsoft.Storage/storageAccounts", "storage_account", "blob", "privatelink.blob.core.windows.net"),
    ("table", "Microsoft.Storage/storageAccounts", "storage_account", "table", "privatelink.table.core.windows.net"),
    ("vault", "Microsoft.KeyVault/vaults", "key_vault", "vault", "privatelink.vaultcore.azure.net"),
    ("acr", "Microsoft.ContainerRegistry/registries", "customer_registry", "registry", "privatelink.azurecr.io"),
    (
        "automation",
        "Microsoft.Automation/automationAccounts",
        "automation_account",
        "DSCAndHybridWorker",
        "privatelink.azure-automation.net",
    ),
)
SUBNETS = {"gateway": "10.40.0.0/24", "apps": "10.40.2.0/23", "private-endpoints": "10.40.4.0/24"}


def start_set(lab: Lab) -> list[Resource]:
    """Return the resources as GET shows them."""
    return [*_platform(lab), *_applications(lab), *_network(lab), *_private_links(lab), *alert_resources(lab)]


def container_app(lab: Lab, name: str, *, image: str, fqdn: str) -> Resource:
    """Return a container app: `image` with its tag, `fqdn` the host (in the lab with a port) that it answers at."""
    environment = resource_id(lab, "Microsoft.App/managedEnvironments", f"{lab.names.prefix}-env")
    probe = {"type": "Liveness", "httpGet": {"path": "/healthz", "port": 8080, "scheme": "HTTP"}, "periodSeconds": 10}
    return resource(
        lab,
        "Microsoft.App/containerApps",
        name,
        {
            "provisioningState": "Succeeded",
            "runningStatus": "Running",
            "managedEnvironmentId": environment,
            "environmentId": environment,
            "workloadProfileName": "Consumption",
            "latestRevisionName": f"{name}--0000001",
            "latestReadyRevisionName": f"{name}--0000001",
            "latestRevisionFqdn": fqdn,
            "configuration": {
                "activeRevisionsMode": "Single",
                "ingress": {
                    "fqdn": fqdn,
                    "external": True,
                    "targetPort": 8080,
                    "transport": "Auto",
                    "allowInsecure": False,
                    "traffic": [{"latestRevision": True, "weight": 100}],
                },
                "registries": [{"server": lab.host("customer_registry"), "identity": lab.names.uami_id}],
            },
            "template": {
                "containers": [
                    {"name": name, "image": image, "resources": {"cpu": 0.5, "memory": "1Gi"}, "probes": [probe]}
                ],
                "scale": {"minReplicas": 1, "maxReplicas": 3},
            },
        },
        identity=_identity(lab),
    )


def _identity(lab: Lab) -> dict[str, Any]:
    identity = {"principalId": lab.names.uami_principal_id, "clientId": lab.names.uami_client_id}
    return {"type": "UserAssigned", "userAssignedIdentities": {lab.names.uami_id: identity}}


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
            identity=_identity(lab),
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


def _applications(lab: Lab) -> list[Resource]:
    """Return what Vibedata's applications run on, and the applications."""
    prefix = lab.names.prefix
    plan = resource_id(lab, "Microsoft.Web/serverfarms", f"{prefix}-plan")
    workspace = resource_id(lab, "Microsoft.OperationalInsights/workspaces", lab.names.workspace)
    apps_subnet = f"{resource_id(lab, 'Microsoft.Network/virtualNetworks', f'{prefix}-vnet')}/subnets/apps"
    return [
        resource(
            lab,
            "Microsoft.App/managedEnvironments",
            f"{prefix}-env",
            {
                "provisioningState": "Succeeded",
                "defaultDomain": "thankfulstone-0a1b2c3d.westeurope.azurecontainerapps.io",
                "staticIp": "10.40.2.10",
                "vnetConfiguration": {"internal": True, "infrastructureSubnetId": apps_subnet},
                "zoneRedundant": False,
                "workloadProfiles": [{"name": "Consumption", "workloadProfileType": "Consumption"}],
            },
        ),
        *(
            container_app(
                lab,
                name,
                image=f"{lab.host('customer_registry')}/{SLUG}/{name}:{VERSION}",
                fqdn=lab.applications[name],
            )
            for name in CONTAINER_APPS
        ),
        resource(
            lab,
            "Microsoft.ContainerService/managedClusters",
            f"{prefix}-aks",
            {
                "provisioningState": "Succeeded",
                "powerState": {"code": "Running"},
                "kubernetesVersion": "1.34",
                "currentKubernetesVersion": "1.34.2",
                "dnsPrefix": prefix,
                "fqdn": f"{prefix}-5f1c2a3b.hcp.westeurope.azmk8s.io",
                "nodeResourceGroup": f"MC_{lab.names.resource_group}_{prefix}-aks_{lab.names.location}",
                "enableRBAC": True,
                "disableLocalAccounts": True,
                "agentPoolProfiles": [
                    {
                        "name": "system",
                        "count": 3,
                        "vmSize": "Standard_D4ds_v5",
                        "osType": "Linux",
                        "mode": "System",
                        "provisioningState": "Succeeded",
                        "powerState": {"code": "Running"},
                        "orchestratorVersion": "1.34",
                        "currentOrchestratorVersion": "1.34.2",
                    }
                ],
                "networkProfile": {
                    "networkPlugin": "azure",
                    "podCidr": "10.244.0.0/16",
                },
            },
            sku={"name": "Base", "tier": "Standard"},
            identity=_identity(lab),
        ),
        resource(
            lab,
            "Microsoft.ManagedIdentity/userAssignedIdentities",
            f"{prefix}-aks-kubelet",
            {
                "tenantId": lab.names.tenant_id,
                "clientId": str(uuid.uuid5(uuid.NAMESPACE_DNS, "kubelet client")),
                "principalId": str(uuid.uuid5(uuid.NAMESPACE_DNS, "kubelet principal")),
            },
        ),
        resource(
            lab,
            "Microsoft.Web/serverfarms",
            f"{prefix}-plan",
            {"provisioningState": "Succeeded", "status": "Ready", "reserved": True, "numberOfSites": 2},
            kind="elastic",
            sku={"name": "WS1", "tier": "WorkflowStandard", "size": "WS1", "family": "WS", "capacity": 1},
        ),
        *(
            resource(
                lab,
                "Microsoft.Web/sites",
                name,
                {
                    # Microsoft.Web says nothing of provisioning on a site: its state is all there is.
                    "state": "Running",
                    "enabled": True,
                    "availabilityState": "Normal",
                    "usageState": "Normal",
                    "defaultHostName": lab.applications[name],
                    "hostNames": [lab.applications[name]],
                    "enabledHostNames": [lab.applications[name]],
                    "serverFarmId": plan,
                    "httpsOnly": True,
                    "virtualNetworkSubnetId": apps_subnet,
                    "siteConfig": {"linuxFxVersion": runtime, "minTlsVersion": "1.2"},
                },
                kind=kind,
                identity=_identity(lab),
            )
            for name, kind, runtime in (
                (FUNCTION_APP, "functionapp,linux", "Python|3.12"),
                (LOGIC_APP, "functionapp,workflowapp", ""),
            )
        ),
        resource(
            lab,
            "Microsoft.Insights/components",
            f"{prefix}-insights",
            {
                "provisioningState": "Succeeded",
                "Application_Type": "web",
                "AppId": str(uuid.uuid5(uuid.NAMESPACE_DNS, "insights")),
                "WorkspaceResourceId": workspace,
                "IngestionMode": "LogAnalytics",
                "RetentionInDays": 90,
            },
            kind="web",
        ),
        resource(
            lab,
            "Microsoft.DBforPostgreSQL/flexibleServers",
            f"{prefix}-postgres",
            {
                "state": "Ready",
                "version": "16",
                "fullyQualifiedDomainName": f"{prefix}-postgres.postgres.database.azure.com",
                "storage": {"storageSizeGB": 128},
                "backup": {"backupRetentionDays": 14, "geoRedundantBackup": "Disabled"},
                "highAvailability": {"mode": "ZoneRedundant", "state": "Healthy"},
                "network": {"publicNetworkAccess": "Disabled"},
            },
            sku={"name": "Standard_D2ds_v5", "tier": "GeneralPurpose"},
        ),
    ]


def _network(lab: Lab) -> list[Resource]:
    """Return the network and the gateway before the applications."""
    prefix, network = lab.names.prefix, "Microsoft.Network"
    vnet = resource_id(lab, f"{network}/virtualNetworks", f"{prefix}-vnet")
    groups = {name: f"{prefix}-{name}-nsg" for name in SUBNETS}
    gateway_id = resource_id(lab, f"{network}/applicationGateways", f"{prefix}-gateway")
    address = resource_id(lab, f"{network}/publicIPAddresses", f"{prefix}-gateway-ip")
    return [
        resource(
            lab,
            f"{network}/virtualNetworks",
            f"{prefix}-vnet",
            {
                "provisioningState": "Succeeded",
                "addressSpace": {"addressPrefixes": ["10.40.0.0/16"]},
                "subnets": [
                    {
                        "id": f"{vnet}/subnets/{name}",
                        "name": name,
                        "properties": {
                            "provisioningState": "Succeeded",
                            "addressPrefix": prefix_of,
                            "networkSecurityGroup": {
                                "id": resource_id(lab, f"{network}/networkSecurityGroups", groups[name])
                            },
                        },
                    }
                    for name, prefix_of in SUBNETS.items()
                ],
            },
        ),
        *(
            resource(
                lab,
                f"{network}/networkSecurityGroups",
                group,
                {
                    "provisioningState": "Succeeded",
                    "securityRules": [],
                    "subnets": [{"id": f"{vnet}/subnets/{name}"}],
                },
            )
            for name, group in groups.items()
        ),
        resource(
            lab,
            f"{network}/publicIPAddresses",
            f"{prefix}-gateway-ip",
            {
                "provisioningState": "Succeeded",
                "ipAddress": "203.0.113.40",  # RFC 5737: nobody's
                "publicIPAllocationMethod": "Static",
                "publicIPAddressVersion": "IPv4",
                "dnsSettings": {"domainNameLabel": prefix, "fqdn": f"{prefix}.westeurope.cloudapp.azure.com"},
                "ipConfiguration": {"id": f"{gateway_id}/frontendIPConfigurations/public"},
            },
            sku={"name": "Standard", "tier": "Regional"},
        ),
        resource(
            lab,
            f"{network}/applicationGateways",
            f"{prefix}-gateway",
            {
                "provisioningState": "Succeeded",
                "operationalState": "Running",
                "sku": {"name": "WAF_v2", "tier": "WAF_v2", "capacity": 2},
                "frontendIPConfigurations": [
                    {
                        "name": "public",
                        "id": f"{gateway_id}/frontendIPConfigurations/public",
                        "properties": {"provisioningState": "Succeeded", "publicIPAddress": {"id": address}},
                    }
                ],
                "gatewayIPConfigurations": [
                    {"name": "gateway", "properties": {"subnet": {"id": f"{vnet}/subnets/gateway"}}}
                ],
                "sslCertificates": [
                    {
                        "name": "listener",
                        # Without a version, so that the gateway follows rotations (every four hours).
                        "properties": {"keyVaultSecretId": f"{lab.urls['key_vault']}/secrets/tls-certificate"},
                    }
                ],
            },
            identity=_identity(lab),
        ),
    ]


def _private_links(lab: Lab) -> list[Resource]:
    """Return a private endpoint, its network interface, its DNS zone and the zone's link for each of PRIVATE_LINKS."""
    prefix, network = lab.names.prefix, "Microsoft.Network"
    vnet = resource_id(lab, f"{network}/virtualNetworks", f"{prefix}-vnet")
    subnet = {"id": f"{vnet}/subnets/private-endpoints"}
    made: list[Resource] = []
    for number, (short, target_type, attribute, sub_resource, zone) in enumerate(PRIVATE_LINKS):
        endpoint = f"{prefix}-{short}-endpoint"
        card = f"{endpoint}.nic.{uuid.uuid5(uuid.NAMESPACE_DNS, endpoint)}"
        target = resource_id(lab, target_type, str(getattr(lab.names, attribute)))
        endpoint_id = resource_id(lab, f"{network}/privateEndpoints", endpoint)
        card_id = resource_id(lab, f"{network}/networkInterfaces", card)
        approved = {"status": "Approved", "description": "Auto-Approved", "actionsRequired": "None"}
        connection = {
            "provisioningState": "Succeeded",
            "privateLinkServiceId": target,
            "groupIds": [sub_resource],
            "privateLinkServiceConnectionState": approved,
        }
        address = {"privateIPAddress": f"10.40.4.{4 + number}", "primary": True, "subnet": subnet}
        made += [
            resource(
                lab,
                f"{network}/privateEndpoints",
                endpoint,
                {
                    "provisioningState": "Succeeded",
                    "subnet": subnet,
                    "networkInterfaces": [{"id": card_id}],
                    "privateLinkServiceConnections": [{"name": endpoint, "properties": connection}],
                },
            ),
            resource(
                lab,
                f"{network}/networkInterfaces",
                card,
                {
                    "provisioningState": "Succeeded",
                    "ipConfigurations": [{"name": "privateEndpointIpConfig", "properties": address}],
                    "privateEndpoint": {"id": endpoint_id},
                },
                managedBy=endpoint_id,
            ),
            resource(
                lab,
                f"{network}/privateDnsZones",
                zone,
                {"provisioningState": "Succeeded", "numberOfRecordSets": 2, "numberOfVirtualNetworkLinks": 1},
                location="global",
            ),
            resource(
                lab,
                f"{network}/privateDnsZones/virtualNetworkLinks",
                f"{zone}/{prefix}",
                {
                    "provisioningState": "Succeeded",
                    "virtualNetworkLinkState": "Completed",
                    "registrationEnabled": False,
                    "virtualNetwork": {"id": vnet},
                },
                location="global",
            ),
        ]
    return made
