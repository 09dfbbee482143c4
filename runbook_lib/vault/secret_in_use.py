"""Read the version of a secret that is in use: the newest one that is enabled.

A vault answers a request without a version with the newest version, or refuses it if that one is disabled. An operator
disables it to take a credential back: the former one is then in use again (runbook_lib.rotation.rules, rule 8).
"""

from typing import TYPE_CHECKING

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
