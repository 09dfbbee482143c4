"""Read a certificate chain from the publisher, and check it before it is merged. Pure.

The chain comes from another tenant, and anybody who may start jobs can pass one in. So this checks everything about it:
its size and form, the order, the names, the times, and that a trusted authority has signed it. The module rules decides
whether the chain is for the vault's key. If a certificate passes, browsers accept it, and only for the instance's host.

Sources: RFC 5280, 6; RFC 6125, 6.4; RFC 8555, 9.1 (a chain as ACME gives it).
"""

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import TYPE_CHECKING

from runbook_lib.basics import base64url
from runbook_lib.basics.clock import rfc3339
from runbook_lib.errors import tls
from runbook_lib.tls_certificate.name import CERTIFICATE
from runbook_lib.tls_certificate.versions import Leaf

if TYPE_CHECKING:
    from cryptography import x509

MIN_CERTIFICATES, MAX_CERTIFICATES = 2, 6
# The maximum size of one certificate in DER. Certificates of public authorities have less than 3 KiB.
MAX_CERTIFICATE_BYTES = 8 * 1024
# The maximum size of the whole text.
MAX_CHARACTERS = MAX_CERTIFICATES * (MAX_CERTIFICATE_BYTES * 4 // 3 + 4)


@dataclass(frozen=True, slots=True)
class Chain:
    """The certificates, the leaf first."""

    certificates: "tuple[x509.Certificate, ...]" = field(repr=False)

    @property
    def leaf(self) -> Leaf:
        """The facts about the leaf that the rules use."""
        from cryptography.hazmat.primitives.hashes import SHA1

        first = self.certificates[0]
        # The vault names a certificate by its SHA-1. It proves nothing here.
        return Leaf(thumbprint=base64url.encode(first.fingerprint(SHA1())), key=key_of(first))  # noqa: S303

    @property
    def not_after(self) -> datetime:
        """When the leaf expires."""
        return self.certificates[0].not_valid_after_utc

    @property
    def encoded(self) -> tuple[bytes, ...]:
        """The certificates in DER."""
        from cryptography.hazmat.primitives.serialization import Encoding

        return tuple(each.public_bytes(Encoding.DER) for each in self.certificates)


def key_of(holder: "x509.Certificate | x509.CertificateSigningRequest") -> str:
    """Return the SHA-256 of a certificate's or request's public key, in hexadecimal. Raises cryptography's errors."""
    from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat

    public = holder.public_key().public_bytes(Encoding.DER, PublicFormat.SubjectPublicKeyInfo)
    return hashlib.sha256(public).hexdigest()


def read_chain(text: str) -> Chain:
    """Return the chain in a parameter.

    Args:
        text: Each certificate as DER in base64url, with a dot between two certificates.

    Raises:
        RunbookError: VD-TLS-003 if the text is malformed.
    """
    parts = text.split(".")
    if not MIN_CERTIFICATES <= len(parts) <= MAX_CERTIFICATES:
        raise tls.CHAIN_UNREADABLE.error(f"it has {len(parts)} parts", target="chain")
    return Chain(tuple(_certificate(part, number) for number, part in enumerate(parts, start=1)))


def _certificate(part: str, number: int) -> "x509.Certificate":
    from cryptography import x509
    from cryptography.exceptions import UnsupportedAlgorithm

    try:
        der = base64url.decode(part)
    except ValueError:
        der = b""
    if not der or base64url.encode(der) != part or len(der) > MAX_CERTIFICATE_BYTES:
        what = f"certificate {number} is no base64url of 1 to {MAX_CERTIFICATE_BYTES} bytes"
        raise tls.CHAIN_UNREADABLE.error(what, target="chain")
    try:
        certificate = x509.load_der_x509_certificate(der)
        # Both are read only when they are used.
        key_of(certificate)
        names_of(certificate)
    except (ValueError, TypeError, UnsupportedAlgorithm, x509.InvalidVersion) as error:
        what = f"certificate {number}: {type(error).__name__}"
        raise tls.CHAIN_UNREADABLE.error(what, target="chain") from error
    return certificate


def text_of(certificates: Sequence[bytes]) -> str:
    """Return the parameter for certificates in DER, the leaf first."""
    return ".".join(base64url.encode(each) for each in certificates)


def check_chain(chain: Chain, *, host: str, now: datetime, trusted: "Sequence[x509.Certificate]") -> None:
    """Check that a browser would accept the chain for `host`, at `now` (aware).

    Raises RunbookError VD-TLS-005 (names), -006 (times), -007 (order, signatures, trust).
    """
    from cryptography import x509
    from cryptography.x509.verification import PolicyBuilder, Store, VerificationError

    leaf, *others = chain.certificates
    names = names_of(leaf)
    if names != (host,):
        raise tls.CHAIN_OF_OTHER_NAMES.error(f"it names {', '.join(names) or 'nothing'}", target=host)
    for each in chain.certificates:
        begin, end = each.not_valid_before_utc, each.not_valid_after_utc
        if not begin <= now < end:
            times = f"from {rfc3339(begin)} to {rfc3339(end)}, and here it is {rfc3339(now)}"
            raise tls.CHAIN_OUT_OF_TIME.error(times, target=CERTIFICATE)
    check_order(chain)
    verifier = PolicyBuilder().store(Store(list(trusted))).time(now).build_server_verifier(x509.DNSName(host))
    try:
        verifier.verify(leaf, others)
    except VerificationError as error:
        raise tls.CHAIN_NOT_TRUSTED.error(str(error), target=CERTIFICATE) from error


def check_order(chain: Chain) -> None:
    """Check that each certificate of a chain has signed the one before it. Raises RunbookError VD-TLS-007."""
    from cryptography.exceptions import InvalidSignature, UnsupportedAlgorithm

    for number, (below, above) in enumerate(zip(chain.certificates, chain.certificates[1:], strict=False), start=1):
        try:
            below.verify_directly_issued_by(above)
        except (ValueError, TypeError, InvalidSignature, UnsupportedAlgorithm) as error:
            what = f"certificate {number + 1} has not signed certificate {number}"
            raise tls.CHAIN_NOT_TRUSTED.error(what, target=CERTIFICATE) from error


def names_of(holder: "x509.Certificate | x509.CertificateSigningRequest") -> tuple[str, ...]:
    """Return the alternative names of a certificate or a request.

    A host name is returned in small letters. A name of another kind gets its kind as a prefix, so that nobody mistakes
    it for a host name. Raises ValueError if the extensions cannot be read.
    """
    from cryptography import x509

    try:
        found = holder.extensions.get_extension_for_class(x509.SubjectAlternativeName).value
    except x509.ExtensionNotFound:
        return ()
    except (x509.DuplicateExtension, x509.UnsupportedGeneralNameType) as error:
        raise ValueError(str(error)) from error
    return tuple(
        name.value.lower() if isinstance(name, x509.DNSName) else f"{type(name).__name__} {name.value}"
        for name in found
    )
