"""Certificates for tests of signing: good chains with every kind of key, and chains that break a single rule."""

from dataclasses import dataclass, field
from datetime import datetime, timezone

from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec, rsa
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat
from cryptography.x509.oid import ExtendedKeyUsageOID

Key = ec.EllipticCurvePrivateKey | rsa.RSAPrivateKey
PublicKey = ec.EllipticCurvePublicKey | rsa.RSAPublicKey
KEY_USAGES = (
    "digital_signature",
    "content_commitment",
    "key_encipherment",
    "data_encipherment",
    "key_agreement",
    "key_cert_sign",
    "crl_sign",
    "encipher_only",
    "decipher_only",
)
CURVES: dict[str, ec.EllipticCurve] = {"ES256": ec.SECP256R1(), "ES384": ec.SECP384R1(), "ES512": ec.SECP521R1()}
RSA_BITS = {"PS256": 2048, "PS384": 3072, "PS512": 4096}


@dataclass(frozen=True, slots=True, kw_only=True)
class Wanted:
    """The parts of a wanted certificate, by default those of a code signer's leaf. None leaves an extension out."""

    # The lab's own signer has the same name, because only one identity is trusted.
    name: str = "CN=Vibedata Release Signing,O=Vibedata,ST=Noord-Holland,C=NL"
    key_usage: frozenset[str] | None = frozenset({"digital_signature"})
    key_usage_critical: bool = True
    purposes: tuple[x509.ObjectIdentifier, ...] | None = (ExtendedKeyUsageOID.CODE_SIGNING,)
    authority: bool | None = False
    path_length: int | None = None
    begin: datetime = datetime(2024, 1, 1, tzinfo=timezone.utc)
    end: datetime = datetime(2046, 1, 1, tzinfo=timezone.utc)


AUTHORITY = Wanted(
    name="CN=Vibedata Root", key_usage=frozenset({"key_cert_sign", "crl_sign"}), purposes=None, authority=True
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Made:
    """A certificate and its key."""

    certificate: x509.Certificate
    key: Key = field(repr=False)

    @property
    def key_pem(self) -> bytes:
        return self.key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption())


def new_key(algorithm: str = "ES256") -> Key:
    if algorithm in CURVES:
        return ec.generate_private_key(CURVES[algorithm])
    return rsa.generate_private_key(public_exponent=65537, key_size=RSA_BITS[algorithm])


def make(wanted: Wanted, *, issuer: Made | None = None, key: Key | None = None) -> Made:
    """Return a certificate for `key` or a new key. `issuer` signs it. Without an issuer it signs itself."""
    own = key or new_key()
    return Made(certificate=certify(wanted, own.public_key(), issuer=issuer, signer=own), key=own)


def certify(
    wanted: Wanted, public_key: PublicKey, *, issuer: Made | None = None, signer: Key | None = None
) -> x509.Certificate:
    """Return a certificate for a public key. `issuer` signs it, or without an issuer the key `signer`."""
    signing_key = issuer.key if issuer else signer
    assert signing_key is not None
    name = x509.Name.from_rfc4514_string(wanted.name)
    builder = (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(issuer.certificate.subject if issuer else name)
        .public_key(public_key)
        .serial_number(x509.random_serial_number())
        .not_valid_before(wanted.begin)
        .not_valid_after(wanted.end)
    )
    if wanted.authority is not None:
        constraints = x509.BasicConstraints(ca=wanted.authority, path_length=wanted.path_length)
        builder = builder.add_extension(constraints, critical=True)
    if wanted.key_usage is not None:
        usage = x509.KeyUsage(**{name: name in wanted.key_usage for name in KEY_USAGES})
        builder = builder.add_extension(usage, critical=wanted.key_usage_critical)
    if wanted.purposes is not None:
        builder = builder.add_extension(x509.ExtendedKeyUsage(wanted.purposes), critical=False)
    return builder.sign(signing_key, hashes.SHA256())


def pem(*chain: Made | x509.Certificate) -> bytes:
    certificates = (each.certificate if isinstance(each, Made) else each for each in chain)
    return b"".join(certificate.public_bytes(Encoding.PEM) for certificate in certificates)
