"""The publisher's token that is in use now. If there is none, this finds the reason and the next command."""

from dataclasses import replace
from datetime import datetime
from typing import TYPE_CHECKING, Literal

from runbook_lib.basics.redaction import Redactor
from runbook_lib.errors import vault
from runbook_lib.network.listing import bounded
from runbook_lib.vault.publisher_token import SECRET, PublisherToken, parse_token
from runbook_lib.vault.secret_in_use import secret_in_use

if TYPE_CHECKING:
    from azure.keyvault.secrets import KeyVaultSecret, SecretClient

COMMAND = "vibedata rotate-acr-token"
Unusable = Literal["absent", "deleted", "disabled", "expired", "not yet valid"]


def read_publisher_token(secrets: "SecretClient", redactor: Redactor, *, now: datetime) -> PublisherToken:
    """Return the token in use at `now` (aware). `redactor` learns it.

    Raises RunbookError VD-VAULT-001 (absent, deleted, or every version disabled), VD-VAULT-002 (not JSON
    `{"username","password"}`), VD-VAULT-003 (expired, or not yet valid), and azure.core's errors.
    """
    found = secret_in_use(secrets, SECRET)
    state = why_none(secrets, SECRET) if found is None else out_of_time(found, now)
    if state is not None:
        detail = how_to_mend(state, vault_url=secrets.vault_url, name=SECRET, command=COMMAND)
        entry = vault.SECRET_MISSING if found is None else vault.SECRET_UNUSABLE
        line = mending_line(state, vault_url=secrets.vault_url, name=SECRET)
        raise entry.error(detail, target=SECRET, line=line)
    assert found is not None  # noqa: S101 - a missing secret has a state, which was raised above
    return replace(parse_token(found.value or "", redactor), version=str(found.properties.version))


def why_none(secrets: "SecretClient", name: str) -> Unusable:
    """Return why a secret has no version in use. Raises azure.core's errors.

    An identity that may read secrets may not always see deleted ones. Then a deleted secret counts as absent.
    """
    from azure.core.exceptions import HttpResponseError, ResourceNotFoundError

    try:
        if any(True for _ in bounded(secrets.list_properties_of_secret_versions(name), target=name)):
            return "disabled"
    except ResourceNotFoundError:
        pass
    try:
        secrets.get_deleted_secret(name)
    except HttpResponseError as error:
        if error.status_code not in (403, 404):
            raise
        return "absent"
    return "deleted"


def out_of_time(secret: "KeyVaultSecret", now: datetime) -> Unusable | None:
    """Return why an enabled secret cannot be used at `now` (aware).

    A vault returns its value in spite of these times.
    """
    since, until = secret.properties.not_before, secret.properties.expires_on
    if until is not None and now >= until:
        return "expired"
    return "not yet valid" if since is not None and now < since else None


def how_to_mend(state: Unusable, *, vault_url: str, name: str, command: str) -> str:
    """Return the state of a secret and the next command, in words.

    `command` makes a new secret at the publisher. Pure.
    """
    line = mending_line(state, vault_url=vault_url, name=name)
    again = f"the publisher makes a new one: `{command}`"
    told: dict[Unusable, str] = {
        "absent": f"it is absent; {again}",
        "deleted": f"it is deleted and can be recovered: `{line}`",
        "disabled": f"it is disabled: `{line}` enables its newest version; if that version is believed stolen, {again}",
        "expired": f"it is expired; {again}",
        "not yet valid": f"it is not yet valid: check the clock, and its start: `{line}`",
    }
    return told[state]


def mending_line(state: Unusable, *, vault_url: str, name: str) -> str:
    """Return the command of the Azure CLI for a secret in this state, "" if only the publisher can help. Pure."""
    lines: dict[Unusable, str] = {
        "deleted": f"az keyvault secret recover --id {vault_url}/deletedsecrets/{name}",
        "disabled": f"az keyvault secret set-attributes --id {vault_url}/secrets/{name} --enabled true",
        "not yet valid": f"az keyvault secret show --id {vault_url}/secrets/{name} --query attributes.notBefore",
    }
    return lines.get(state, "")
