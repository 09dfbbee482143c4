"""The publisher's own resource group: its container registry, vault and storage account, as ARM shows them.

Their fields are those of the customer's resources of the same types (lab/resource_group/start_set.py). Left out: what
the callback API runs on.
"""

from collections.abc import Iterator, Mapping
from typing import Any

from lab.arm.dispatch import Arm
from lab.resource_group import groups as arm_groups
from lab.resource_group import provider as arm_resources
from lab.resource_group.resources import ManagedResources, Resource


def register(arm: Arm) -> None:
    """Add the resources; to be called after the providers, whose own GET goes first."""
    managed = ManagedResources(start=lambda: _resources(arm))
    arm_resources.serve(arm, managed, [arm_groups.group(arm, arm.home.resource_group)])


def _resources(arm: Arm) -> Iterator[Resource]:
    lab, names = arm.lab, arm.lab.names
    premium = {"name": "Premium", "tier": "Premium"}
    yield _resource(
        arm,
        "Microsoft.ContainerRegistry/registries",
        names.publisher_registry,
        {
            "loginServer": lab.host("publisher_registry"),
            "provisioningState": "Succeeded",
            "adminUserEnabled": False,
            "anonymousPullEnabled": False,
            "publicNetworkAccess": "Enabled",
        },
        sku=premium,
    )
    yield _resource(
        arm,
        "Microsoft.KeyVault/vaults",
        f"{names.publisher_registry}-release",
        {
            "sku": {"family": "A", "name": "premium"},
            "tenantId": names.tenant_id,
            "vaultUri": lab.urls["publisher_key_vault"] + "/",
            "enableRbacAuthorization": True,
            "enableSoftDelete": True,
            "enablePurgeProtection": True,
            "provisioningState": "Succeeded",
        },
    )
    account = f"/{names.publisher_storage_account}"
    yield _resource(
        arm,
        "Microsoft.Storage/storageAccounts",
        names.publisher_storage_account,
        {
            "provisioningState": "Succeeded",
            "primaryEndpoints": {kind: f"{lab.urls[kind]}{account}" for kind in ("blob", "table")},
            "allowSharedKeyAccess": False,
            "minimumTlsVersion": "TLS1_2",
            "supportsHttpsTrafficOnly": True,
        },
        kind="StorageV2",
        sku={"name": "Standard_ZRS", "tier": "Standard"},
    )


def _resource(arm: Arm, resource_type: str, name: str, properties: Mapping[str, Any], **more: Any) -> Resource:
    return {
        "id": f"{arm.home.id}/providers/{resource_type}/{name}",
        "name": name,
        "type": resource_type,
        "location": arm.lab.names.location,
        "tags": {},
        **more,
        "properties": dict(properties),
    }
