"""The certificates of a signing key, leaf to root, held to the Notary Project's rules before anything is signed.

Source: notaryproject/specifications, signature-specification.md, "Algorithm Selection" and "Certificate Requirements":
they hold at signing as at verification, so that nobody signs what every customer would refuse. What those name no rule
for (other extensions) is not looked at.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from itertools import pairwise
from typing import TypeVar

from cryptography import x509
from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec, padding, rsa
from cryptography.hazmat.primitives.asymmetric.utils import Prehashed, encode_dss_signature
from cryptography.x509.oid import ExtendedKeyUsageOID as Usage

from runbook_lib.errors import RunbookError

# The leaf's key alone says which algorithm signs: bits of the key to the JWS algorithm.
EC_ALGORITHMS = {256: "ES256", 384: "ES384", 521: "ES512"}
RSA_ALGORITHMS = {2048: "PS256", 3072: "PS384", 4096: "PS512"}
_HASHES: dict[str, hashes.HashAlgorithm] = {"256": hashes.SHA256(), "384": hashes.SHA384(), "512": hashes.SHA512()}
_FORBIDDEN_USAGES = frozenset(
    (Usage.ANY_EXTENDED_KEY_USAGE, Usage.SERVER_AUTH, Usage.CLIENT_AUTH, Usage.EMAIL_PROTECTION, Usage.TIME_STAMPING)
)
E = TypeVar("E", bound=x509.ExtensionType)
_REFUSED_KEY_USAGES = ("key_encipherment", "data_encipherment", "key_agreement", "key_cert_sign", "crl_sign")


@dataclass(frozen=True, slots=True, kw_only=True)
class SigningChain:
    """A leaf, the certificates between, and the self-signed root. algorithm: of the leaf's key, as JWS names it."""

    certificates: tuple[x509.Certificate, ...]
    algorithm: str

    @property
    def leaf(self) -> x509.Certificate:
        """The certificate of the key that signs."""
        return self.certificates[0]

    @property
    def hash(self) -> hashes.HashAlgorithm:
        """The hash that the algorithm signs."""
        return _HASHES[self.algorithm[2:]]

    @property
    def valid_until(self) -> datetime:
        """When the first of the certificates ends, and with it what they signed."""
        return min(certificate.not_valid_after_utc for certificate in self.certificates)


def read_chain(pem: bytes, *, now: datetime) -> SigningChain:
    """Return the chain in a PEM file's bytes: leaf first, root last.

    now: aware; every certificate must be valid then. Raises RunbookError VD-TRUST-051, naming the certificate and rule.
    """
    try:
        certificates = tuple(x509.load_pem_x509_certificates(pem))
    except ValueError as error:
        raise _unusable("no certificates can be read in it") from error
    for certificate in certificates:
        _check_each(certificate, now)
    for below, (issued, issuer) in enumerate(pairwise(certificates)):
        if not _issued(issued, issuer):
            raise _unusable("the certificate after it did not issue it", issued)
        _check_authority(issuer, below)
    if not _issued(certificates[-1], certificates[-1]):
        raise _unusable("the chain ends in it, and it is no self-signed root", certificates[-1])
    _check_leaf(certificates[0])
    return SigningChain(certificates=certificates, algorithm=_algorithm(certificates[0]))


def is_signature(chain: SigningChain, digest: bytes, signature: bytes) -> bool:
    """Return whether `signature`, in JWS form, is the leaf key's over what has this digest (RFC 7518, 3.4 and 3.5)."""
    key, prehashed = chain.leaf.public_key(), Prehashed(chain.hash)
    try:
        if isinstance(key, ec.EllipticCurvePublicKey):
            half = (key.key_size + 7) // 8
            if len(signature) != 2 * half:
                return False
            encoded = encode_dss_signature(
                int.from_bytes(signature[:half], "big"), int.from_bytes(signature[half:], "big")
            )
            key.verify(encoded, digest, ec.ECDSA(prehashed))
        elif isinstance(key, rsa.RSAPublicKey):
            key.verify(signature, digest, pss(chain.hash), prehashed)
    except InvalidSignature:
        return False
    return True


