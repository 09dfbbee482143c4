"""The network of the managed resource group: private endpoints, their interfaces and DNS zones.

Sources: learn rest/api and azure/templates.
"""

import uuid

from lab.arm.resources import Resource
from lab.resource_group.resources import resource, resource_id
from lab.shared import Lab

NAMESPACE = "Microsoft.Network"
# Resources with a private endpoint: (short name, resource type, Names' attribute, sub-resource, private DNS zone).
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
    (
        "postgres",
        "Microsoft.DBforPostgreSQL/flexibleServers",
        "database",
        "postgresqlServer",
        "privatelink.postgres.database.azure.com",
    ),
)
# Each subnet has its own network security group.
SUBNETS = {"gateway": "10.40.0.0/24", "apps": "10.40.2.0/23", "private-endpoints": "10.40.4.0/24"}


def network(lab: Lab) -> list[Resource]:
    """Return the network with its security groups."""
    prefix = lab.names.prefix
    vnet = resource_id(lab, f"{NAMESPACE}/virtualNetworks", f"{prefix}-vnet")
    groups = {name: f"{prefix}-{name}-nsg" for name in SUBNETS}
    return [
        resource(
            lab,
            f"{NAMESPACE}/virtualNetworks",
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
                                "id": resource_id(lab, f"{NAMESPACE}/networkSecurityGroups", groups[name])
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
                f"{NAMESPACE}/networkSecurityGroups",
                group,
                {
                    "provisioningState": "Succeeded",
                    "securityRules": [],
                    "subnets": [{"id": f"{vnet}/subnets/{name}"}],
                },
            )
            for name, group in groups.items()
        ),
    ]


def private_links(lab: Lab) -> list[Resource]:
    """Return a private endpoint, its network interface, its DNS zone and the zone's link for each of PRIVATE_LINKS."""
    prefix = lab.names.prefix
    vnet = resource_id(lab, f"{NAMESPACE}/virtualNetworks", f"{prefix}-vnet")
    subnet = {"id": f"{vnet}/subnets/private-endpoints"}
    made: list[Resource] = []
    for number, (short, target_type, attribute, sub_resource, zone) in enumerate(PRIVATE_LINKS):
        endpoint = f"{prefix}-{short}-endpoint"
        card = f"{endpoint}.nic.{uuid.uuid5(uuid.NAMESPACE_DNS, endpoint)}"
        target = resource_id(lab, target_type, str(getattr(lab.names, attribute)))
        endpoint_id = resource_id(lab, f"{NAMESPACE}/privateEndpoints", endpoint)
        card_id = resource_id(lab, f"{NAMESPACE}/networkInterfaces", card)
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
                f"{NAMESPACE}/privateEndpoints",
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
                f"{NAMESPACE}/networkInterfaces",
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
                f"{NAMESPACE}/privateDnsZones",
                zone,
                {"provisioningState": "Succeeded", "numberOfRecordSets": 2, "numberOfVirtualNetworkLinks": 1},
                location="global",
            ),
            resource(
                lab,
                f"{NAMESPACE}/privateDnsZones/virtualNetworkLinks",
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
