"""The states of the credentials in the customer's Key Vault. This module reads their properties, never a value."""

from dataclasses import dataclass
from datetime import datetime
from typing import TYPE_CHECKING, Literal

from runbook_lib.network.listing import bounded
from runbook_lib.vault.publisher_token import SECRET as REGISTRY_TOKEN

if TYPE_CHECKING:
    from azure.keyvault.secrets import SecretClient, SecretProperties

SecretState = Literal["enabled", "disabled", "not yet valid", "expired", "absent", "not provisioned"]
# The kind of the TLS certificate. check_health records it. It is not among SECRETS: it may come long after a bootstrap.
TLS_CERTIFICATE = "tls-certificate"
# The secrets that the suite needs: kind, id, and the state if there is none. Nothing can be imported without the token.
# The key arrives when the instance runs already: reports to the publisher wait until then.
SECRETS: tuple[tuple[str, str, SecretState], ...] = (
    ("registry-token", REGISTRY_TOKEN, "absent"),
    ("hmac-key", "hmac-key", "not provisioned"),
)


@dataclass(frozen=True, slots=True, kw_only=True)
class CredentialState:
    """One credential. `not_before` and `expires` are aware, None if the vault does not say."""

    kind: str
    id: str
    state: SecretState
    not_before: datetime | None = None
    expires: datetime | None = None


def read_credential_states(secrets: "SecretClient", now: datetime) -> tuple[CredentialState, ...]:
    """Return the state of each of SECRETS at `now`. Raises azure.core's errors."""
    wanted = {name for _, name, _ in SECRETS}
    there = {
        found.name: found
        for found in bounded(secrets.list_properties_of_secrets(), target="secrets")
        if found.name in wanted
    }
    return tuple(_state(kind, name, missing, there.get(name), now) for kind, name, missing in SECRETS)


def _state(
    kind: str, name: str, missing: SecretState, found: "SecretProperties | None", now: datetime
) -> CredentialState:
    if found is None:
        return CredentialState(kind=kind, id=name, state=missing)
    since, until = found.not_before, found.expires_on
    state = secret_state(enabled=bool(found.enabled), not_before=since, expires=until, now=now)
    return CredentialState(kind=kind, id=name, state=state, not_before=since, expires=until)


def secret_state(*, enabled: bool, not_before: datetime | None, expires: datetime | None, now: datetime) -> SecretState:
    """Return the state at `now` of a credential with these properties."""
    if not enabled:
        return "disabled"
    if expires is not None and now >= expires:
        return "expired"
    return "not yet valid" if not_before is not None and now < not_before else "enabled"
