"""The customer's Key Vault for a rotation: the wrapping key, and the two secrets of a credential.

After every write this reads until the vault shows it, for a limited time, so that the next phase and the next reader
find it. Nothing is deleted here. Only three places read a secret's value: the test, the promotion, and the code that
uses the credential.
"""

from collections.abc import Callable, Mapping
from datetime import datetime
from typing import TYPE_CHECKING

from runbook_lib.basics import base64url
from runbook_lib.basics.clock import Clock, rfc3339
from runbook_lib.errors import rotation
from runbook_lib.network.failures import service_codes
from runbook_lib.network.listing import bounded
from runbook_lib.rotation.kinds import SecretVersion, VaultObject
from runbook_lib.rotation.secret_versions import read_versions, version_of
from runbook_lib.rotation.versions import (
    DELIVERY_TAG,
    ROTATION_TAG,
    TESTED_TAG,
    USABLE,
    WRAPPING_KEY,
    Secret,
    VaultFacts,
    Version,
    WrappingKey,
    pending_name,
)
from runbook_lib.vault.secret_in_use import WRITTEN_TAG, is_disabled

if TYPE_CHECKING:
    from azure.keyvault.keys import JsonWebKey, KeyVaultKey

    from runbook_lib.azure.clients import AzureClients

WRAPPING_BITS = 3072
WRAPPING_OPERATIONS = ("unwrapKey", "wrapKey")
# How long a write may take to show, and how often this looks. Key Vault does not document it: a minute is long.
VISIBLE_SECONDS = 60.0
LOOK_SECONDS = 1.0


