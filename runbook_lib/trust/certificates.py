"""Read the certificate chain of a signature, and check it by the Notary Project's rules.

signature-specification.md, "Certificate Requirements"; RFC 5280. Only the extensions basicConstraints, keyUsage and
extendedKeyUsage count ("fail open"). Names are compared byte by byte, and each signature is checked.
"""

from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import datetime
from itertools import pairwise
from typing import TYPE_CHECKING

from runbook_lib.basics.clock import rfc3339
from runbook_lib.errors import RunbookError, trust
from runbook_lib.trust._encoding import problem_of
from runbook_lib.trust.descriptor import MAX_SHOWN, shown

if TYPE_CHECKING:
    from cryptography import x509
    from cryptography.hazmat.primitives.asymmetric.types import CertificatePublicKeyTypes

# A leaf, its issuers and the root. Public authorities have at most four.
MAX_CHAIN_LENGTH = 8
MAX_CERTIFICATE_BYTES = 16 * 1024
MIN_RSA_BITS, MAX_RSA_BITS = 2048, 8192

_CHAIN_STEP = "4.1.1"
# The hashes of a certificate's signature. None stands for Ed25519, which has its own. SHA-1 is not allowed.
_HASHES = ("sha256", "sha384", "sha512", None)
_CURVES = ("secp256r1", "secp384r1", "secp521r1")
# RFC 5280, 4.2.1.12. notation refuses ocspSigning too, and misses any.
_FORBIDDEN_PURPOSES = {
    "2.5.29.37.0": "anyExtendedKeyUsage",
    "1.3.6.1.5.5.7.3.1": "serverAuth",
    "1.3.6.1.5.5.7.3.2": "clientAuth",
    "1.3.6.1.5.5.7.3.4": "emailProtection",
    "1.3.6.1.5.5.7.3.8": "timeStamping",
    "1.3.6.1.5.5.7.3.9": "ocspSigning",
}
_LEAF_USAGES = {"digital_signature", "content_commitment"}
_USAGES = (*sorted(_LEAF_USAGES), "key_encipherment", "data_encipherment", "key_agreement", "key_cert_sign", "crl_sign")


@dataclass(frozen=True, slots=True, kw_only=True)
class Certificate:
    """The parts of a certificate that the rules need. They are read at once: `cryptography` parses, and refuses, late.

    `fingerprint` is the SHA-256 of the DER, hex. `subject` has the form of RFC 4514. `is_ca` and `key_usages` are None
    if the extension is absent. `purposes` are the dotted OIDs of extendedKeyUsage.
    """

    parsed: "x509.Certificate" = field(repr=False)
    key: "CertificatePublicKeyTypes" = field(repr=False)
    fingerprint: str
    subject: str
    begin: datetime
    end: datetime
    is_ca: bool | None
    constraints_critical: bool
    path_length: int | None
    key_usages: frozenset[str] | None
    usage_critical: bool
    purposes: frozenset[str]


def read_chain(chain: Sequence[bytes]) -> tuple[Certificate, ...]:
    """Read certificates from DER and return them in their order. Raises RunbookError VD-TRUST-006."""
    if len(chain) > MAX_CHAIN_LENGTH:
        raise refused(f"the chain has {len(chain)} certificates; at most {MAX_CHAIN_LENGTH} are read", "3.3")
    return tuple(_read(content, position) for position, content in enumerate(chain, 1))


def check_chain(chain: Sequence[Certificate]) -> None:
    """Check that the chain is complete and in order, and that each certificate fits its place.

    Raises RunbookError VD-TRUST-006.
    """
    _check_leaf(chain[0])
    for depth, (certificate, issuer) in enumerate(pairwise(chain)):
        if _is_issued_by(certificate, certificate):
            raise refused(f"{_name(certificate)} is self-signed, and not the last of the chain", _CHAIN_STEP)
        if not _is_issued_by(certificate, issuer):
            raise refused(f"{_name(certificate)} is not issued by {_name(issuer)}, which follows it", _CHAIN_STEP)
        _check_issuer(issuer, depth)
    if not _is_issued_by(chain[-1], chain[-1]):
        raise refused(f"the chain does not end in a self-signed root but in {_name(chain[-1])}", _CHAIN_STEP)


def check_validity(chain: Sequence[Certificate], moment: datetime) -> None:
    """Check that each certificate, the root too, is valid at `moment`, aware. Raises RunbookError VD-TRUST-007."""
    for certificate in chain:
        if moment < certificate.begin:
            what = f"{_name(certificate)} is valid from {rfc3339(certificate.begin)} only"
            raise trust.CERTIFICATE_NOT_VALID_NOW.error(f"{what} (step 6.2)")
        if moment > certificate.end:
            raise trust.CERTIFICATE_NOT_VALID_NOW.error(
                f"{_name(certificate)} expired at {rfc3339(certificate.end)} (step 6.2)"
            )


def refused(what: str, step: str) -> RunbookError:
    """Return the refusal of a chain."""
    return trust.CERTIFICATES_UNFIT.error(f"{what} (step {step})")


