"""The purpose of each client of a run, and the roles that its requests need (docs/operators.md)."""

import urllib.parse

from runbook_lib.azure.settings import Settings
from runbook_lib.network.trouble import ARM, Place


def arm_place(settings: Settings) -> Place:
    """Return the place of ARM. The path of a request says which resource it is about."""
    return Place(ARM, settings.resource_group_id, "Reader", "Contributor")


def blob_place(settings: Settings) -> Place:
    """Return the place of blob storage."""
    role = "Storage Blob Data Contributor"
    return Place("blob storage", _storage_account(settings), role, role)


def table_place(settings: Settings) -> Place:
    """Return the place of table storage."""
    scope = _storage_account(settings)
    return Place("table storage", scope, "Storage Table Data Reader", "Storage Table Data Contributor")


def secret_place(settings: Settings) -> Place:
    """Return the place of the vault's secrets."""
    return Place("Key Vault, secrets", _vault(settings), "Key Vault Secrets User", "Key Vault Secrets Officer")


def key_place(settings: Settings) -> Place:
    """Return the place of the vault's keys."""
    return Place("Key Vault, keys", _vault(settings), "Key Vault Crypto Officer", "Key Vault Crypto Officer")


def certificate_place(settings: Settings) -> Place:
    """Return the place of the vault's certificates."""
    role = "Key Vault Certificates Officer"
    return Place("Key Vault, certificates", _vault(settings), role, role)


def log_place(settings: Settings) -> Place:
    """Return the place of log ingestion. No setting has the rule's name, so its scope is the resource group."""
    role = "Monitoring Metrics Publisher"
    return Place("log ingestion", settings.resource_group_id, role, role)


def _storage_account(settings: Settings) -> str:
    return _below(settings, f"Microsoft.Storage/storageAccounts/{settings.storage_account}")


def _vault(settings: Settings) -> str:
    """Return the vault's id. If its address does not hold its name, return the resource group's id."""
    name, _, domain = (urllib.parse.urlsplit(settings.key_vault_endpoint).hostname or "").partition(".")
    found = _below(settings, f"Microsoft.KeyVault/vaults/{name}")
    return found if domain.startswith("vault.") else found and settings.resource_group_id


def _below(settings: Settings, resource: str) -> str:
    """Return a resource's id, "" if the resource group is not known."""
    return f"{settings.resource_group_id}/providers/{resource}" if settings.resource_group else ""
