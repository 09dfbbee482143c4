"""Who the runbook is: vibedata-uami in Automation, the developer's own login elsewhere."""

from collections.abc import Mapping
from typing import TYPE_CHECKING

from runbook_lib.retry import NETWORK_CONNECT_SECONDS, NETWORK_READ_SECONDS
from runbook_lib.settings import Settings

if TYPE_CHECKING:
    from azure.core.credentials import TokenCredential


def in_automation(environ: Mapping[str, str]) -> bool:
    """Return whether a managed identity is offered: the sandbox sets both variables (azure-facts, section 3)."""
    return bool(environ.get("IDENTITY_ENDPOINT")) and bool(environ.get("IDENTITY_HEADER"))


def credential(settings: Settings, environ: Mapping[str, str]) -> "TokenCredential":
    """Return the credential for every Azure service; the SDK caches its tokens.

    The identity is selected by client id: other selectors are undocumented for Automation (azure-facts, section 3). A
    token that cannot be had shows as azure.core's ClientAuthenticationError at first use; `runbook_lib.failures` names
    it.
    """
    from azure.identity import (
        AzureCliCredential,
        AzureDeveloperCliCredential,
        ChainedTokenCredential,
        ManagedIdentityCredential,
    )

    if in_automation(environ):
        return ManagedIdentityCredential(
            client_id=settings.uami_client_id,
            connection_timeout=NETWORK_CONNECT_SECONDS,
            read_timeout=NETWORK_READ_SECONDS,
        )
    return ChainedTokenCredential(AzureCliCredential(), AzureDeveloperCliCredential())
