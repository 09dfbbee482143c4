"""The publisher's signing material: a root of its own, and a certificate whose key is in the publisher's vault.

The chain meets the Notary Project's rules (signature-specification.md, "Certificate Requirements"): the leaf's key
usage is critical and only digitalSignature, its extended key usage is codeSigning. The root's key is deleted after it
has signed. The subject has C, ST and O, because notation's trust policies need them. Each start of the lab makes new
material. A reset puts the same key into the emptied vault, so that older signatures stay valid.
"""

import datetime
import hashlib
import uuid
from dataclasses import dataclass, field
from pathlib import Path

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID

from lab.key_vault.keys import Key
from lab.machine.certificates import builder, key_usage

KEY_NAME = "release-signing"
CHAIN_FILE = "signing-chain.pem"
ROOT_DAYS = 20 * 365
LEAF_DAYS = 3 * 365


@dataclass(frozen=True, slots=True, kw_only=True)
class SigningMaterial:
    """The key, and what others need to use it and to trust it."""

    key: Key = field(repr=False)
    version: str  # of the key in the vault, the same after each reset
    chain_file: Path  # PEM: leaf, root
    root_fingerprint: str  # SHA-256 of the root's DER, in lower-case hexadecimal
    subject: str  # of the leaf, RFC 4514


def make(directory: Path) -> SigningMaterial:
    """Make root and leaf, and write the chain into `directory`."""
    now = datetime.datetime.now(datetime.timezone.utc)
    root_key, leaf_key = (ec.generate_private_key(ec.SECP256R1()) for _ in range(2))
    root_name, leaf_name = _name("Vibedata Release Root"), _name("Vibedata Release Signing")
    root = (
        builder(root_name, root_name, root_key.public_key(), now, ROOT_DAYS)
        .add_extension(x509.BasicConstraints(ca=True, path_length=0), critical=True)
        .add_extension(key_usage(key_cert_sign=True), critical=True)
        .add_extension(x509.SubjectKeyIdentifier.from_public_key(root_key.public_key()), critical=False)
        .sign(root_key, hashes.SHA256())
    )
    leaf = (
        builder(leaf_name, root_name, leaf_key.public_key(), now, LEAF_DAYS)
        .add_extension(x509.BasicConstraints(ca=False, path_length=None), critical=True)
        .add_extension(key_usage(digital_signature=True), critical=True)
        .add_extension(x509.ExtendedKeyUsage([ExtendedKeyUsageOID.CODE_SIGNING]), critical=False)
        .add_extension(x509.SubjectKeyIdentifier.from_public_key(leaf_key.public_key()), critical=False)
        .add_extension(x509.AuthorityKeyIdentifier.from_issuer_public_key(root_key.public_key()), critical=False)
        .sign(root_key, hashes.SHA256())
    )
    chain_file = directory / CHAIN_FILE
    chain_file.write_bytes(b"".join(one.public_bytes(serialization.Encoding.PEM) for one in (leaf, root)))
    return SigningMaterial(
        key=Key(private=leaf_key, operations=("sign", "verify")),
        version=uuid.uuid4().hex,
        chain_file=chain_file,
        root_fingerprint=hashlib.sha256(root.public_bytes(serialization.Encoding.DER)).hexdigest(),
        subject=leaf.subject.rfc4514_string(),
    )


def _name(common_name: str) -> x509.Name:
    parts = (
        (NameOID.COUNTRY_NAME, "NL"),
        (NameOID.STATE_OR_PROVINCE_NAME, "Noord-Holland"),
        (NameOID.ORGANIZATION_NAME, "Vibedata"),
        (NameOID.COMMON_NAME, common_name),
    )
    return x509.Name([x509.NameAttribute(kind, value) for kind, value in parts])
