"""What a Key Vault knows of its secrets: versions, attributes, and soft deletion. Pure; the clock is given.

Source: learn rest/api/keyvault/secrets and key-vault/general/soft-delete-overview, about-secrets ("names are
case-insensitive", 25 KB a value); codes and messages as recorded by the SDKs' tests.
"""

import re
import uuid
from collections.abc import Mapping
from dataclasses import dataclass, field, replace

NAME = re.compile(r"[0-9a-zA-Z-]{1,127}")
MAX_VALUE_BYTES = 25 * 1024
MAX_TAGS = 15
MAX_TAG_CHARACTERS = 256
RECOVERABLE_DAYS = 90


class VaultRefusedError(Exception):
    """What the vault answers with an error: HTTP status, code, message, and an inner code ("" if none)."""

    def __init__(self, status: int, code: str, message: str, inner: str = "") -> None:
        """Keep the parts."""
        super().__init__(message)
        self.status = status
        self.code = code
        self.inner = inner


@dataclass(frozen=True, slots=True, kw_only=True)
class Attributes:
    """What a client sets of a version; None: not set. Times in whole epoch seconds."""

    enabled: bool | None = None
    not_before: int | None = None
    expires: int | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Version:
    """One version of a secret."""

    id: str  # 32 hexadecimal digits
    value: str
    content_type: str | None
    tags: Mapping[str, str]
    attributes: Attributes
    created: int
    updated: int


@dataclass(slots=True, kw_only=True)
class Secret:
    """A secret: its versions, the oldest first."""

    name: str  # as first written
    versions: list[Version] = field(default_factory=list)
    deleted: int | None = None  # when; None: it is not


class Vault:
    """The secrets of one vault, soft deletion on, purge protection off."""

    def __init__(self) -> None:
        """Start empty."""
        self._secrets: dict[str, Secret] = {}

    def clear(self) -> None:
        """Forget every secret."""
        self._secrets.clear()

    def set(
        self,
        name: str,
        *,
        value: str,
        content_type: str | None,
        tags: Mapping[str, str],
        attributes: Attributes,
        now: int,
    ) -> tuple[Secret, Version]:
        """Add a version; 409 if a deleted secret has the name."""
        if NAME.fullmatch(name) is None:
            raise _bad(f"The request URI contains an invalid name: {name}")
        if len(value.encode()) > MAX_VALUE_BYTES:
            raise _bad(f"Secret value size exceeds the limit of {MAX_VALUE_BYTES} bytes.")
        _check_tags(tags)
        secret = self._secrets.setdefault(name.lower(), Secret(name=name))
        if secret.deleted is not None:
            message = (
                f"Secret {name} is currently in a deleted but recoverable state, and its name cannot be reused; "
                "in this state, the secret can only be recovered or purged."
            )
            raise VaultRefusedError(409, "Conflict", message, "ObjectIsDeletedButRecoverable")
        enabled = True if attributes.enabled is None else attributes.enabled
        version = Version(
            id=uuid.uuid4().hex,
            value=value,
            content_type=content_type,
            tags=dict(tags),
            attributes=replace(attributes, enabled=enabled),
            created=now,
            updated=now,
        )
        secret.versions.append(version)
        return secret, version

    def get(self, name: str, version_id: str = "") -> tuple[Secret, Version]:
        """Return a version ("": the latest); 404 if there is none, 403 if it is disabled.

        A version that has expired or is not valid yet is returned.
        """
        secret, version = self._find(name, version_id)
        if not version.attributes.enabled:
            message = "Operation get is not allowed on a disabled secret."
            raise VaultRefusedError(403, "Forbidden", message, "SecretDisabled")
        return secret, version

    def update(
        self,
        name: str,
        version_id: str,
        *,
        content_type: str | None,
        tags: Mapping[str, str] | None,
        attributes: Attributes,
        now: int,
    ) -> tuple[Secret, Version]:
        """Change what is given (None: left as it is) of a version; also of a disabled one."""
        if tags is not None:
            _check_tags(tags)
        secret, old = self._find(name, version_id)
        was = old.attributes
        new = replace(
            old,
            content_type=old.content_type if content_type is None else content_type,
            tags=old.tags if tags is None else dict(tags),
            attributes=Attributes(
                enabled=was.enabled if attributes.enabled is None else attributes.enabled,
                not_before=was.not_before if attributes.not_before is None else attributes.not_before,
                expires=was.expires if attributes.expires is None else attributes.expires,
            ),
            updated=now,
        )
        secret.versions[secret.versions.index(old)] = new
        return secret, new

    def versions(self, name: str) -> tuple[Secret, list[Version]]:
        """Return a secret's versions by id, as the service lists them; 404 if there is no such secret."""
        secret, _ = self._find(name, "")
        return secret, sorted(secret.versions, key=lambda version: version.id)

    def listed(self, *, deleted: bool) -> list[Secret]:
        """Return the secrets that are there, or the deleted ones, by name."""
        found = [secret for secret in self._secrets.values() if (secret.deleted is not None) == deleted]
        return sorted(found, key=lambda secret: secret.name.lower())

    def delete(self, name: str, *, now: int) -> Secret:
        """Delete softly, with all versions."""
        secret, _ = self._find(name, "")
        secret.deleted = now
        return secret

    def deleted(self, name: str) -> Secret:
        """Return a deleted secret; 404 if there is none."""
        secret = self._secrets.get(name.lower())
        if secret is None or secret.deleted is None:
            raise _not_found(name)
        return secret

    def recover(self, name: str) -> Secret:
        """Undo a deletion."""
        secret = self.deleted(name)
        secret.deleted = None
        return secret

    def purge(self, name: str) -> None:
        """Delete a deleted secret for good."""
        del self._secrets[self.deleted(name).name.lower()]

    def _find(self, name: str, version_id: str) -> tuple[Secret, Version]:
        secret = self._secrets.get(name.lower())
        if secret is None or secret.deleted is not None:
            raise _not_found(name)
        if not version_id:
            return secret, secret.versions[-1]
        version = next((version for version in secret.versions if version.id == version_id), None)
        if version is None:
            raise _not_found(f"{name}/{version_id}")
        return secret, version


def _check_tags(tags: Mapping[str, str]) -> None:
    if len(tags) > MAX_TAGS or any(len(text) > MAX_TAG_CHARACTERS for pair in tags.items() for text in pair):
        raise _bad(f"A secret takes at most {MAX_TAGS} tags of at most {MAX_TAG_CHARACTERS} characters.")


def _bad(message: str) -> VaultRefusedError:
    return VaultRefusedError(400, "BadParameter", message)


def _not_found(name: str) -> VaultRefusedError:
    message = (
        f"A secret with (name/id) {name} was not found in this key vault. If you recently deleted this secret you may "
        "be able to recover it using the correct recovery command. For help resolving this issue, please see "
        "https://go.microsoft.com/fwlink/?linkid=2125182"
    )
    return VaultRefusedError(404, "SecretNotFound", message)
