"""The credentials in the customer's vault, and their rows in table Credentials.

A bootstrap, a rotation and each check of health write these rows, because somebody may disable a secret at any time.
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import TYPE_CHECKING

from runbook_lib.basics.clock import rfc3339
from runbook_lib.component_registry.schema import CREDENTIALS, Row, Value, fit, key_of
from runbook_lib.rotation.secret_versions import read_versions
from runbook_lib.rotation.versions import Secret, VaultFacts, pending_name, unfinished_rotation
from runbook_lib.vault.credential_states import CredentialState, read_credential_states
from runbook_lib.vault.hmac_key import KEY_ID_TAG
from runbook_lib.vault.publisher_token import TOKEN_ID_TAG

if TYPE_CHECKING:
    from azure.keyvault.secrets import SecretClient

_ID_TAGS = {"registry-token": TOKEN_ID_TAG, "hmac-key": KEY_ID_TAG}


@dataclass(frozen=True, slots=True, kw_only=True)
class FoundCredential:
    """One credential: the state of its secret, and the versions of the secret in use and of the pending one."""

    state: CredentialState
    versions: VaultFacts


def read_credentials(secrets: "SecretClient", now: datetime) -> tuple[FoundCredential, ...]:
    """Return what the vault has of each credential at `now`, without a value. Raises azure.core's errors."""

    def found(state: CredentialState) -> FoundCredential:
        current, pending = (
            Secret(versions=read_versions(secrets, name, id_tag=_ID_TAGS[state.kind]))
            for name in (state.id, pending_name(state.id))
        )
        return FoundCredential(state=state, versions=VaultFacts(current=current, pending=pending))

    return tuple(map(found, read_credential_states(secrets, now)))


def secret_rows(found: Iterable[FoundCredential]) -> Iterable[Row]:
    """Return the row of each credential. Pure."""
    return (secret_row(each.state, each.versions) for each in found)


def secret_row(state: CredentialState, versions: VaultFacts) -> Row:
    """Return the row of a credential: the state of its secret, and its unfinished rotation. Pure."""
    open_one = unfinished_rotation(versions)
    columns: Mapping[str, Value] = {
        "state": state.state,
        "notBefore": _text(state.not_before),
        "expires": _text(state.expires),
        "rotationId": fit(open_one.rotation_id) if open_one else "",
        "rotationState": open_one.state if open_one else "",
        "retireAfter": _text(open_one.retire_after if open_one else None),
    }
    return Row(table=CREDENTIALS, partition=state.kind, name=key_of(state.id), columns=columns)


def _text(moment: datetime | None) -> str:
    return rfc3339(moment) if moment else ""
