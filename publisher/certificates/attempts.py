"""The publisher's record of all its orders. The publisher counts them there (publisher/certificates/limits.py).

The partition is the registered domain, which is the zone. The row's key begins with the time of the order. A run writes
the row before it sends the order. So if two runs order at the same moment, at least one sees the other's row, and the
limits hold. Each authority has limits of its own, so a row has its authority.
"""

from collections.abc import Mapping
from datetime import datetime
from typing import TYPE_CHECKING, Any

from publisher.certificates.limits import REMEMBERED, Attempt
from publisher.rotation.record import is_time
from publisher.tables import change_if_unchanged, etag_of, insert_if_absent
from runbook_lib.basics.clock import from_rfc3339, rfc3339
from runbook_lib.errors import tls
from runbook_lib.network.listing import bounded

if TYPE_CHECKING:
    from azure.data.tables import TableServiceClient

TABLE = "CertificateOrders"
TRIES = 3
_FLAGS = ("exempt", "known", "givenUp", "withdrawn")


class Attempts:
    """The rows of one zone, as one authority counts them.

    Args:
        tables: The publisher's tables.
        zone: The name of the zone.
        authority: The host of the authority's directory, with a port that is not the usual one.

    Raises:
        azure.core's errors: The table cannot be reached.
    """

    def __init__(self, tables: "TableServiceClient", zone: str, authority: str) -> None:
        self._tables = tables
        self._zone = zone
        self._authority = authority

    def others(self, key: str, now: datetime) -> tuple[Attempt, ...]:
        """Return the orders that may still count, without the order of row `key`.

        A malformed row does not count, and neither does one of another authority. A row that names no authority counts.

        Args:
            key: The key of the row to leave out.
            now: The present time (aware).
        """
        from azure.core.exceptions import ResourceNotFoundError

        rows = self._tables.get_table_client(TABLE).query_entities(
            "PartitionKey eq @partition and RowKey ge @first",
            parameters={"partition": self._zone, "first": rfc3339(now - REMEMBERED)},
        )
        try:
            found = [
                attempt_in(row)
                for row in bounded(rows, target=TABLE)
                if row["RowKey"] != key and (row.get("authority") or self._authority) == self._authority
            ]
        except ResourceNotFoundError:
            return ()
        return tuple(each for each in found if each is not None)

    def reserve(self, attempt: Attempt, rotation_id: str) -> str:
        """Record an order before it is sent, and return the key of its row."""
        key = key_of(attempt, rotation_id)
        columns = {
            "host": attempt.host,
            "exempt": attempt.exempt,
            "known": attempt.known,
            "authority": self._authority,
        }
        insert_if_absent(self._tables, TABLE, self._zone, key, columns, repeatable=True)
        return key

    def note(self, key: str, **columns: object) -> None:
        """Set columns of an order's row. Do nothing if somebody has deleted the row.

        Args:
            key: The row's key.
            columns: issuedAt and failedAt (RFC 3339), givenUp and withdrawn (true or false).

        Raises:
            RunbookError: VD-TLS-029 if others change the row again and again.
        """
        from azure.core.exceptions import ResourceNotFoundError

        for _ in range(TRIES):
            try:
                etag = etag_of(self._tables.get_table_client(TABLE).get_entity(self._zone, key))
                if change_if_unchanged(self._tables, TABLE, self._zone, key, columns, etag=etag):
                    return
            except ResourceNotFoundError:
                return
        raise tls.ORDERED_BY_ANOTHER.error(target=f"{TABLE}/{key}")


def key_of(attempt: Attempt, rotation_id: str) -> str:
    """Return the key of the row that counts an order of the rotation `rotation_id`."""
    return f"{rfc3339(attempt.ordered_at)} {rotation_id}"


def attempt_in(row: Mapping[str, Any]) -> Attempt | None:
    """Return the order that a row counts, None if the row is malformed. Pure."""
    flags = [row.get(name) is True for name in _FLAGS]
    ordered = str(row["RowKey"]).partition(" ")[0]
    issued, failed = (str(row.get(name) or "") for name in ("issuedAt", "failedAt"))
    if not ordered or not all(is_time(each) for each in (ordered, issued, failed)):
        return None
    exempt, known, given_up, withdrawn = flags
    return Attempt(
        host=str(row.get("host", "")),
        ordered_at=from_rfc3339(ordered),
        exempt=exempt,
        known=known,
        issued_at=_time(issued),
        failed_at=_time(failed),
        given_up=given_up,
        withdrawn=withdrawn,
    )


def _time(text: str) -> datetime | None:
    return from_rfc3339(text) if text else None
