"""The key that authenticates the blobs in a spool. A person who may only write blobs cannot make it.

It is derived (HKDF, RFC 5869) from the password in secret `publisher-acr-token`. Every runbook may read that secret, it
exists before the first runbook runs, and no new role is needed. Each blob names the version of the secret that its key
comes from. So after a rotation the waiting blobs stay readable as long as that version is enabled.
"""

import hashlib
import hmac
import re
from collections.abc import Callable
from typing import TYPE_CHECKING, TypeVar

from runbook_lib.azure.clients import AzureClients
from runbook_lib.basics.clock import Clock
from runbook_lib.basics.redaction import Redactor
from runbook_lib.errors import RunbookError, vault
from runbook_lib.network.listing import bounded
from runbook_lib.vault.publisher_token import SECRET, PublisherToken, parse_token
from runbook_lib.vault.secret_in_use import secret_in_use

if TYPE_CHECKING:
    from azure.keyvault.secrets import KeyVaultSecret, SecretClient

# A version of a secret as Key Vault names it (learn.microsoft.com, about-keys-secrets-certificates).
VERSION = re.compile(r"[0-9a-f]{32}")
# A rotation leaves two versions enabled. This limit prevents that somebody makes the suite read many.
MAX_VERSIONS = 10
# After the vault has failed, a run does not ask it for this time. Otherwise each flush of the log would wait for it.
FAILED_SECONDS = 60.0
_SALT = b"vibedata spool 1"

_K = TypeVar("_K")


class SpoolKey:
    """The key of one version of the secret."""

    __slots__ = ("_key", "version")

    def __init__(self, version: str, password: str) -> None:
        self.version = version
        self._key = hmac.digest(_SALT, password.encode(), "sha256")

    def mac(self, container: str, what: str) -> str:
        """Return the code, in hex, that proves that the suite wrote `what` for a container."""
        # HKDF's expansion to one block: each container has a key of its own.
        key = hmac.digest(self._key, container.encode() + b"\x01", "sha256")
        return hmac.new(key, what.encode("utf-8", "surrogatepass"), hashlib.sha256).hexdigest()

    def proves(self, mac: str, container: str, what: str) -> bool:
        """Return whether `mac` is the code of `what`."""
        return hmac.compare_digest(self.mac(container, what).encode(), mac.encode("utf-8", "surrogatepass"))


class SpoolKeys:
    """The keys of one run. Each is read from the vault once, at its first use. Many threads may use it.

    `secrets` returns the client of the customer's vault. Raises RunbookError VD-VAULT-001, VD-VAULT-002, and
    azure.core's errors.
    """

    def __init__(self, *, secrets: "Callable[[], SecretClient]", redactor: Redactor, clock: Clock) -> None:
        self._secrets = secrets
        self._redactor = redactor
        self._clock = clock
        self._known: dict[str, SpoolKey | None] = {}
        self._newest: SpoolKey | None = None
        self._enabled: frozenset[str] | None = None
        self._failure: tuple[float, Exception] | None = None

    def remember(self, token: PublisherToken) -> None:
        """Keep the key of a token that the run has read anyway. So the spool works even if the vault fails later."""
        if VERSION.fullmatch(token.version):
            self._newest = self._known[token.version] = SpoolKey(token.version, token.password)

    def newest(self) -> SpoolKey:
        """Return the key in use."""
        if self._newest is None:
            self._newest = self._asked(self._read_newest)
        return self._newest

    def of_version(self, version: str) -> SpoolKey | None:
        """Return the key of a version; None if the vault has no such version, or it is disabled."""
        newest = self.newest()
        if version == newest.version:
            return newest
        if version not in self._known:
            self._known[version] = self._asked(lambda: self._read(version))
        return self._known[version]

    def _asked(self, read: Callable[[], _K]) -> _K:
        if self._failure is not None and self._clock.monotonic() < self._failure[0]:
            raise self._failure[1]
        try:
            return read()
        except Exception as error:
            self._failure = (self._clock.monotonic() + FAILED_SECONDS, error)
            raise

    def _read_newest(self) -> SpoolKey:
        found = secret_in_use(self._secrets(), SECRET)
        if found is None:
            raise vault.SECRET_MISSING.error(target=SECRET)
        return self._key_of(found)

    def _read(self, version: str) -> SpoolKey | None:
        if self._enabled is None:
            versions = [
                each
                for each in bounded(self._secrets().list_properties_of_secret_versions(SECRET), target=SECRET)
                if each.enabled
            ]
            versions.sort(key=lambda each: (each.created_on is not None, each.created_on), reverse=True)
            self._enabled = frozenset(str(each.version) for each in versions[:MAX_VERSIONS])
        if version not in self._enabled:
            return None
        try:
            return self._key_of(self._secrets().get_secret(SECRET, version))
        except RunbookError:
            return None  # somebody wrote this version, and it is not a token: it never authenticated a blob

    def _key_of(self, secret: "KeyVaultSecret") -> SpoolKey:
        token = parse_token(secret.value or "", self._redactor)
        return SpoolKey(str(secret.properties.version), token.password)


def spool_keys(clients: AzureClients, redactor: Redactor, clock: Clock) -> SpoolKeys:
    """Return the keys of the run that has these clients. Both spools share one object."""
    return clients.shared(
        "spool keys", lambda: SpoolKeys(secrets=lambda: clients.secrets, redactor=redactor, clock=clock)
    )
