"""Chains of certificates that a test builds, and the verifier's answer to a signature with such a chain."""

from dataclasses import replace
from datetime import timedelta

from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.x509.oid import ObjectIdentifier

from runbook_lib.errors import RunbookError
from tests.support.certificate_maker import AUTHORITY, KEY_USAGES, Made, Wanted, make
from tests.support.notary_fixtures import NOW
from tests.support.notary_maker import INTERMEDIATE, LEAF, Chain


def code_of(*certificates: Made | bytes, key: object = LEAF.key, trusted: str | None = None) -> str:
    """Return the code with which a signature with this chain is refused, "" if it is good."""
    chain = Chain(certificates, key)
    try:
        chain.verify(roots=frozenset({trusted}) if trusted else chain.roots)
    except RunbookError as error:
        return error.code
    return ""


def leaf(issuer: Made = INTERMEDIATE, **fields: object) -> Made:
    return make(replace(Wanted(), **fields), issuer=issuer, key=LEAF.key)  # type: ignore[arg-type]


def authority(issuer: Made | None = None, **fields: object) -> Made:
    return make(replace(AUTHORITY, **fields), issuer=issuer)  # type: ignore[arg-type]


def built(
    issuer: Made, *extensions: tuple[x509.ExtensionType, bool], key: object = None, signer: object = None
) -> Made:
    """Return a certificate with exactly these extensions for `key` (default: the leaf's key).

    `signer` signs it (default: the issuer's key).
    """
    own = key or LEAF.key
    builder = (
        x509.CertificateBuilder()
        .subject_name(LEAF.certificate.subject)
        .issuer_name(issuer.certificate.subject)
        .public_key(own.public_key())  # type: ignore[attr-defined]
        .serial_number(7)
        .not_valid_before(NOW - timedelta(days=1))
        .not_valid_after(NOW + timedelta(days=1))
    )
    for extension, critical in extensions:
        builder = builder.add_extension(extension, critical=critical)
    return Made(certificate=builder.sign(signer or issuer.key, hashes.SHA256()), key=own)  # type: ignore[arg-type]


def usage(*names: str) -> x509.KeyUsage:
    return x509.KeyUsage(**{name: name in names for name in KEY_USAGES})


SIGNS = (usage("digital_signature"), True)
CERTIFIES = (usage("key_cert_sign"), True)
IS_CA = (x509.BasicConstraints(ca=True, path_length=None), True)
UNKNOWN = (x509.UnrecognizedExtension(ObjectIdentifier("1.3.6.1.4.1.99999.1"), b"\x05\x00"), True)
ELSEWHERE = (x509.NameConstraints([x509.DNSName("example.com")], None), True)
