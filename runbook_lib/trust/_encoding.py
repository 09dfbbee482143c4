"""Refuse encodings of a certificate that `cryptography` accepts, but notation (Go's crypto/x509) and openssl refuse.

Two readers must not see two keys in one certificate. So a key may have only the usual form. Certificates that spell out
the parameters of their curve led to CVE-2020-0601. Pure.
"""

from collections.abc import Iterator
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from cryptography import x509
    from cryptography.hazmat.primitives.asymmetric.types import CertificatePublicKeyTypes

# Go's limit (crypto/rsa, checkPub). A larger exponent only makes the check slow.
MAX_RSA_EXPONENT = 2**31 - 1

_OID, _EC_KEY = 0x06, bytes.fromhex("06072a8648ce3d0201")
# TBSCertificate of version 3 (RFC 5280, 4.1): version, serialNumber, signature, issuer, validity, subject, key.
_KEY = 6


def problem_of(certificate: "x509.Certificate", key: "CertificatePublicKeyTypes") -> str:
    """Return what is wrong with a certificate's encoding, as the end of a sentence, "" if nothing is."""
    from cryptography import x509

    if certificate.version != x509.Version.v3:
        return "is not of version 3, and so has no extensions (RFC 5280, 4.1.2.1)"
    return _problem_of_key(certificate, key) or _problem_of_signature(certificate)


def _problem_of_key(certificate: "x509.Certificate", key: "CertificatePublicKeyTypes") -> str:
    from cryptography.hazmat.primitives.asymmetric import rsa
    from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat

    ((_, fields),) = _elements(certificate.tbs_certificate_bytes)
    found, content = list(_elements(fields))[_KEY]
    if found != key.public_bytes(Encoding.DER, PublicFormat.SubjectPublicKeyInfo):
        algorithm = next(_elements(content))[1]
        parts = [element for element, _ in _elements(algorithm)]
        if parts[:1] == [_EC_KEY] and [part[0] for part in parts[1:]] != [_OID]:
            return "has a key that spells out the parameters of its curve, or has none (RFC 5480, 2.1.1)"
        return "has a key in an encoding that is not the usual one (RFC 3279, RFC 5480, RFC 8410)"
    if isinstance(key, rsa.RSAPublicKey) and key.public_numbers().e > MAX_RSA_EXPONENT:
        return "has an RSA key with an exponent of more than 31 bits"
    return ""


def _problem_of_signature(certificate: "x509.Certificate") -> str:
    """Check RSA-PSS parameters. Go and RFC 7518 accept one set: one hash, and a salt of the hash's length."""
    from cryptography.hazmat.primitives.asymmetric import padding

    parameters = certificate.signature_algorithm_parameters
    if not isinstance(parameters, padding.PSS):
        return ""
    digest = certificate.signature_hash_algorithm
    # cryptography shows the parameters in `_mgf` and `_salt_length`.
    mask = getattr(parameters._mgf, "_algorithm", None)
    if digest is None or mask is None or mask.name != digest.name or parameters._salt_length != digest.digest_size:
        return "is signed with RSA-PSS in parameters other than one hash, and a salt as long as it"
    return ""


def _elements(content: bytes) -> Iterator[tuple[bytes, bytes]]:
    """Yield each element of DER that was read before: the whole element, and its content."""
    position = 0
    while position < len(content):
        size, begin = content[position + 1], position + 2
        if size >= 0x80:
            begin += size - 0x80
            size = int.from_bytes(content[position + 2 : begin], "big")
        yield content[position : begin + size], content[begin : begin + size]
        position = begin + size
