"""What a Key Vault knows of its keys, and what it does with them. Pure, but keys are random. The clock is given.

Faithful: RSA (2048, 3072, 4096) and EC (P-256, P-384, P-521) keys that never leave the vault; the operations are the
real ones of `cryptography`; `key_ops` enforced; a disabled key does nothing; a key that has expired or is not valid yet
still decrypts, unwraps and verifies, and does nothing else. GET shows a disabled key.
Left out and refused: HSM and symmetric keys, P-256K, RSA1_5, RSA-OAEP with SHA-1, RS256/384/512, import, rotation
policy, release, backup; exportable keys, which no vault of this tier has.

Sources: learn rest/api/keyvault/keys, key-vault/keys/about-keys-details ("date-time controlled operations"); codes and
messages as recorded by the SDKs' tests and their TROUBLESHOOTING.md.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from typing import TypeAlias

from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec, padding, rsa, utils

from lab.key_vault.objects import Attributes, VaultObject, VaultObjects, VaultRefusedError, Version, bad_parameter

PrivateKey: TypeAlias = rsa.RSAPrivateKey | ec.EllipticCurvePrivateKey

RSA_SIZES = (2048, 3072, 4096)
CURVES: Mapping[str, type[ec.EllipticCurve]] = {"P-256": ec.SECP256R1, "P-384": ec.SECP384R1, "P-521": ec.SECP521R1}
PUBLIC_EXPONENT = 65537
OPERATIONS: Mapping[str, tuple[str, ...]] = {
    "RSA": ("encrypt", "decrypt", "sign", "verify", "wrapKey", "unwrapKey"),
    "EC": ("sign", "verify"),
}
# What a key may still do before its first and after its last second.
UNTIMED_OPERATIONS = ("decrypt", "unwrapKey", "verify")

HASHES: Mapping[str, type[hashes.SHA256] | type[hashes.SHA384] | type[hashes.SHA512]] = {
    "256": hashes.SHA256,
    "384": hashes.SHA384,
    "512": hashes.SHA512,
}
# ES512's curve is P-521 (RFC 7518, 3.4).
SIGNING_CURVES = {"ES256": "P-256", "ES384": "P-384", "ES512": "P-521"}
SIGNING_ALGORITHMS = (*SIGNING_CURVES, "PS256", "PS384", "PS512")
WRAPPING_ALGORITHM = "RSA-OAEP-256"
OAEP = padding.OAEP(mgf=padding.MGF1(hashes.SHA256()), algorithm=hashes.SHA256(), label=None)


@dataclass(frozen=True, slots=True, kw_only=True)
class Key:
    """What a version of a key holds."""

    private: PrivateKey = field(repr=False)
    operations: tuple[str, ...]
    managed: bool = False  # it is a certificate's
    exportable: bool = False

    @property
    def kind(self) -> str:
        """JWK's `kty`."""
        return "RSA" if isinstance(self.private, rsa.RSAPrivateKey) else "EC"

    @property
    def curve(self) -> str:
        """JWK's `crv`; "" for an RSA key."""
        if isinstance(self.private, rsa.RSAPrivateKey):
            return ""
        return next(name for name, curve in CURVES.items() if isinstance(self.private.curve, curve))

    def public_numbers(self) -> dict[str, bytes]:
        """Return the public members of the JWK, each big-endian (RFC 7518, 6.2.1 and 6.3.1)."""
        if isinstance(self.private, rsa.RSAPrivateKey):
            public = self.private.public_key().public_numbers()
            return {"n": _unsigned(public.n), "e": _unsigned(public.e)}
        point = self.private.public_key().public_numbers()
        size = (self.private.key_size + 7) // 8
        return {"x": point.x.to_bytes(size, "big"), "y": point.y.to_bytes(size, "big")}


