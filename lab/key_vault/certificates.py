"""The state of a Key Vault's certificates, in addition to lab/key_vault/objects.py; the clock is given.

A certificate has at most one pending operation at a time. The vault makes a key pair for each operation. The key leaves
the vault only in the secret of the merged certificate, and only if the policy allows it. Each version has a secret and
a key with the same name and version, which exist as long as the version.

Faithful: a CSR signed by the new key; 409 on a second operation while one is in progress; a disabled and empty
certificate before the first merge; a merge only for the operation's own key; enabled, tags and times of a version
passed on to its secret and key; soft deletion of all three together.
Chosen where no source says more (UNCONFIRMED): a cancellation stays requested, because nobody carries out an operation
of the issuer Unknown; before the first merge there is neither secret nor key; a deleted certificate has no operation;
the secret and the key of a certificate cannot be written or deleted alone; a certificate cannot take the name of a
secret or key that has no certificate. The messages of the last two refusals are the lab's own.

Sources: learn key-vault/certificates/create-certificate-scenarios (operations, their states and refusals),
create-certificate-signing-request (a chain for another key); answers as recorded by the SDKs' tests; azure-cli#1283.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace

from cryptography import x509
from cryptography.hazmat.primitives import serialization

from lab.key_vault.certificate_operation import COMPLETED, IN_PROGRESS, Operation
from lab.key_vault.certificate_policy import Policy
from lab.key_vault.certificate_secret import PublicKey, secret_text
from lab.key_vault.keys import OPERATIONS, Key, Keys, PrivateKey
from lab.key_vault.objects import (
    Attributes,
    VaultObject,
    VaultObjects,
    VaultOptions,
    VaultRefusedError,
    Version,
    bad_parameter,
)
from lab.key_vault.secrets import Secrets, SecretValue

OTHER_KEY = (
    "The public key of the end-entity certificate in the specified X.509 certificate content does not match the public "
    "part of the specified private key. Please check if certificate is valid."
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Certificate:
    """What a version holds: the chain in DER, the leaf first; () before its merge."""

    chain: tuple[bytes, ...] = ()
    private: PrivateKey | None = field(default=None, repr=False)


CertificateVersion = Version[Certificate]
Found = tuple[VaultObject[Certificate], CertificateVersion]


class Certificates(VaultObjects[Certificate]):
    """The certificates of one vault, with their policies and pending operations."""

    def __init__(
        self,
        *,
        now: Callable[[], float],
        lag: Callable[[], float],
        options: VaultOptions,
        secrets: Secrets,
        keys: Keys,
    ) -> None:
        """Start empty. `secrets` and `keys` are those of the vault. Each version has a secret and a key there."""
        super().__init__(kind="certificate", now=now, lag=lag, options=options)
        self._secrets = secrets
        self._keys = keys
        self._policies: dict[str, tuple[Policy, int, int]] = {}
        self._operations: dict[str, Operation] = {}

    def clear(self) -> None:
        """Forget everything."""
        super().clear()
        self._policies.clear()
        self._operations.clear()

    def keep(self) -> Callable[[], None]:
        """Keep every object with its policy and operation, and return a function that puts them back."""
        put_objects_back, policies, operations = super().keep(), dict(self._policies), dict(self._operations)

        def put_back() -> None:
            put_objects_back()
            self._policies, self._operations = dict(policies), dict(operations)

        return put_back

    def add(
        self, name: str, content: Certificate, *, tags: Mapping[str, str], attributes: Attributes, version_id: str = ""
    ) -> Found:
        """Add a version. A name that is free again begins without the policy of its former certificate."""
        if self._true(name) is None:
            self._policies.pop(name.lower(), None)
        return super().add(name, content, tags=tags, attributes=attributes, version_id=version_id)

    def require_free(self, name: str) -> None:
        """Refuse a new operation or import as `require_name` does.

        Refuse it with 409, too, if an operation is in progress, or if a secret or key of no certificate has the name,
        deleted or not.
        """
        self.require_name(name)
        self._secrets.require_name(name)
        self._keys.require_name(name)
        alone = self._secrets.newest(name) or self._keys.newest(name)
        if alone is not None and not alone.content.managed:
            raise VaultRefusedError(409, "Conflict", f"A secret or key with the name {name} already exists.")
        pending = self._operations.get(name.lower())
        if pending is not None and pending.status == IN_PROGRESS:
            message = (
                "A new key vault certificate can not be created or imported while a pending key vault certificate's "
                "status is inProgress."
            )
            raise VaultRefusedError(409, "Conflict", message)

    def key_again(self, name: str, policy: Policy) -> PrivateKey | None:
        """Return the key of the newest version if the policy wants to use it again; otherwise None."""
        found = self._true(name)
        if not policy.reuse_key or found is None:
            return None
        return found.versions[-1].content.private

    def begin(self, name: str, operation: Operation) -> None:
        """Start an operation. It replaces an operation that is no longer in progress."""
        self.require_free(name)
        self._check_tags(operation.tags)
        if self._true(name) is None:
            self.add(name, Certificate(), tags=operation.tags, attributes=Attributes(enabled=False))
        self._keep_policy(name, operation.policy)
        self._operations[name.lower()] = operation

    def operation(self, name: str, request_id: str = "") -> Operation:
        """Return the pending operation in any state; 404 if there is none, or if it has another id."""
        found = self._operations.get(name.lower())
        if found is None or (request_id and found.request_id != request_id):
            raise VaultRefusedError(404, "PendingCertificateNotFound", f"Pending certificate not found: {name}")
        return found

    def request_cancellation(self, name: str) -> Operation:
        """Ask for a cancellation; 400 if the operation is not in progress."""
        found = self.operation(name)
        if found.status != IN_PROGRESS:
            raise bad_parameter(f"The pending certificate's status is {found.status}, not {IN_PROGRESS}.")
        self._operations[name.lower()] = asked = replace(found, cancellation_requested=True)
        return asked

    def delete_operation(self, name: str) -> Operation:
        """Delete the operation, and with it the key that was made for it."""
        found = self.operation(name)
        del self._operations[name.lower()]
        return found

    def merge(
        self, name: str, chain: Sequence[bytes], *, tags: Mapping[str, str] | None, attributes: Attributes
    ) -> Found:
        """Complete the pending operation with the chain that somebody signed for its key."""
        pending = self.operation(name)
        if pending.status != IN_PROGRESS:
            raise bad_parameter(f"The pending certificate's status is {pending.status}, not {IN_PROGRESS}.")
        if not chain:
            raise bad_parameter("Property x5c has invalid value X5C must have at least one valid item.")
        leaf, *_ = (_certificate(der) for der in chain)
        if _public(leaf.public_key()) != _public(pending.private.public_key()):
            raise bad_parameter(OTHER_KEY)
        enabled = pending.attributes.enabled if attributes.enabled is None else attributes.enabled
        found = self.put(
            name,
            Certificate(chain=tuple(chain), private=pending.private),
            policy=pending.policy,
            tags=pending.tags if tags is None else tags,
            enabled=enabled,
            version_id=pending.version,
        )
        self._operations[name.lower()] = replace(pending, status=COMPLETED)
        return found

    def put(
        self,
        name: str,
        content: Certificate,
        *,
        policy: Policy,
        tags: Mapping[str, str],
        enabled: bool | None,
        version_id: str,
    ) -> Found:
        """Add a version with its secret and key. If the object was empty until now, this is its only version."""
        if content.private is None:
            raise ValueError("a version of a certificate needs a private key")
        leaf = x509.load_der_x509_certificate(content.chain[0])
        attributes = Attributes(
            enabled=True if enabled is None else enabled,
            not_before=int(leaf.not_valid_before_utc.timestamp()),
            expires=int(leaf.not_valid_after_utc.timestamp()),
        )
        found, version = self.add(name, content, tags=tags, attributes=attributes, version_id=version_id)
        if not found.versions[0].content.chain:
            found = replace(found, versions=(version,))
            self._write(name, found)
        self._keep_policy(name, policy)
        text = secret_text(content.chain, content.private, content_type=policy.content_type, key=policy.exportable)
        secret = SecretValue(value=text, content_type=policy.content_type, managed=True)
        self._secrets.add(name, secret, tags=tags, attributes=attributes, version_id=version_id)
        kind = Key(private=content.private, operations=()).kind
        key = Key(private=content.private, operations=OPERATIONS[kind], managed=True, exportable=policy.exportable)
        self._keys.add(name, key, tags=tags, attributes=attributes, version_id=version_id)
        return found, version

    def change(self, name: str, version_id: str, *, tags: Mapping[str, str] | None, attributes: Attributes) -> Found:
        """Change the given values of a version, and of its secret and key."""
        found, version = self.update(name, version_id, change=lambda same: same, tags=tags, attributes=attributes)
        if version.content.chain:
            self._secrets.update(name, version.id, change=lambda same: same, tags=tags, attributes=attributes)
            self._keys.update(name, version.id, change=lambda same: same, tags=tags, attributes=attributes)
        return found, version

    def versions(self, name: str) -> list[Found]:
        """Return the merged and imported versions by id, as the service lists them."""
        return [each for each in super().versions(name) if each[1].content.chain]

    def policy(self, name: str) -> tuple[Policy, int, int]:
        """Return a certificate's policy, and when it was made and changed; 404 if there is no such certificate."""
        self.find(name)
        return self._policies[name.lower()]

    def change_policy(self, name: str, policy: Policy) -> None:
        """Set the policy for later operations."""
        self.find(name)
        self._keep_policy(name, policy)

    def last_policy(self, name: str) -> tuple[Policy, int, int]:
        """Return the policy of a certificate that may be deleted."""
        return self._policies[name.lower()]

    def delete(self, name: str) -> VaultObject[Certificate]:
        """Delete a certificate softly, with its secret and key. Its operation ends."""
        gone = super().delete(name)
        self._operations.pop(name.lower(), None)
        if gone.versions[-1].content.chain:
            self._secrets.delete(name)
            self._keys.delete(name)
        return gone

    def recover(self, name: str) -> VaultObject[Certificate]:
        """Undo the deletion of a certificate, its secret and its key."""
        back = super().recover(name)
        if back.versions[-1].content.chain:
            self._secrets.recover(name)
            self._keys.recover(name)
        return back

    def purge(self, name: str) -> None:
        """Delete a certificate for good, with its secret and key; 403 under purge protection."""
        merged = bool(self._deleted(self._true(name), name).versions[-1].content.chain)
        super().purge(name)
        if merged:
            self._secrets.purge(name)
            self._keys.purge(name)

    def _keep_policy(self, name: str, policy: Policy) -> None:
        now = int(self._now())
        made = self._policies.get(name.lower(), (policy, now, now))[1]
        self._policies[name.lower()] = policy, made, now


def _certificate(der: bytes) -> x509.Certificate:
    try:
        return x509.load_der_x509_certificate(der)
    except ValueError as error:
        raise bad_parameter("ASN1 bad tag value met.") from error


def _public(key: PublicKey) -> bytes:
    return key.public_bytes(serialization.Encoding.DER, serialization.PublicFormat.SubjectPublicKeyInfo)
