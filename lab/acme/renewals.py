"""Renewal information (ARI, RFC 9773): the issued certificates, when to renew them, and the replaced ones. Pure.

Faithful: a certificate's id ("Getting Renewal Information"); a suggested window around two thirds of its life; a window
in the past for a certificate that must be renewed now. An order may replace a certificate only once, only if the same
account ordered it, and only if both have a name in common. Every other `replaces` is refused ("Extensions to the Order
Object": 409 alreadyReplaced; malformed for an unknown certificate). Not documented, so chosen here: the window is as
wide as a fiftieth of the life.
"""

import base64
from dataclasses import dataclass, field
from datetime import datetime, timedelta

from cryptography import x509

WINDOW_PART = 50


class ReplacesRefusedError(Exception):
    """An order's `replaces` is refused. status: of the answer. code: the error type's last part. The text says why."""

    def __init__(self, status: int, code: str, message: str) -> None:
        """Keep the parts."""
        super().__init__(message)
        self.status, self.code = status, code


@dataclass(slots=True)
class Issued:
    """A certificate. account: the address of the account that ordered it. window: when it should be renewed."""

    account: str
    names: frozenset[str]
    window: tuple[datetime, datetime]
    replaced: bool = False


@dataclass(slots=True)
class Renewals:
    """The certificates by their id. refuse_replaces: the authority takes no `replaces`, as after an account change."""

    issued: dict[str, Issued] = field(default_factory=dict)
    refuse_replaces: bool = False

    def clear(self) -> None:
        """Forget everything."""
        self.issued.clear()
        self.refuse_replaces = False

    def add(self, certificate: x509.Certificate, account: str) -> str:
        """Keep a certificate and return its id."""
        life = certificate.not_valid_after_utc - certificate.not_valid_before_utc
        start = certificate.not_valid_before_utc + life * 2 / 3
        names = certificate.extensions.get_extension_for_class(x509.SubjectAlternativeName).value
        made = certificate_id(certificate)
        self.issued.setdefault(
            made,
            Issued(account, frozenset(names.get_values_for_type(x509.DNSName)), (start, start + life / WINDOW_PART)),
        )
        return made

    def renew_now(self, now: datetime) -> None:
        """Move every certificate's window into the past, as after a mass revocation."""
        for one in self.issued.values():
            one.window = (now - timedelta(hours=2), now - timedelta(hours=1))

    def check_replaces(self, replaces: str, account: str, names: frozenset[str]) -> None:
        """Raise ReplacesRefusedError unless an order of these names may replace the certificate."""
        found = self.issued.get(replaces)
        if found is None:
            raise ReplacesRefusedError(404, "malformed", "Could not find the certificate that the order replaces.")
        if self.refuse_replaces or found.account != account:
            message = "requester account did not request the certificate being replaced by this order"
            raise ReplacesRefusedError(403, "unauthorized", message)
        if not found.names & names:
            message = "identifiers in this order do not match any names in the certificate being replaced"
            raise ReplacesRefusedError(400, "malformed", message)
        if found.replaced:
            message = "cannot indicate an order replaces a certificate which already has a replacement order"
            raise ReplacesRefusedError(409, "alreadyReplaced", message)


def certificate_id(certificate: x509.Certificate) -> str:
    """Return a certificate's id of RFC 9773: its authority's key id and its serial number."""
    authority = certificate.extensions.get_extension_for_class(x509.AuthorityKeyIdentifier).value.key_identifier or b""
    serial = certificate.serial_number
    number = serial.to_bytes(serial.bit_length() // 8 + 1, "big")  # DER needs one more bit for the sign
    return f"{_base64url(authority)}.{_base64url(number)}"


def _base64url(data: bytes) -> str:
    return base64.urlsafe_b64encode(data).rstrip(b"=").decode()
