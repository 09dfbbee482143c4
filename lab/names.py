"""The names, ids and passwords of the lab's one customer and one publisher. Pure."""

import base64
import secrets
from dataclasses import dataclass, field

REGISTRY_PASSWORD_BYTES = 23  # 32 characters, the last of them "="


def registry_password() -> str:
    """Return a password like ACR's: base64, with characters that are special in addresses and shells."""
    while True:
        value = base64.b64encode(secrets.token_bytes(REGISTRY_PASSWORD_BYTES)).decode()
        if "+" in value and "/" in value:
            return value


@dataclass(frozen=True, slots=True, kw_only=True)
class Names:
    """The names and ids of the lab's one customer and one publisher; the passwords are new with each lab."""

    tenant_id: str = "7a6c1b1e-0c5f-4d8e-9a55-3f1a6a0f2b01"
    subscription_id: str = "2f4cfa0e-6b0d-4a4e-8a67-6f9f1b8a7c02"
    location: str = "westeurope"
    prefix: str = "vibedata"
    resource_group: str = "vibedata-managed"
    automation_account: str = "vibedata-automation"
    storage_account: str = "vibedatastorage"
    publisher_storage_account: str = "vibedatapublisher"
    key_vault: str = "vibedata-kv"
    customer_registry: str = "vibedataacr"
    database: str = "vibedata-postgres"
    publisher_registry: str = "vibedata"
    publisher_subscription_id: str = "3e5dfb1f-7a1e-4b5f-9b78-7a8e0c9d8a0a"
    publisher_resource_group: str = "vibedata-publisher"
    # The publisher's DNS zone, in which each instance has a name.
    dns_zone: str = "vibedata.ai"

    workspace: str = "vibedata-logs"
    workspace_id: str = "5b7fd2a4-55c0-4f8d-b7e1-0c1f7f5f9d03"
    dcr: str = "vibedata-operations"
    dcr_immutable_id: str = "dcr-3c1d5a7e9b0f4e2d8a6c4b2e0f1d3a5b"
    operations_table: str = "VibeData_Operations_CL"

    # The identity that the runbooks run as.
    uami: str = "vibedata-uami"
    uami_client_id: str = "c0a1b2d3-1111-4a4b-8c8d-0e0f1a2b3c04"
    uami_principal_id: str = "d1b2c3e4-2222-4b5c-9d9e-1f102b3c4d05"
    # The publisher's operator, an application of the same tenant in the lab.
    operator_client_id: str = "e2c3d4f5-3333-4c6d-8eaf-2a213c4d5e06"
    operator_principal_id: str = "f3d4e5a6-4444-4d7e-9fb0-3b324d5e6f07"
    operator_client_secret: str = field(default_factory=lambda: secrets.token_urlsafe(30))

    # The identity that the publisher's callback API runs as.
    publisher_client_id: str = "14b5c6d7-5555-4e8f-8ac1-4c435e6f7a08"
    publisher_principal_id: str = "25c6d7e8-6666-4f9a-9bd2-5d546f7a8b09"

    # Full rights on each container registry, as an engineer's tool needs.
    publisher_registry_username: str = "publisher"
    publisher_registry_password: str = field(default_factory=lambda: secrets.token_urlsafe(30))
    customer_registry_username: str = "customer"
    customer_registry_password: str = field(default_factory=lambda: secrets.token_urlsafe(30))
    # The repository-scoped read-only token that the customer's Key Vault holds in secret `publisher-acr-token`, and the
    # first of its passwords.
    publisher_token_username: str = "customer-2f4cfa0e"  # noqa: S105 - a name
    publisher_token_password: str = field(default_factory=registry_password)

    @property
    def resource_group_id(self) -> str:
        """ARM id of the managed resource group."""
        return f"/subscriptions/{self.subscription_id}/resourceGroups/{self.resource_group}"

    @property
    def application_group(self) -> str:
        """The resource group that the customer has put the managed application into."""
        return self.prefix

    @property
    def application_id(self) -> str:
        """ARM id of the managed application, which the managed group and its resources name in `managedBy`."""
        group = f"/subscriptions/{self.subscription_id}/resourceGroups/{self.application_group}"
        return f"{group}/providers/Microsoft.Solutions/applications/{self.prefix}"

    @property
    def uami_id(self) -> str:
        """ARM id of the user-assigned managed identity."""
        return f"{self.resource_group_id}/providers/Microsoft.ManagedIdentity/userAssignedIdentities/{self.uami}"
