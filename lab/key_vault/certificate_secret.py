"""The secret behind a certificate, as the service writes and reads it: PFX in base64, or PEM. Pure.

Source: learn key-vault/certificates/about-certificates ("composition of a certificate", "exportable or non-exportable
key").
"""

import base64
import binascii
from typing import Protocol

from cryptography import x509
from cryptography.hazmat.primitives.asymmetric import ec, rsa
from cryptography.hazmat.primitives.serialization import (
    Encoding,
    NoEncryption,
    PrivateFormat,
    PublicFormat,
    load_pem_private_key,
    pkcs12,
)

from lab.key_vault.certificate_policy import PEM
from lab.key_vault.keys import PrivateKey
from lab.key_vault.objects import bad_parameter


class PublicKey(Protocol):
    """A public key that can be written down."""

    def public_bytes(self, encoding: Encoding, format: PublicFormat) -> bytes:
        """Return the key's bytes."""
        ...


def secret_text(chain: tuple[bytes, ...], private: PrivateKey, *, content_type: str, key: bool) -> str:
    """Return the secret's value; `key`: whether the private key is in it."""
    leaf, *others = (x509.load_der_x509_certificate(der) for der in chain)
    if content_type == PEM:
        written = private.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption()) if key else b""
        return (written + b"".join(each.public_bytes(Encoding.PEM) for each in (leaf, *others))).decode()
    if key:
        pfx = pkcs12.serialize_key_and_certificates(None, private, leaf, others or None, NoEncryption())
    else:
        pfx = pkcs12.serialize_key_and_certificates(None, None, None, [leaf, *others], NoEncryption())
    return base64.b64encode(pfx).decode()


def imported(value: str, password: str | None) -> tuple[tuple[bytes, ...], PrivateKey]:
    """Return the chain, the leaf first, and the key of an import's `value`; 400 if it has none."""
    try:
        if "-----BEGIN" in value:
            private = load_pem_private_key(value.encode(), password.encode() if password else None)
            found = x509.load_pem_x509_certificates(value.encode())
        else:
            read = pkcs12.load_pkcs12(base64.b64decode(value, validate=True), password.encode() if password else None)
            if read.key is None or read.cert is None:
                raise bad_parameter("We could not find a certificate with private key in the specified content.")
            private, found = read.key, [read.cert.certificate, *(one.certificate for one in read.additional_certs)]
    except (ValueError, TypeError, binascii.Error) as error:
        message = "The specified PKCS#12 or PEM X.509 certificate content can not be read."
        raise bad_parameter(f"{message} Please check if certificate is in valid format.") from error
    if not isinstance(private, rsa.RSAPrivateKey | ec.EllipticCurvePrivateKey):
        raise bad_parameter("The certificate's key is neither RSA nor EC.")
    return tuple(one.public_bytes(Encoding.DER) for one in found), private
