"""A web authority for tests: a root, an intermediate, and leaves that it issues for a signing request, as ACME does."""

from dataclasses import dataclass, field
from datetime import datetime, timedelta, timezone

from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.asymmetric.types import CertificateIssuerPublicKeyTypes
from cryptography.hazmat.primitives.serialization import Encoding
from cryptography.x509.oid import ExtendedKeyUsageOID

HOUR, DAY = timedelta(hours=1), timedelta(days=1)


def _now() -> datetime:
    return datetime.now(timezone.utc).replace(microsecond=0)


def _name(text: str) -> x509.Name:
    return x509.Name.from_rfc4514_string(text)


@dataclass(frozen=True, slots=True)
class Issuer:
    """A certificate of an authority, and its key."""

    certificate: x509.Certificate
    key: ec.EllipticCurvePrivateKey = field(repr=False)

    def sign(
        self,
        name: str,
        public_key: CertificateIssuerPublicKeyTypes,
        *,
        authority: bool,
        names: tuple[str, ...] = (),
        begin: datetime,
        end: datetime,
    ) -> x509.Certificate:
        """Return a certificate of this issuer."""
        builder = _builder(name, public_key, authority=authority, names=names, begin=begin, end=end)
        own = self.certificate.extensions.get_extension_for_class(x509.SubjectKeyIdentifier).value
        builder = builder.issuer_name(self.certificate.subject)
        identifier = x509.AuthorityKeyIdentifier.from_issuer_subject_key_identifier(own)
        builder = builder.add_extension(identifier, critical=False)
        return builder.sign(self.key, hashes.SHA256())


@dataclass(frozen=True, slots=True)
class WebAuthority:
    """A root and its intermediate."""

    root: Issuer
    intermediate: Issuer

    @property
    def root_pem(self) -> str:
        return self.root.certificate.public_bytes(Encoding.PEM).decode()

    def leaf(
        self,
        csr: bytes,
        *,
        names: tuple[str, ...] | None = None,
        begin: datetime | None = None,
        end: datetime | None = None,
    ) -> x509.Certificate:
        """Return a leaf for a CSR in DER. The defaults are the names in the CSR, and 90 days."""
        request = x509.load_der_x509_csr(csr)
        assert request.is_signature_valid
        asked = request.extensions.get_extension_for_class(x509.SubjectAlternativeName).value
        wanted = tuple(asked.get_values_for_type(x509.DNSName)) if names is None else names
        begin = begin or _now() - HOUR
        public_key = request.public_key()
        assert not isinstance(public_key, bytes)
        return self.intermediate.sign(
            "CN=" + (wanted[0] if wanted else "nobody"),
            public_key,  # type: ignore[arg-type] # a vault makes RSA and EC keys alone
            authority=False,
            names=wanted,
            begin=begin,
            end=end or begin + 90 * DAY,
        )

    def chain(
        self,
        csr: bytes,
        *,
        names: tuple[str, ...] | None = None,
        begin: datetime | None = None,
        end: datetime | None = None,
    ) -> list[x509.Certificate]:
        """Return the leaf and the intermediate, as ACME servers give them."""
        return [self.leaf(csr, names=names, begin=begin, end=end), self.intermediate.certificate]


def new_web_authority(name: str = "Lab") -> WebAuthority:
    """Make an authority with new keys."""
    root_key, key = (ec.generate_private_key(ec.SECP256R1()) for _ in range(2))
    begin, end = _now() - 10 * DAY, _now() + 3650 * DAY
    subject = f"CN={name} Root"
    builder = _builder(subject, root_key.public_key(), authority=True, names=(), begin=begin, end=end)
    root = Issuer(builder.issuer_name(_name(subject)).sign(root_key, hashes.SHA256()), root_key)
    signed = root.sign(f"CN={name} Intermediate", key.public_key(), authority=True, begin=begin, end=end)
    return WebAuthority(root, Issuer(signed, key))


def pem(chain: list[x509.Certificate]) -> str:
    """Return a chain as ACME gives it."""
    return "".join(each.public_bytes(Encoding.PEM).decode() for each in chain)


def _builder(
    name: str,
    public_key: CertificateIssuerPublicKeyTypes,
    *,
    authority: bool,
    names: tuple[str, ...],
    begin: datetime,
    end: datetime,
) -> x509.CertificateBuilder:
    builder = (
        x509.CertificateBuilder()
        .subject_name(_name(name))
        .public_key(public_key)
        .serial_number(x509.random_serial_number())
        .not_valid_before(begin)
        .not_valid_after(end)
        .add_extension(x509.BasicConstraints(ca=authority, path_length=None), critical=True)
        .add_extension(x509.SubjectKeyIdentifier.from_public_key(public_key), critical=False)
        .add_extension(
            x509.KeyUsage(
                digital_signature=True,
                content_commitment=False,
                key_encipherment=False,
                data_encipherment=False,
                key_agreement=False,
                key_cert_sign=authority,
                crl_sign=authority,
                encipher_only=False,
                decipher_only=False,
            ),
            critical=True,
        )
    )
    if authority:
        return builder
    if names:
        alternatives = x509.SubjectAlternativeName([x509.DNSName(each) for each in names])
        builder = builder.add_extension(alternatives, critical=False)
    return builder.add_extension(x509.ExtendedKeyUsage([ExtendedKeyUsageOID.SERVER_AUTH]), critical=False)
