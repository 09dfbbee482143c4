"""Certificates and signing requests of a version that does not exist. cryptography raises its own error for them."""

import base64

from cryptography import x509
from cryptography.hazmat.primitives.serialization import Encoding

# The version in DER: [0] { INTEGER 2 } is version 3 of a certificate, INTEGER 0 is version 1 of a request.
_CERTIFICATE, _REQUEST = bytes.fromhex("a003020102"), bytes.fromhex("020100")


def certificate_of_version_9(certificate: x509.Certificate) -> bytes:
    """Return the certificate in DER, with version 9."""
    return certificate.public_bytes(Encoding.DER).replace(_CERTIFICATE, _CERTIFICATE[:-1] + b"\x08", 1)


def request_of_version_9(der: bytes) -> bytes:
    """Return the signing request in DER, with version 9."""
    return der.replace(_REQUEST, _REQUEST[:-1] + b"\x08", 1)


def pem_of(der: bytes) -> bytes:
    """Return a certificate's DER in PEM."""
    return b"-----BEGIN CERTIFICATE-----\n" + base64.encodebytes(der) + b"-----END CERTIFICATE-----\n"
