"""The keys of an instance that the publisher accepts, in table HmacKeys of the publisher's storage.

Partition: the instance's id; row: the key's id. The bytes are in the publisher's vault
(publisher/custody/key_secrets.py). A key is accepted while it is pending (so that the customer can test it), current,
or previous (until `acceptUntil`, if it has that time). Tables are strongly consistent: a reader of the state at each
request refuses a revoked key at once.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import TYPE_CHECKING, Any, Literal, cast

from publisher.tables import change_if_unchanged, etag_of, insert_if_absent, partition_of
from runbook_lib.basics.clock import from_rfc3339
from runbook_lib.rotation.states import Standing

if TYPE_CHECKING:
    from azure.data.tables import TableServiceClient

TABLE = "HmacKeys"

KeyState = Literal[Standing, "revoked"]


@dataclass(frozen=True, slots=True, kw_only=True)
class KeyRecord:
    """One key of one instance. `created_at`, `promoted_at` and `accept_until` are RFC 3339, "" for not yet or never.
    `etag` names the version of the row that was read, "" for a key that is not recorded yet.
    """

    instance_id: str
    key_id: str
    state: KeyState
    rotation_id: str
    created_at: str
    promoted_at: str = ""
    accept_until: str = ""
    etag: str = field(default="", compare=False, repr=False)

    def accepted(self, now: datetime) -> bool:
        """Whether a signature with this key is accepted at `now` (aware). A malformed `accept_until` means no."""
        if self.state in ("pending", "current"):
            return True
        if self.state != "previous" or not self.accept_until:
            return self.state == "previous"
        try:
            return now < from_rfc3339(self.accept_until)
        except (ValueError, TypeError):  # TypeError: the time has no offset
            return False

    def __str__(self) -> str:
        """Return the key's state for a plan."""
        return f"{self.state} until {self.accept_until}" if self.accept_until else self.state


class HmacKeys:
    """The table. Many threads may use it. Raises azure.core's errors if the service cannot be reached, fails, or
    refuses the identity."""

    def __init__(self, tables: "TableServiceClient") -> None:
        self._tables = tables

    def read(self, instance_id: str, key_id: str) -> KeyRecord | None:
        """Return a key's record, None if there is none. `key_id` may be any text."""
        from azure.core.exceptions import ResourceNotFoundError

        try:
            return _record(self._tables.get_table_client(TABLE).get_entity(instance_id, key_id))
        except ResourceNotFoundError:
            return None

    def of_instance(self, instance_id: str) -> Sequence[KeyRecord]:
        """Return every key of an instance, in the order of their ids."""
        return [_record(entity) for entity in partition_of(self._tables, TABLE, instance_id)]

    def add(self, record: KeyRecord) -> bool:
        """Record a new key. Return False, and change nothing, if it is recorded already."""
        return insert_if_absent(self._tables, TABLE, record.instance_id, record.key_id, _columns(record))

    def change(self, record: KeyRecord) -> bool:
        """Record the new state of a key that was read. Return False, and change nothing, if somebody changed it since.

        Raises ResourceNotFoundError if it is not recorded.
        """
        return change_if_unchanged(
            self._tables, TABLE, record.instance_id, record.key_id, _columns(record), etag=record.etag
        )


def _columns(record: KeyRecord) -> dict[str, Any]:
    return {
        "state": record.state,
        "rotationId": record.rotation_id,
        "createdAt": record.created_at,
        "promotedAt": record.promoted_at,
        "acceptUntil": record.accept_until,
    }


def _record(entity: Mapping[str, Any]) -> KeyRecord:
    return KeyRecord(
        instance_id=str(entity["PartitionKey"]),
        key_id=str(entity["RowKey"]),
        state=cast(KeyState, str(entity.get("state", ""))),
        rotation_id=str(entity.get("rotationId", "")),
        created_at=str(entity.get("createdAt", "")),
        promoted_at=str(entity.get("promotedAt", "")),
        accept_until=str(entity.get("acceptUntil", "")),
        etag=etag_of(entity),
    )
