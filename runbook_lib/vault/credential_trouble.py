"""The reasons why a credential in the customer's Key Vault cannot be used, and their remedies."""

from typing import TYPE_CHECKING

from runbook_lib.errors import RunbookError, vault
from runbook_lib.vault.credential_states import CredentialState
from runbook_lib.vault.token_in_use import COMMAND as MAKE_TOKEN
from runbook_lib.vault.token_in_use import how_to_mend, mending_line, why_none

if TYPE_CHECKING:
    from azure.keyvault.secrets import SecretClient

# The publisher makes a new credential with these commands.
_MADE_BY = {"registry-token": MAKE_TOKEN, "hmac-key": "vibedata rotate-hmac"}


def trouble_of(secrets: "SecretClient", credential: CredentialState) -> RunbookError | None:
    """Return why a credential cannot be used, with the remedy. Return None if it can be used, or if it will come later.

    A vault does not list deleted secrets. So for an absent secret this asks the vault about a deleted one. Raises
    azure.core's errors.
    """
    match credential.state:
        case "enabled" | "not provisioned":
            return None
        case "absent":
            state = why_none(secrets, credential.id)
        case unusable:
            state = unusable
    entry = vault.SECRET_UNUSABLE if state in ("expired", "not yet valid") else vault.SECRET_MISSING
    command = _MADE_BY[credential.kind]
    detail = how_to_mend(state, vault_url=secrets.vault_url, name=credential.id, command=command)
    line = mending_line(state, vault_url=secrets.vault_url, name=credential.id)
    return entry.error(detail, target=credential.id, line=line)