class CredentialVault:
    """The wrapping key and one credential's secrets.

    `secret` is the current secret's name. `id_tag` is the tag with a credential's id. Raises azure.core's errors if the
    vault cannot be reached, fails, throttles, or refuses the identity.
    """

    def __init__(self, *, clients: "AzureClients", clock: Clock, secret: str, id_tag: str) -> None:
        self._clients = clients
        self._clock = clock
        self._secret = secret
        self._pending = pending_name(secret)
        self._id_tag = id_tag
        # The wrapping key as this run read it last, "" and empty if the key cannot wrap.
        self.public_version = ""
        self.public_key: Mapping[str, str] = {}

    def seen(self, key_version: str) -> VaultFacts:
        """Return the vault's state. `key_version` names a version of the wrapping key to read, too, "" for none."""
        newest, deleted = self.wrapping_key()
        named = None
        if key_version and not deleted:
            known = newest is not None and newest.version == key_version
            named = newest if known else self._key_of_version(key_version)
        return VaultFacts(
            current=self.secret(self._secret),
            pending=self.secret(self._pending),
            newest_key=newest,
            named_key=named,
            key_deleted=deleted,
        )

    def secret(self, name: str) -> Secret:
        """Return a secret's versions without their values."""
        from azure.core.exceptions import ResourceNotFoundError

        found = read_versions(self._clients.secrets, name, id_tag=self._id_tag)
        if found:
            return Secret(versions=found)
        try:
            deleted = self._clients.secrets.get_deleted_secret(name)
        except ResourceNotFoundError:
            return Secret()
        return Secret(versions=(version_of(deleted.properties, id_tag=self._id_tag),), deleted=True)

    def wrapping_key(self) -> tuple[WrappingKey | None, bool]:
        """Return the wrapping key's newest version, and whether the key is deleted; keep its public part."""
        from azure.core.exceptions import ResourceNotFoundError

        try:
            key, deleted = self._clients.keys.get_key(WRAPPING_KEY), False
        except ResourceNotFoundError:
            try:
                key, deleted = self._clients.keys.get_deleted_key(WRAPPING_KEY), True
            except ResourceNotFoundError:
                return None, False
        found = _wrapping_key(key)
        usable = found.usable and not deleted
        self.public_version, self.public_key = (found.version, _jwk(key.key)) if usable else ("", {})
        return found, deleted

    def _key_of_version(self, version: str) -> WrappingKey | None:
        from azure.core.exceptions import ResourceNotFoundError

        try:
            return _wrapping_key(self._clients.keys.get_key(WRAPPING_KEY, version))
        except ResourceNotFoundError:
            return None

    def create_wrapping_key(self) -> None:
        """Make the key, or a new version of it. It never leaves the vault."""
        self._clients.keys.create_rsa_key(
            WRAPPING_KEY, size=WRAPPING_BITS, key_operations=list(WRAPPING_OPERATIONS), exportable=False
        )
        self._until(self._key_is_usable)

    def recover(self, deleted: VaultObject) -> None:
        """Undo a deletion.

        The SDK's poller has no deadline: it never ends if somebody deletes the object again. `_until` has one.
        """
        if deleted.kind == "key":
            self._clients.keys.begin_recover_deleted_key(deleted.name)
        else:
            self._clients.secrets.begin_recover_deleted_secret(deleted.name)
        self._until(lambda: not self.is_deleted(deleted))

    def is_deleted(self, one: VaultObject) -> bool:
        """Return whether the key or secret is deleted and can be recovered."""
        return self.wrapping_key()[1] if one.kind == "key" else self.secret(one.name).deleted

    def unwrap(self, version: str, wrapped: bytes) -> bytes:
        """Let the vault unwrap bytes with a version of the wrapping key, and return the result.

        Raises RunbookError VD-ROTATION-004 (the version cannot be used), -005 (the vault does not unwrap it).
        """
        from azure.core.exceptions import HttpResponseError, ResourceNotFoundError
        from azure.keyvault.keys.crypto import KeyWrapAlgorithm

        target = f"{WRAPPING_KEY}/{version}"
        client = self._clients.cryptography(WRAPPING_KEY, version)
        try:
            # This changes nothing in the vault, so it may be sent again.
            return client.unwrap_key(KeyWrapAlgorithm.rsa_oaep_256, wrapped, repeatable=True).key
        except ResourceNotFoundError as error:
            raise rotation.WRAPPING_KEY_UNUSABLE.error("there is no such version", target=target) from error
        except HttpResponseError as error:
            if error.status_code == 403 and "KeyDisabled" in service_codes(error):
                raise rotation.WRAPPING_KEY_UNUSABLE.error("it is disabled", target=target) from error
            if error.status_code == 400:
                raise rotation.CREDENTIAL_NOT_UNWRAPPED.error(target=target) from error
            raise

    def stage(self, value: str, wanted: Version, *, content_type: str) -> None:
        """Store a credential as pending. `wanted` has the properties of the new version."""
        self._set(self._pending, value, wanted, content_type=content_type)

    def promote(self, value: str, wanted: Version, *, content_type: str) -> None:
        """Store a credential as the current one. It is one write, so readers see all of it or nothing."""
        self._set(self._secret, value, wanted, content_type=content_type)

    def secrets(self) -> tuple[Secret, Secret]:
        """Return the current secret's versions and the pending one's, as they are now."""
        return self.secret(self._secret), self.secret(self._pending)

    def pending_value(self, version: Version) -> str:
        """Return the value of one pending version by its name. Anybody may have staged the newest one.

        Raises RunbookError VD-ROTATION-001 if it is gone, or was disabled.
        """
        from azure.core.exceptions import HttpResponseError, ResourceNotFoundError

        try:
            return self._clients.secrets.get_secret(self._pending, version.version).value or ""
        except ResourceNotFoundError as error:
            raise rotation.PHASE_TOO_EARLY.error("it is gone; phase stage comes first", target=self._pending) from error
        except HttpResponseError as error:
            if is_disabled(error):
                raise rotation.PHASE_TOO_EARLY.error("it was disabled; stage it again", target=self._pending) from error
            raise

    def mark_tested(self, version: Version) -> None:
        """Note in a pending version that it was tested. Its other tags stay."""
        listed = bounded(self._clients.secrets.list_properties_of_secret_versions(self._pending), target=self._pending)
        kept = next((each.tags for each in listed if each.version == version.version), None) or {}
        # The vault replaces all tags.
        tags = {**kept, TESTED_TAG: rfc3339(self._clock.now())}
        self._clients.secrets.update_secret_properties(self._pending, version.version, tags=tags)
        self._until(lambda: any(each.tested for each in self._same(self._pending, version)))

    def disable(self, unused: SecretVersion) -> None:
        """Disable a version. Nobody can read it then, but somebody can enable it again."""
        self._clients.secrets.update_secret_properties(unused.secret, unused.version.version, enabled=False)
        self._until(lambda: self.is_enabled(unused) is not True)

    def is_enabled(self, one: SecretVersion) -> bool | None:
        """Return whether a version is enabled, None if it is not there."""
        found = self._same(one.secret, one.version)
        return found[0].enabled if found else None

    def _set(self, name: str, value: str, wanted: Version, *, content_type: str) -> None:
        made = self._clients.secrets.set_secret(
            name,
            value,
            tags=self._tags(wanted),
            content_type=content_type,
            expires_on=wanted.expires,
            repeatable=False,  # runbook_lib.network.sdk_retry: each PUT makes a version
        )
        self._until(lambda: any(each.version == made.properties.version for each in self.secret(name).versions))

    def _same(self, name: str, version: Version) -> list[Version]:
        return [each for each in self.secret(name).versions if each.version == version.version]

    def _key_is_usable(self) -> bool:
        key, deleted = self.wrapping_key()
        return key is not None and key.usable and not deleted

    def _until(self, shows: Callable[[], bool]) -> None:
        """Wait until the vault shows a write. If it takes too long, the engine's own read finds that out."""
        deadline = self._clock.monotonic() + VISIBLE_SECONDS
        while not shows() and self._clock.monotonic() < deadline:
            self._clock.sleep(LOOK_SECONDS)

    def _tags(self, version: Version) -> dict[str, str]:
        tags = {
            self._id_tag: version.credential_id,
            ROTATION_TAG: version.rotation_id,
            DELIVERY_TAG: version.delivery,
            TESTED_TAG: version.tested,
            WRITTEN_TAG: version.written,
        }
        return {name: value for name, value in tags.items() if value}


