"""Vibedata's applications in the managed resource group, and what they run on.

The container apps' images are in the customer's container registry. Their addresses are those of
lab/resource_group/application_endpoints.py. Sources: learn rest/api and azure/templates.
"""

import uuid
from collections.abc import Mapping

from lab.arm.resources import Resource
from lab.resource_group.resources import identity_of, resource, resource_id
from lab.shared import Lab

VERSION = "2026.11.0"  # of the applications' images, the same as in the demo's release
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
# Everything that answers over TLS; lab/resource_group/application_endpoints.py has a port for each.
APPLICATIONS = (*CONTAINER_APPS, FUNCTION_APP, LOGIC_APP)


def applications(lab: Lab, addresses: Mapping[str, str]) -> list[Resource]:
    """Return what Vibedata's applications run on, and the applications; `addresses` are their `127.0.0.1:PORT`."""
    prefix = lab.names.prefix
    plan = resource_id(lab, "Microsoft.Web/serverfarms", f"{prefix}-plan")
    foundry = f"{prefix}-foundry"
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
                fqdn=addresses[name],
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
                "nodeResourceGroup": f"{prefix}-aks-nodes",
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
            identity=identity_of(lab),
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
                    # Microsoft.Web shows no provisioning state of a site, only its state.
                    "state": "Running",
                    "sku": "WorkflowStandard",
                    "enabled": True,
                    "availabilityState": "Normal",
                    "usageState": "Normal",
                    "defaultHostName": addresses[name],
                    "hostNames": [addresses[name]],
                    "enabledHostNames": [addresses[name]],
                    "serverFarmId": plan,
                    "httpsOnly": True,
                    "virtualNetworkSubnetId": apps_subnet,
                    "siteConfig": {"linuxFxVersion": runtime, "minTlsVersion": "1.2"},
                },
                kind=kind,
                identity=identity_of(lab),
            )
            for name, kind, runtime in (
                (FUNCTION_APP, "functionapp,linux", "Python|3.12"),
                (LOGIC_APP, "functionapp,workflowapp,linux", ""),
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
            "Microsoft.CognitiveServices/accounts",
            foundry,
            {
                "provisioningState": "Succeeded",
                "endpoint": f"https://{foundry}.cognitiveservices.azure.com/",
                "customSubDomainName": foundry,
                "allowProjectManagement": True,
                "disableLocalAuth": True,
                "publicNetworkAccess": "Enabled",
            },
            kind="AIServices",
            sku={"name": "S0"},
            identity=identity_of(lab),
        ),
        resource(
            lab,
            "Microsoft.CognitiveServices/accounts/projects",
            f"{foundry}/agents",
            {"provisioningState": "Succeeded", "displayName": "Agents", "isDefault": True},
            identity=identity_of(lab),
        ),
        resource(
            lab,
            "Microsoft.DBforPostgreSQL/flexibleServers",
            lab.names.database,
            {
                "state": "Ready",
                "version": "16",
                "fullyQualifiedDomainName": f"{lab.names.database}.postgres.database.azure.com",
                "storage": {"storageSizeGB": 128},
                "backup": {"backupRetentionDays": 14, "geoRedundantBackup": "Disabled"},
                "highAvailability": {"mode": "ZoneRedundant", "state": "Healthy"},
                "network": {"publicNetworkAccess": "Disabled"},
            },
            sku={"name": "Standard_D2ds_v5", "tier": "GeneralPurpose"},
        ),
    ]


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
                    "transport": "auto",
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
        identity=identity_of(lab),
    )
