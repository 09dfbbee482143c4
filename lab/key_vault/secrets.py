"""What a Key Vault knows of its secrets, beyond what lab/key_vault/objects.py keeps. Pure; the clock is given.

Source: learn rest/api/keyvault/secrets, about-secrets (25 KB a value); codes and messages as recorded by the SDKs'
tests.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field, replace

from lab.key_vault.objects import Attributes, VaultObject, VaultObjects, VaultRefusedError, Version, bad_parameter

MAX_VALUE_BYTES = 25 * 1024


@dataclass(frozen=True, slots=True, kw_only=True)
class SecretValue:
    """What a version of a secret holds."""

    value: str = field(repr=False)
    content_type: str | None = None
    managed: bool = False  # it is a certificate's


SecretVersion = Version[SecretValue]
Secret = VaultObject[SecretValue]


class Secrets(VaultObjects[SecretValue]):
    """The secrets of one vault."""

    def set(
        self, name: str, content: SecretValue, *, tags: Mapping[str, str], attributes: Attributes
    ) -> tuple[Secret, SecretVersion]:
        """Add a version as `add` does; 400 if the value is too long."""
        if len(content.value.encode()) > MAX_VALUE_BYTES:
            raise bad_parameter(f"Secret value size exceeds the limit of {MAX_VALUE_BYTES} bytes.")
        return self.add(name, content, tags=tags, attributes=attributes)

    def get(self, name: str, version_id: str = "") -> tuple[Secret, SecretVersion]:
        """Return a version ("": the latest); 404 if there is none, 403 if it is disabled.

        A version that has expired or is not valid yet is returned.
        """
        secret, version = self.find(name, version_id)
        if not version.attributes.enabled:
            message = "Operation get is not allowed on a disabled secret."
            raise VaultRefusedError(403, "Forbidden", message, "SecretDisabled")
        return secret, version

    def change(
        self,
        name: str,
        version_id: str,
        *,
        content_type: str | None,
        tags: Mapping[str, str] | None,
        attributes: Attributes,
    ) -> tuple[Secret, SecretVersion]:
        """Change the given parts of a version, but never its value."""

        def changed(content: SecretValue) -> SecretValue:
            return content if content_type is None else replace(content, content_type=content_type)

        return self.update(name, version_id, change=changed, tags=tags, attributes=attributes)