@dataclass(frozen=True, slots=True, kw_only=True)
class KeyPlan:
    """A key to be made: `size` in bits for RSA, `curve` for EC."""

    size: int = 0
    curve: str = ""
    operations: tuple[str, ...]

    def make(self) -> Key:
        """Make the key; an RSA key takes a fraction of a second."""
        private: PrivateKey
        if self.curve:
            private = ec.generate_private_key(CURVES[self.curve]())
        else:
            private = rsa.generate_private_key(public_exponent=PUBLIC_EXPONENT, key_size=self.size)
        return Key(private=private, operations=self.operations)


def key_plan(*, kind: object, size: object, curve: object, operations: object) -> KeyPlan:
    """Return the key that a request asks for (None: not given); 400 if the vault makes no such key."""
    if not isinstance(kind, str) or kind not in OPERATIONS:
        raise bad_parameter(f"Invalid kty value: {kind}. This vault makes {', '.join(OPERATIONS)}.")
    allowed = checked_operations(operations, kind=kind)
    if kind == "EC":
        if size is not None or (curve is not None and curve not in CURVES):
            raise bad_parameter(f"An EC key takes crv, one of {', '.join(CURVES)}, and no key_size.")
        return KeyPlan(curve=str(curve or "P-256"), operations=allowed)
    bits = RSA_SIZES[0] if size is None else size
    if curve is not None or not isinstance(bits, int) or bits not in RSA_SIZES:
        raise bad_parameter(f"An RSA key takes key_size, one of {RSA_SIZES}, and no crv.")
    return KeyPlan(size=bits, operations=allowed)


def checked_operations(operations: object, *, kind: str) -> tuple[str, ...]:
    """Return the `key_ops` of a key of that kind (None: all that it can); 400 if it cannot do one."""
    if operations is None:
        return OPERATIONS[kind]
    if not isinstance(operations, list) or not all(one in OPERATIONS[kind] for one in operations):
        raise bad_parameter(f"Invalid key_ops value: {operations}. A key of type {kind} takes {OPERATIONS[kind]}.")
    return tuple(dict.fromkeys(operations))


class Keys(VaultObjects[Key]):
    """The keys of one vault."""

    def change(
        self,
        name: str,
        version_id: str,
        *,
        operations: object,
        tags: Mapping[str, str] | None,
        attributes: Attributes,
    ) -> tuple[VaultObject[Key], Version[Key]]:
        """Change the given values of a version. None: no change."""

        def changed(key: Key) -> Key:
            if operations is None:
                return key
            return replace(key, operations=checked_operations(operations, kind=key.kind))

        return self.update(name, version_id, change=changed, tags=tags, attributes=attributes)

    def usable(self, name: str, version_id: str, operation: str) -> tuple[VaultObject[Key], Version[Key]]:
        """Return a version that may do `operation` (as in `key_ops`) now; 403 if it may not."""
        found, version = self.find(name, version_id)
        attributes, now = version.attributes, self._now()
        if not attributes.enabled:
            raise _forbidden(f"Operation {operation} is not allowed on a disabled key.", "KeyDisabled")
        if operation not in UNTIMED_OPERATIONS:
            if attributes.not_before is not None and now < attributes.not_before:
                raise _forbidden(f"Operation {operation} is not allowed on a not yet valid key.", "KeyNotYetValid")
            if attributes.expires is not None and now >= attributes.expires:
                raise _forbidden(f"Operation {operation} is not allowed on an expired key.", "KeyExpired")
        if operation not in version.content.operations:
            raise _forbidden(f"Operation {operation} is not permitted on this key.", "KeyOperationForbidden")
        return found, version


def wrap(key: Key, algorithm: str, data: bytes) -> bytes:
    """Encrypt `data` to the public key."""
    private = _wrapping_key(key, algorithm)
    try:
        return private.public_key().encrypt(data, OAEP)
    except ValueError as error:
        raise bad_parameter(f"The parameter is incorrect: {len(data)} bytes are too many for this key.") from error


