"""What each of a run's clients is for, and the roles that its requests need (docs/operators.md, "Permissions")."""

import urllib.parse

from runbook_lib.network_trouble import ARM, Place
from runbook_lib.settings import Settings


def arm_place(settings: Settings) -> Place:
    """Return the place of ARM; what a request is about stands in its path."""
    return Place(service=ARM, scope=settings.resource_group_id, reads="Reader", writes="Contributor")


def blob_place(settings: Settings) -> Place:
    """Return the place of blob storage."""
    role = "Storage Blob Data Contributor"
    return Place(service="blob storage", scope=_storage_account(settings), reads=role, writes=role)


def table_place(settings: Settings) -> Place:
    """Return the place of table storage."""
    reads, writes = "Storage Table Data Reader", "Storage Table Data Contributor"
    return Place(service="table storage", scope=_storage_account(settings), reads=reads, writes=writes)


def secret_place(settings: Settings) -> Place:
    """Return the place of the vault's secrets."""
    reads, writes = "Key Vault Secrets User", "Key Vault Secrets Officer"
    return Place(service="Key Vault, secrets", scope=_vault(settings), reads=reads, writes=writes)


def key_place(settings: Settings) -> Place:
    """Return the place of the vault's keys."""
    role = "Key Vault Crypto Officer"
    return Place(service="Key Vault, keys", scope=_vault(settings), reads=role, writes=role)


def log_place(settings: Settings) -> Place:
    """Return the place of log ingestion. The rule's name is no setting: its group stands for it."""
    role = "Monitoring Metrics Publisher"
    return Place(service="log ingestion", scope=settings.resource_group_id, reads=role, writes=role)


def _storage_account(settings: Settings) -> str:
    if not settings.resource_group:
        return ""
    return f"{settings.resource_group_id}/providers/Microsoft.Storage/storageAccounts/{settings.storage_account}"


def _vault(settings: Settings) -> str:
    """Return the vault's id; where its address does not hold its name, that of its group; "" without a group."""
    if not settings.resource_group:
        return ""
    name, _, domain = (urllib.parse.urlsplit(settings.key_vault_endpoint).hostname or "").partition(".")
    if not domain.startswith("vault."):
        return settings.resource_group_id
    return f"{settings.resource_group_id}/providers/Microsoft.KeyVault/vaults/{name}"