def _read(content: bytes, position: int) -> Certificate:
    from cryptography import x509
    from cryptography.exceptions import UnsupportedAlgorithm

    what = f"certificate {position} of the chain"
    if len(content) > MAX_CERTIFICATE_BYTES:
        raise refused(f"{what} has {len(content)} bytes; at most {MAX_CERTIFICATE_BYTES} are read", "3.3")
    try:
        certificate = _facts(x509.load_der_x509_certificate(content))
        problem = problem_of(certificate.parsed, certificate.key)
    except (
        # cryptography raises these for bad DER, and a Warning if warnings are errors.
        ValueError,
        TypeError,
        OverflowError,
        UnsupportedAlgorithm,
        x509.DuplicateExtension,
        x509.UnsupportedGeneralNameType,
        x509.InvalidVersion,
        Warning,
    ) as error:
        raise refused(f"{what} cannot be read: {type(error).__name__} {error}"[:MAX_SHOWN], "3.3") from error
    if problem:
        raise refused(f"{what} {problem}", "3.3")
    # RFC 5280, 4.1.2.2.
    if certificate.parsed.serial_number <= 0:
        raise refused(f"{what} has a serial number that is not positive", "3.3")
    if not _has_known_hash(certificate):
        raise refused(f"{what} is signed with a hash that is not accepted, as SHA-1 is not", _CHAIN_STEP)
    return certificate


def _facts(parsed: "x509.Certificate") -> Certificate:
    from cryptography import x509
    from cryptography.hazmat.primitives import hashes

    constraints = usage = purposes = None
    for extension in parsed.extensions:
        if isinstance(extension.value, x509.BasicConstraints):
            constraints = extension
        elif isinstance(extension.value, x509.KeyUsage):
            usage = extension
        elif isinstance(extension.value, x509.ExtendedKeyUsage):
            purposes = extension
    return Certificate(
        parsed=parsed,
        key=parsed.public_key(),
        fingerprint=parsed.fingerprint(hashes.SHA256()).hex(),
        subject=parsed.subject.rfc4514_string(),
        begin=parsed.not_valid_before_utc,
        end=parsed.not_valid_after_utc,
        is_ca=None if constraints is None else constraints.value.ca,
        constraints_critical=constraints is not None and constraints.critical,
        path_length=None if constraints is None else constraints.value.path_length,
        key_usages=None if usage is None else _usages(usage.value),
        usage_critical=usage is not None and usage.critical,
        purposes=frozenset(purpose.dotted_string for purpose in purposes.value) if purposes else frozenset(),
    )


def _usages(usage: "x509.KeyUsage") -> frozenset[str]:
    # The last two have a meaning only with key_agreement. Without it, cryptography raises an error for them.
    names = (*_USAGES, "encipher_only", "decipher_only") if usage.key_agreement else _USAGES
    return frozenset(name for name in names if getattr(usage, name))


def _has_known_hash(certificate: Certificate) -> bool:
    from cryptography.exceptions import UnsupportedAlgorithm

    try:
        found = certificate.parsed.signature_hash_algorithm
    except (UnsupportedAlgorithm, ValueError):
        return False
    return (found.name if found else None) in _HASHES


def _check_leaf(leaf: Certificate) -> None:
    if leaf.is_ca:
        raise refused(f"{_name(leaf)} is a certificate authority, and signs", _CHAIN_STEP)
    if leaf.key_usages is None or not leaf.usage_critical:
        raise refused(f"{_name(leaf)} has no critical keyUsage", _CHAIN_STEP)
    if "digital_signature" not in leaf.key_usages:
        raise refused(f"{_name(leaf)} is not for digital signatures (keyUsage)", _CHAIN_STEP)
    if further := leaf.key_usages - _LEAF_USAGES:
        raise refused(f"{_name(leaf)} is for {min(further)} too (keyUsage)", _CHAIN_STEP)
    if forbidden := leaf.purposes & _FORBIDDEN_PURPOSES.keys():
        purpose = _FORBIDDEN_PURPOSES[min(forbidden)]
        raise refused(f"{_name(leaf)} is for {purpose} (extendedKeyUsage)", _CHAIN_STEP)


def _check_issuer(issuer: Certificate, depth: int) -> None:
    """Check an authority. `depth` is the number of authorities between it and the leaf."""
    if not issuer.is_ca or not issuer.constraints_critical:
        raise refused(f"{_name(issuer)} is no certificate authority (critical basicConstraints)", _CHAIN_STEP)
    if issuer.path_length is not None and issuer.path_length < depth:
        raise refused(f"{_name(issuer)} allows {issuer.path_length} authorities below it, not {depth}", _CHAIN_STEP)
    if issuer.key_usages is None or not issuer.usage_critical or "key_cert_sign" not in issuer.key_usages:
        raise refused(f"{_name(issuer)} may not sign certificates (critical keyUsage)", _CHAIN_STEP)
    if not _is_strong(issuer.key):
        raise refused(f"{_name(issuer)} has a key that is not accepted", _CHAIN_STEP)


def _is_strong(key: "CertificatePublicKeyTypes") -> bool:
    """Whether an authority's key is strong. The specification has no rule, but a weak key would defeat all others."""
    from cryptography.hazmat.primitives.asymmetric import ec, ed25519, rsa

    if isinstance(key, rsa.RSAPublicKey):
        return MIN_RSA_BITS <= key.key_size <= MAX_RSA_BITS
    if isinstance(key, ec.EllipticCurvePublicKey):
        return key.curve.name in _CURVES
    return isinstance(key, ed25519.Ed25519PublicKey)


def _is_issued_by(certificate: Certificate, issuer: Certificate) -> bool:
    """Whether the certificate names this issuer, and the issuer's key made its signature."""
    from cryptography.exceptions import InvalidSignature, UnsupportedAlgorithm

    try:
        certificate.parsed.verify_directly_issued_by(issuer.parsed)
    except (InvalidSignature, UnsupportedAlgorithm, ValueError, TypeError):
        return False
    return True


def _name(certificate: Certificate) -> str:
    return f"the certificate of {shown(certificate.subject)}"
