"""Read the version of a secret that is in use: the newest one that is enabled.

A vault answers a request without a version with the newest version, or refuses it if that one is disabled. An operator
disables it to take a credential back: the former one is then in use again (runbook_lib.rotation.rules, rule 8).
"""

from datetime import datetime
from typing import TYPE_CHECKING, Literal
from urllib.parse import urlsplit

from runbook_lib.network.failures import service_codes
from runbook_lib.network.listing import bounded

if TYPE_CHECKING:
    from azure.core.exceptions import HttpResponseError
    from azure.keyvault.secrets import KeyVaultSecret, SecretClient

# The tag with the time at which a version was written, by the writer's clock. The vault's own times are whole seconds.
WRITTEN_TAG = "writtenAt"


def is_disabled(error: "HttpResponseError") -> bool:
    """Return whether the vault says that a secret's version is disabled."""
    # The status is 403, as for a missing role. Only the inner code shows the difference.
    return error.status_code == 403 and "SecretDisabled" in service_codes(error)


def secret_in_use(secrets: "SecretClient", name: str) -> "KeyVaultSecret | None":
    """Return a secret's version in use; None if there is no such secret, or every version is disabled.

    It needs one request if the newest version is enabled. Raises azure.core's errors.
    """
    from azure.core.exceptions import HttpResponseError, ResourceNotFoundError

    try:
        return secrets.get_secret(name)
    except ResourceNotFoundError:
        return None
    except HttpResponseError as error:
        if not is_disabled(error):
            raise
    enabled = [
        version for version in bounded(secrets.list_properties_of_secret_versions(name), target=name) if version.enabled
    ]
    newest = max(
        enabled, key=lambda version: (version.created_on, (version.tags or {}).get(WRITTEN_TAG, "")), default=None
    )
    return None if newest is None else secrets.get_secret(name, newest.version)


Unusable = Literal["absent", "deleted", "disabled", "expired", "not yet valid"]


def why_none(secrets: "SecretClient", name: str) -> Unusable:
    """Return why a secret has no version in use. Raises azure.core's errors.

    An identity that may read secrets may not always see deleted ones. Such a secret counts as absent.
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
    """Return why an enabled secret cannot be used at `now` (aware). The vault returns its value in any case."""
    since, until = secret.properties.not_before, secret.properties.expires_on
    if until is not None and now >= until:
        return "expired"
    return "not yet valid" if since is not None and now < since else None


def how_to_mend(state: Unusable, *, vault_url: str, name: str, command: str) -> str:
    """Return a secret's state and the next command. With `command` the publisher makes the secret anew. Pure."""
    vault = (urlsplit(vault_url).hostname or "").partition(".")[0]
    where = f"--vault-name {vault} --name {name}"
    again = f"the publisher makes it anew: `{command}`"
    told: dict[Unusable, str] = {
        "absent": f"it is absent; {again}",
        "deleted": f"it is deleted and can be recovered: `az keyvault secret recover {where}`",
        "disabled": f"every version of it is disabled: `az keyvault secret set-attributes {where} --enabled true`"
        f" enables the newest; if that one is believed stolen, {again}",
        "expired": f"it is expired; {again}",
        "not yet valid": f"it is not yet valid: check the clock, and its start: `az keyvault secret show {where}"
        " --query attributes.notBefore`",
    }
    return told[state]
