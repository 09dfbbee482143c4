"""The publisher's record of the instances' certificates: a row for each issuance, the newest first.

An issuance is one rotation of the certificate: the first certificate of an instance, or a renewal. Only the newest
issuance of an instance can be open. The row says which steps are done. So a run continues where another one has
stopped, even weeks later. Each change of a row names the version that was read (ETag).
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, fields
from datetime import datetime
from typing import TYPE_CHECKING, Any

from publisher.certificates.times import Life, Window, renewal_time
from publisher.numbered_rows import NumberedRows, number_of
from publisher.rotation.record import is_time
from publisher.tables import etag_of
from runbook_lib.basics.clock import from_rfc3339
from runbook_lib.errors import publisher
from runbook_lib.tls_certificate.versions import STATES, State

if TYPE_CHECKING:
    from azure.data.tables import TableServiceClient

TABLE = "CertificateRotations"


@dataclass(frozen=True, slots=True, kw_only=True)
class Issuance:
    """One issuance of one instance's certificate. All times are RFC 3339, "" for not yet.

    Attributes:
        host: The only name in the certificate.
        known: Whether the host had a certificate of the same authority before.
        renews: The ARI id of the certificate that the order names as replaced, "" for none.
        customer: The customer's state at its last report.
        overtaken: Whether the customer's side said that the rotation is over, because another certificate came into
            use, or that it does not find the certificate that it has installed.
        signing_request: The vault's request, in DER and base64.
        claimed_at: When a run began to send the order. Until it has recorded the order, no other run sends one.
        attempt: The row that counts the order (publisher/certificates/attempts.py).
        order: The order's address at the authority, "" for none.
        authority: The host of the certificate authority that has issued the certificate, or that is to issue it.
        challenge: The TXT value that may be in the zone, "" for none.
        failures, failed_at: How many tries have failed in a row, and when the last one did. A try ends with the
            installation.
        wait_until: The authority takes no order before.
        chain: The certificates, as phase install takes them.
        certificate_id: The ARI id of the new certificate.
        not_before, not_after: The times between which it is valid.
        installed_at, retire_after: When it was installed, and when the former one may be disabled.
        window_start, window_end, ask_after: When the authority suggests the renewal, and when to ask again.
        etag: The version of the row that was read, "" for one that is not recorded yet.
    """

    instance_id: str
    number: int
    rotation_id: str
    host: str
    known: bool = False
    renews: str = ""
    customer: State = "none"
    overtaken: bool = False
    started_at: str = ""
    ended_at: str = ""
    signing_request: str = field(default="", repr=False)
    claimed_at: str = ""
    attempt: str = ""
    order: str = ""
    authority: str = ""
    challenge: str = ""
    failures: int = 0
    failed_at: str = ""
    wait_until: str = ""
    chain: str = field(default="", repr=False)
    certificate_id: str = ""
    not_before: str = ""
    not_after: str = ""
    installed_at: str = ""
    retire_after: str = ""
    window_start: str = ""
    window_end: str = ""
    ask_after: str = ""
    etag: str = field(default="", compare=False, repr=False)

    @property
    def open(self) -> bool:
        """Whether it is not over yet."""
        return not self.ended_at

    def reached(self, state: State) -> bool:
        """Whether the customer's side is at `state` or beyond."""
        return STATES.index(self.customer) >= STATES.index(state)

    @property
    def due(self) -> datetime | None:
        """When the next renewal begins. None as long as there is no certificate."""
        if not self.not_after:
            return None
        life = Life(from_rfc3339(self.not_before), from_rfc3339(self.not_after))
        window = Window(from_rfc3339(self.window_start), from_rfc3339(self.window_end)) if self.window_end else None
        return renewal_time(life, window, self.certificate_id)


# The columns: each field but the row's keys and version, named as tables name them.
_COLUMNS = {
    each.name: "".join(part if index == 0 else part.capitalize() for index, part in enumerate(each.name.split("_")))
    for each in fields(Issuance)
    if each.name not in ("instance_id", "number", "etag")
}
_TYPES: Mapping[str, type] = {"known": bool, "overtaken": bool, "failures": int}
_TIMES = (
    *("started_at", "ended_at", "claimed_at", "failed_at", "wait_until", "not_before", "not_after", "installed_at"),
    *("retire_after", "window_start", "window_end", "ask_after"),
)
# Rows of former versions of the suite do not have these columns.
_ADDED = ("authority",)
# If one of a pair is there, the other must be, too.
_PAIRS = (("not_before", "not_after"), ("window_start", "window_end"), ("failures", "failed_at"))


class Issuances:
    """The table. Many threads may use it. Raises azure.core's errors."""

    def __init__(self, tables: "TableServiceClient") -> None:
        self._rows = NumberedRows(tables, TABLE)

    def newest(self, instance_id: str) -> Issuance | None:
        """Return an instance's last issuance, open or not, None before the first.

        Raises RunbookError VD-ROTATION-040 if its row is malformed.
        """
        return next(iter(self.recent(instance_id, 1)), None)

    def recent(self, instance_id: str, count: int) -> Sequence[Issuance]:
        """Return at most `count` of an instance's last issuances, newest first. Raises the same errors as `newest`."""
        return [issuance_of(row) for row in self._rows.recent(instance_id, count)]

    def begin(self, issuance: Issuance) -> bool:
        """Record a new issuance under its number. Return False if another issuance has this number."""
        return self._rows.insert(issuance.instance_id, issuance.number, columns_of(issuance))

    def change(self, issuance: Issuance) -> bool:
        """Record a change. Return False, and change nothing, if somebody changed the row since it was read."""
        columns = columns_of(issuance)
        return self._rows.change(issuance.instance_id, issuance.number, columns, etag=issuance.etag)


def columns_of(issuance: Issuance) -> dict[str, Any]:
    """Return the columns of an issuance's row."""
    return {column: getattr(issuance, name) for name, column in _COLUMNS.items()}


def issuance_of(row: Mapping[str, Any]) -> Issuance:
    """Return the issuance in a row. Raises RunbookError VD-ROTATION-040 if it is malformed."""
    values = {name: row.get(column, "" if name in _ADDED else None) for name, column in _COLUMNS.items()}
    ill = [name for name, value in values.items() if type(value) is not _TYPES.get(name, str)]
    ill += [name for name in _TIMES if name not in ill and not is_time(str(values[name]))]
    ill += [first for first, second in _PAIRS if bool(values[first]) != bool(values[second])]
    if "failures" not in ill and int(values["failures"] or 0) < 0:
        ill.append("failures")
    if "customer" not in ill and values["customer"] not in STATES:
        ill.append("customer")
    if ill:
        at = f"{row['PartitionKey']}/{row['RowKey']}"
        raise publisher.RECORD_MALFORMED.error(", ".join(_COLUMNS[name] for name in ill), target=at)
    given: dict[str, Any] = {**values, "instance_id": str(row["PartitionKey"]), "number": number_of(row)}
    return Issuance(**given, etag=etag_of(row))
