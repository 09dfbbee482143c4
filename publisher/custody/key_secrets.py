"""The bytes of the keys that sign callbacks, in the publisher's vault. Each key has a secret, which is set once."""

from typing import TYPE_CHECKING

from runbook_lib.basics.clock import Clock
from runbook_lib.basics.redaction import Redactor
from runbook_lib.errors import publisher
from runbook_lib.network.listing import bounded
from runbook_lib.vault.hmac_key import KEY_BYTES, key_of, key_text
from runbook_lib.vault.secret_in_use import is_disabled

if TYPE_CHECKING:
    from azure.keyvault.secrets import SecretClient

# A vault may show a write some seconds late. Everybody must see the key before a rotation goes on.
VISIBLE_SECONDS = 60.0
LOOK_SECONDS = 0.5


def secret_name(instance_id: str, key_id: str) -> str:
    """Return the secret's name: letters, digits and dashes, at most 127 characters (Key Vault's rule)."""
    return f"hmac-{instance_id}-{key_id.removeprefix('hmac-')}"


class KeyCustody:
    """The secrets in one publisher's vault. Many threads may use it.

    `redactor` learns each key. Raises azure.core's errors if the vault cannot be reached, fails, or refuses the
    identity.
    """

    def __init__(self, secrets: "SecretClient", *, redactor: Redactor, clock: Clock) -> None:
        self._secrets = secrets
        self._redactor = redactor
        self._clock = clock

    def keep(self, instance_id: str, key_id: str, key: bytes) -> None:
        """Store a key under an id that has none yet, and wait until it can be read.

        Raises RunbookError VD-ROTATION-033 if it cannot be read after VISIBLE_SECONDS.
        """
        name = secret_name(instance_id, key_id)
        self._secrets.set_secret(
            name,
            key_text(key, self._redactor),
            content_type="application/octet-stream",
            tags={"instanceId": instance_id, "keyId": key_id},
            repeatable=False,  # runbook_lib.network.sdk_retry: each PUT makes a version
        )
        deadline = self._clock.monotonic() + VISIBLE_SECONDS
        while self.read(instance_id, key_id) is None:
            if self._clock.monotonic() >= deadline:
                raise publisher.KEY_NOT_READ_BACK.error(f"{VISIBLE_SECONDS:.0f} s after it was written", target=name)
            self._clock.sleep(LOOK_SECONDS)

    def read(self, instance_id: str, key_id: str) -> bytes | None:
        """Return a key's bytes, None if the secret is absent, deleted or disabled.

        Raises RunbookError VD-ROTATION-032 if the secret is not a key. No part of a value may enter a message.
        """
        from azure.core.exceptions import HttpResponseError, ResourceNotFoundError

        name = secret_name(instance_id, key_id)
        try:
            text = self._secrets.get_secret(name).value or ""
        except ResourceNotFoundError:
            return None
        except HttpResponseError as error:
            if is_disabled(error):
                return None
            raise
        key = key_of(text)
        if key is None:
            raise publisher.KEY_LOST.error(f"the secret is no base64url of {KEY_BYTES} bytes", target=name)
        self._redactor.learn_key(key)
        return key

    def enabled(self, instance_id: str, key_id: str) -> bool:
        """Return whether any version of a key's secret is enabled."""
        return bool(self._enabled_versions(secret_name(instance_id, key_id)))

    def disable(self, instance_id: str, key_id: str) -> None:
        """Disable a key's secret. If it is absent, do nothing."""
        name = secret_name(instance_id, key_id)
        for version in self._enabled_versions(name):
            self._secrets.update_secret_properties(name, version, enabled=False)

    def _enabled_versions(self, name: str) -> list[str]:
        """Return all enabled versions. There are two if an answer was lost and the write was repeated."""
        from azure.core.exceptions import ResourceNotFoundError

        try:
            versions = list(bounded(self._secrets.list_properties_of_secret_versions(name), target=name))
        except ResourceNotFoundError:
            return []
        return [str(each.version) for each in versions if each.enabled]
