"""Microsoft.ContainerRegistry/registries: the customer's container registry and the publisher's, as ARM shows them.

lab/resource_group/provider.py answers GET. What can be done with them is in the other providers of this folder.
"""

from typing import Any

from lab.arm.dispatch import Arm
from lab.arm.resources import Resource
from lab.resource_group.resources import resource

TYPE = "Microsoft.ContainerRegistry/registries"
PREMIUM = {"name": "Premium", "tier": "Premium"}
# What a deployment in a managed resource group asks for beside.
CUSTOMERS = {
    "networkRuleBypassOptions": "AzureServices",
    "zoneRedundancy": "Disabled",
    "roleAssignmentMode": "LegacyRegistryPermissions",
}


def register_customers(arm: Arm, login_server: str) -> None:
    """Add the customer's container registry."""
    arm.deployed(lambda: [_registry(arm, arm.lab.names.customer_registry, login_server, CUSTOMERS)])


def register_publishers(arm: Arm, login_server: str) -> None:
    """Add the publisher's container registry."""
    arm.deployed(lambda: [_registry(arm, arm.lab.names.publisher_registry, login_server, {})])


def _registry(arm: Arm, name: str, login_server: str, more: dict[str, Any]) -> Resource:
    properties = {
        "loginServer": login_server,
        "provisioningState": "Succeeded",
        "adminUserEnabled": False,
        "anonymousPullEnabled": False,
        "publicNetworkAccess": "Enabled",
        **more,
    }
    return resource(arm.lab, TYPE, name, properties, group=arm.home.id, sku=PREMIUM)
