"""Microsoft.ContainerRegistry/registries: the customer's container registry and the publisher's, as ARM shows them.

lab/resource_group/provider.py answers GET. lab/resource_group/public_network.py answers changes of the network rules.
The other providers of this folder serve the registries' operations.
"""

from typing import Any

from aiohttp import web
from aiohttp.typedefs import Middleware

from lab.arm.dispatch import Arm
from lab.arm.resources import Resource
from lab.container_registry.import_provider import API_VERSIONS
from lab.front import answers
from lab.resource_group.public_network import CONTAINER_REGISTRY, guard
from lab.resource_group.public_network import register as register_network
from lab.resource_group.resources import resource

TYPE = "Microsoft.ContainerRegistry/registries"
PREMIUM = {"name": "Premium", "tier": "Premium"}
KEPT_OUT = "client with IP '127.0.0.1' is not allowed access. Refer https://aka.ms/acr/firewall to grant access."
# What a deployment in a managed resource group also asks for.
CUSTOMERS = {
    "networkRuleBypassOptions": "AzureServices",
    "zoneRedundancy": "Disabled",
    "roleAssignmentMode": "LegacyRegistryPermissions",
}


def register_customers(arm: Arm, login_server: str) -> None:
    """Add the customer's container registry."""
    arm.deployed(lambda: [_registry(arm, arm.lab.names.customer_registry, login_server, CUSTOMERS)])
    register_network(arm, CONTAINER_REGISTRY, API_VERSIONS)


def customers_guard(arm: Arm) -> Middleware:
    """Return the check that keeps the public network out of the customer's registry while its rules say so."""

    def refuse() -> web.Response:
        return answers.registry_error(403, "DENIED", KEPT_OUT)

    return guard(arm, CONTAINER_REGISTRY, arm.lab.names.customer_registry, refuse)


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