def pss(algorithm: hashes.HashAlgorithm) -> padding.PSS:
    """Return the padding of PS256, PS384, PS512: MGF1 and a salt of the hash's own length (RFC 7518, 3.5)."""
    return padding.PSS(mgf=padding.MGF1(algorithm), salt_length=algorithm.digest_size)


def _algorithm(leaf: x509.Certificate) -> str:
    key = leaf.public_key()
    if isinstance(key, ec.EllipticCurvePublicKey) and key.curve.name in ("secp256r1", "secp384r1", "secp521r1"):
        return EC_ALGORITHMS[key.key_size]
    if isinstance(key, rsa.RSAPublicKey) and key.key_size in RSA_ALGORITHMS:
        return RSA_ALGORITHMS[key.key_size]
    raise _unusable("its key is none of P-256, P-384, P-521, RSA 2048, 3072, 4096", leaf)


def _issued(issued: x509.Certificate, issuer: x509.Certificate) -> bool:
    try:
        issued.verify_directly_issued_by(issuer)
    except (ValueError, TypeError, InvalidSignature):
        return False
    return True


def _check_each(certificate: x509.Certificate, now: datetime) -> None:
    if not certificate.not_valid_before_utc <= now <= certificate.not_valid_after_utc:
        begin, end = certificate.not_valid_before_utc, certificate.not_valid_after_utc
        raise _unusable(f"it is valid from {begin:%Y-%m-%d %H:%M:%S} to {end:%Y-%m-%d %H:%M:%S} UTC", certificate)
    if isinstance(certificate.signature_hash_algorithm, hashes.SHA1):
        raise _unusable("it is signed with SHA-1", certificate)


def _check_authority(certificate: x509.Certificate, below: int) -> None:
    """below: how many certificates stand between it and the leaf."""
    constraints = _extension(certificate, x509.BasicConstraints)
    if constraints is None or not constraints.critical or not constraints.value.ca:
        raise _unusable("it has no critical basic constraints with CA true", certificate)
    if constraints.value.path_length is not None and constraints.value.path_length < below:
        raise _unusable(
            f"it allows {constraints.value.path_length} certificates between, here are {below}", certificate
        )
    usage = _extension(certificate, x509.KeyUsage)
    if usage is None or not usage.critical or not usage.value.key_cert_sign:
        raise _unusable("it has no critical key usage with keyCertSign", certificate)


def _check_leaf(leaf: x509.Certificate) -> None:
    constraints = _extension(leaf, x509.BasicConstraints)
    if constraints is not None and constraints.value.ca:
        raise _unusable("it is an authority's, where the first must be the signing key's", leaf)
    usage = _extension(leaf, x509.KeyUsage)
    if usage is None or not usage.critical or not usage.value.digital_signature:
        raise _unusable("it has no critical key usage with digitalSignature", leaf)
    if refused := [name for name in _REFUSED_KEY_USAGES if getattr(usage.value, name)]:
        raise _unusable(f"its key usage has {', '.join(refused)}", leaf)
    purposes = _extension(leaf, x509.ExtendedKeyUsage)
    if purposes is not None and (found := _FORBIDDEN_USAGES & set(purposes.value)):
        names = ", ".join(sorted(purpose.dotted_string for purpose in found))
        raise _unusable(f"its extended key usage has {names}, where code signing alone belongs", leaf)


def _extension(certificate: x509.Certificate, kind: type[E]) -> "x509.Extension[E] | None":
    try:
        return certificate.extensions.get_extension_for_class(kind)
    except x509.ExtensionNotFound:
        return None
    except ValueError as error:
        raise _unusable("its extensions cannot be read", certificate) from error


def _unusable(detail: str, certificate: x509.Certificate | None = None) -> RunbookError:
    target = "" if certificate is None else certificate.subject.rfc4514_string()
    return RunbookError("VD-TRUST-051", detail, target=target)


def fingerprints(certificates: Sequence[x509.Certificate]) -> list[str]:
    """Return the SHA-256 of each certificate's DER bytes, in hex."""
    return [certificate.fingerprint(hashes.SHA256()).hex() for certificate in certificates]