def unwrap(key: Key, algorithm: str, data: bytes) -> bytes:
    """Decrypt what was encrypted to the public key; 400 for anything else."""
    private = _wrapping_key(key, algorithm)
    try:
        return private.decrypt(data, OAEP)
    except ValueError as error:
        raise bad_parameter("The parameter is incorrect.") from error


def sign(key: Key, algorithm: str, digest: bytes) -> bytes:
    """Sign a digest that the client has made. An ES* signature is r||s of fixed length (RFC 7518, 3.4)."""
    _check_signing(key, algorithm, digest)
    hashed = utils.Prehashed(_hash(algorithm))
    if isinstance(key.private, rsa.RSAPrivateKey):
        return key.private.sign(digest, _pss(algorithm), hashed)
    size = (key.private.key_size + 7) // 8
    r, s = utils.decode_dss_signature(key.private.sign(digest, ec.ECDSA(hashed)))
    return r.to_bytes(size, "big") + s.to_bytes(size, "big")


def verify(key: Key, algorithm: str, digest: bytes, signature: bytes) -> bool:
    """Tell whether `signature` is this key's over `digest`."""
    _check_signing(key, algorithm, digest)
    hashed = utils.Prehashed(_hash(algorithm))
    try:
        if isinstance(key.private, rsa.RSAPrivateKey):
            key.private.public_key().verify(signature, digest, _pss(algorithm), hashed)
        else:
            half = (key.private.key_size + 7) // 8
            if len(signature) != 2 * half:
                return False
            r, s = (int.from_bytes(part, "big") for part in (signature[:half], signature[half:]))
            key.private.public_key().verify(utils.encode_dss_signature(r, s), digest, ec.ECDSA(hashed))
    except InvalidSignature:
        return False
    return True


# Operation of `key_ops` -> what carries it out, given key, algorithm and value.
TRANSFORMS: Mapping[str, Callable[[Key, str, bytes], bytes]] = {
    "encrypt": wrap,
    "decrypt": unwrap,
    "wrapKey": wrap,
    "unwrapKey": unwrap,
    "sign": sign,
}


def _wrapping_key(key: Key, algorithm: str) -> rsa.RSAPrivateKey:
    if algorithm != WRAPPING_ALGORITHM:
        raise bad_parameter(f"Invalid alg value: {algorithm}. This vault takes {WRAPPING_ALGORITHM}.")
    if not isinstance(key.private, rsa.RSAPrivateKey):
        raise bad_parameter(f"Key and encryption algorithm are incompatible: {algorithm} takes a key of type RSA.")
    return key.private


def _check_signing(key: Key, algorithm: str, digest: bytes) -> None:
    if algorithm not in SIGNING_ALGORITHMS:
        raise bad_parameter(f"Invalid alg value: {algorithm}. This vault takes {', '.join(SIGNING_ALGORITHMS)}.")
    if key.curve != SIGNING_CURVES.get(algorithm, ""):
        wanted = f"EC with curve {SIGNING_CURVES[algorithm]}" if algorithm in SIGNING_CURVES else "RSA"
        raise bad_parameter(f"Key and signing algorithm are incompatible: {algorithm} takes a key of type {wanted}.")
    size = _hash(algorithm).digest_size
    if len(digest) != size:
        message = f"Invalid length of 'value': {len(digest)} bytes. {algorithm} requires {size} bytes, encoded with"
        raise bad_parameter(f"{message} base64url.")


def _hash(algorithm: str) -> hashes.SHA256 | hashes.SHA384 | hashes.SHA512:
    return HASHES[algorithm[2:]]()


def _pss(algorithm: str) -> padding.PSS:
    """Return PS256/384/512's padding (RFC 7518, 3.5: the salt is as long as the hash)."""
    return padding.PSS(mgf=padding.MGF1(_hash(algorithm)), salt_length=_hash(algorithm).digest_size)


def _unsigned(number: int) -> bytes:
    return number.to_bytes((number.bit_length() + 7) // 8, "big")


def _forbidden(message: str, inner: str) -> VaultRefusedError:
    return VaultRefusedError(403, "Forbidden", message, inner)