def new_version(
    credential_id: str, rotation_id: str, *, delivery: str, now: datetime, expires: datetime | None
) -> Version:
    """Return the properties of a version that is written now. `expires` is aware, None for never."""
    return Version(
        version="",
        enabled=True,
        created=now,
        credential_id=credential_id,
        rotation_id=rotation_id,
        delivery=delivery,
        written=rfc3339(now),
        expires=expires,
    )


def _wrapping_key(key: "KeyVaultKey") -> WrappingKey:
    bits = int.from_bytes(getattr(key.key, "n", None) or b"", "big").bit_length()
    operations = sorted(str(getattr(each, "value", each)) for each in key.key_operations or ())
    kind = str(getattr(key.key_type, "value", key.key_type))
    enabled = bool(key.properties.enabled)
    shown = f"{kind}-{bits} for {' and '.join(reversed(operations))}, {'enabled' if enabled else 'disabled'}"
    usable = (kind, bits, tuple(operations), enabled) == ("RSA", WRAPPING_BITS, WRAPPING_OPERATIONS, True)
    return WrappingKey(version=key.properties.version or "", usable=usable, shown=USABLE if usable else shown)


def _jwk(key: "JsonWebKey") -> dict[str, str]:
    """Return the public key as JWK members (RFC 7518, 6.3.1)."""

    def text(number: bytes) -> str:
        return base64url.encode(number.lstrip(b"\0"))

    return {"kty": "RSA", "n": text(key.n), "e": text(key.e)}  # type: ignore[attr-defined]
