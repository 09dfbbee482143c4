"""The public address of an instance's Application Gateway, from ARM.

Only Azure gives out a public address, and nobody can write another one into the resource. So the publisher asks ARM and
not the instance. Somebody in the customer's tenant could change the instance's report, and a wrong address would send
the name's visitors elsewhere.
"""

import ipaddress
from typing import TYPE_CHECKING

from runbook_lib.azure.settings import Settings
from runbook_lib.basics.strict_json import member
from runbook_lib.basics.visible_text import one_line
from runbook_lib.errors import publisher

if TYPE_CHECKING:
    from azure.mgmt.resource.resources import ResourceManagementClient

API_VERSION = "2025-09-01"
MAX_SHOWN_CHARACTERS = 60


def gateway_address(arm: "ResourceManagementClient", settings: Settings) -> str:
    """Return the IPv4 address of the instance's gateway. infra/modules/gateway.bicep makes the resource.

    Args:
        arm: A client of the instance's subscription.
        settings: The settings of the instance.

    Raises:
        RunbookError: VD-DNS-006 if the resource is absent, or for the reasons that `address_in` names.
        azure.core's errors: ARM cannot be reached, fails, or refuses the login.
    """
    from azure.core.exceptions import ResourceNotFoundError

    network = f"{settings.resource_group_id}/providers/Microsoft.Network"
    name = f"{settings.prefix}-gateway-ip"
    try:
        found = arm.resources.get_by_id(f"{network}/publicIPAddresses/{name}".lstrip("/"), api_version=API_VERSION)
    except ResourceNotFoundError as error:
        raise publisher.NO_GATEWAY_ADDRESS.error("the resource group has no such address", target=name) from error
    return address_in(found.properties, name, gateway=f"{network}/applicationGateways/{settings.prefix}-gateway")


def address_in(properties: object, name: str, *, gateway: str) -> str:
    """Return the IPv4 address in the properties of a public address. Pure.

    Args:
        properties: The properties, as ARM returns them.
        name: The name of the public address.
        gateway: The ARM id of the gateway that must have the address.

    Raises:
        RunbookError: VD-DNS-006 if the address belongs to something else, if it can change, or if it is no address.
    """
    used_by = str(member(properties, "ipConfiguration", "id") or "")
    if not used_by.lower().startswith(f"{gateway}/".lower()):
        raise publisher.NO_GATEWAY_ADDRESS.error("it is not the gateway's", target=name)
    if member(properties, "publicIPAllocationMethod") != "Static":
        raise publisher.NO_GATEWAY_ADDRESS.error("it is not static", target=name)
    address = str(member(properties, "ipAddress") or "")
    try:
        return str(ipaddress.IPv4Address(address))
    except ValueError as error:
        detail = f"it is '{one_line(address, MAX_SHOWN_CHARACTERS)}'"
        raise publisher.NO_GATEWAY_ADDRESS.error(detail, target=name) from error
