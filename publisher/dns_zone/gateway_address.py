"""The public address of an instance's Application Gateway, as ARM has it.

ARM is asked, and not the instance: Azure alone gives out a public address, and nobody can write another one into the
resource. What an instance reports is only what somebody in the customer's tenant says, and a wrong address would send
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

    Raises what `address_in` does, RunbookError VD-DNS-006 if the resource is absent, and azure.core's errors.
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
    """Return the IPv4 address in the properties of a public address. gateway: the ARM id of whose it must be. Pure.

    Raises RunbookError VD-DNS-006: it belongs to something else, it may change, or it is none.
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
