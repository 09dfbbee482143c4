"""Microsoft.KeyVault/vaults: the customer's vault and the publisher's, as ARM shows them.

lab/resource_group/provider.py answers GET. lab/resource_group/public_network.py answers changes of the network rules.
Left out: deleted vaults, private endpoint connections, other writes.
"""

from typing import Any

from aiohttp import web
from aiohttp.typedefs import Middleware

from lab.arm.dispatch import Arm
from lab.arm.resources import Resource
from lab.key_vault import wire
from lab.key_vault.objects import VaultRefusedError
from lab.resource_group.public_network import VAULT, guard
from lab.resource_group.public_network import register as register_network
from lab.resource_group.resources import resource

TYPE = "Microsoft.KeyVault/vaults"
# Those before 2026-02-01 retire on 2027-02-27 (learn key-vault/general/access-control-default).
API_VERSIONS = ("2026-02-01", "2025-05-01", "2024-11-01", "2023-07-01")
KEPT_OUT = (
    "Public network access is disabled and request is not from a trusted service nor via an approved private link."
)


def register_customers(arm: Arm, address: str) -> None:
    """Add the customer's vault, which answers at `address`."""
    arm.deployed(lambda: [_vault(arm, arm.lab.names.key_vault, address, "standard", {})])
    register_network(arm, VAULT, API_VERSIONS)


def customers_guard(arm: Arm) -> Middleware:
    """Return the check that keeps the public network out of the customer's vault while its rules say so."""

    def refuse() -> web.Response:
        return wire.refusal(VaultRefusedError(403, "Forbidden", KEPT_OUT, "ForbiddenByConnection"))

    return guard(arm, VAULT, arm.lab.names.key_vault, refuse)


def register_publishers(arm: Arm, address: str) -> None:
    """Add the publisher's vault, which answers at `address`."""
    name = f"{arm.lab.names.publisher_registry}-release"
    arm.deployed(lambda: [_vault(arm, name, address, "premium", {"enablePurgeProtection": True})])


def _vault(arm: Arm, name: str, address: str, sku: str, more: dict[str, Any]) -> Resource:
    properties = {
        "sku": {"family": "A", "name": sku},
        "tenantId": arm.lab.names.tenant_id,
        "vaultUri": f"{address}/",
        "enableRbacAuthorization": True,
        "enableSoftDelete": True,
        **more,
        "provisioningState": "Succeeded",
    }
    return resource(arm.lab, TYPE, name, properties, group=arm.home.id)
