"""The publisher's table Instances has one row for each instance, with its document as JSON.

Partition: `instance`; row: the instance's id. A row is changed or removed only if nobody has changed it since it was
read. Others may write to the table. So a row counts only if its document has the published form and the row's own id.

A row also has the standing of its instance. A deprovisioned instance keeps its row as a tombstone. So its id is never
given again, and people can look up what happened. No command works with a tombstone, and no list shows it.
"""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Literal, get_args

from publisher.instances.document import Instance, read, to_json
from publisher.tables import change_if_unchanged, etag_of, insert_if_absent, partition_of
from runbook_lib.basics.visible_text import one_line
from runbook_lib.errors import RunbookError, publisher
from runbook_lib.network.listing import bounded

if TYPE_CHECKING:
    from azure.data.tables import TableServiceClient

# leaving: the instance is being deprovisioned, and this can be undone. ended: the instance is gone.
Standing = Literal["active", "leaving", "ended"]

TABLE = "Instances"
PARTITION = "instance"
MAX_SHOWN_CHARACTERS = 80


@dataclass(frozen=True, slots=True, kw_only=True)
class Row:
    """A row as it was read.

    Attributes:
        key: The row's key in a form that may be shown.
        instance: The instance, None if the row does not count. Then `trouble` says why.
        since: When the instance got its standing, RFC 3339, "" if it was always active.
    """

    key: str
    instance: Instance | None
    trouble: RunbookError | None
    etag: str = field(compare=False)
    standing: Standing = "active"
    since: str = ""


class Instances:
    """The table. Raises azure.core's errors if the service cannot be reached, fails, or refuses the login."""

    def __init__(self, tables: "TableServiceClient") -> None:
        self._tables = tables

    def row(self, instance_id: str) -> Row | None:
        """Return an instance's row, None if there is none."""
        from azure.core.exceptions import ResourceNotFoundError

        try:
            return _row(self._tables.get_table_client(TABLE).get_entity(PARTITION, instance_id))
        except ResourceNotFoundError:
            return None

    def instance(self, instance_id: str) -> Instance:
        """Return an instance.

        Raises RunbookError VD-INSTANCE-002 (there is none), -006 (its row is malformed), -010 (it is deprovisioned).
        """
        found = self.row(instance_id)
        if found is None:
            raise publisher.NO_SUCH_INSTANCE.error(target=instance_id)
        if found.instance is None:
            raise found.trouble or publisher.ROW_MALFORMED.error(target=found.key)
        if found.standing == "ended":
            raise publisher.INSTANCE_ENDED.error(f"since {found.since}", target=found.key)
        return found.instance

    def all(self) -> Iterator[Row]:
        """Yield every row except tombstones, in the order of the keys. Yield none if there is no such table."""
        rows = map(_row, bounded(partition_of(self._tables, TABLE, PARTITION), target=f"table {TABLE}"))
        yield from (row for row in rows if row.standing != "ended")

    def add(self, instance: Instance) -> Literal["added", "unchanged"]:
        """Add an instance. If the same document is there already, change nothing.

        Raises RunbookError VD-INSTANCE-004 if another document has the id.
        """
        if insert_if_absent(self._tables, TABLE, PARTITION, instance.id, _columns(instance), repeatable=True):
            return "added"
        there = self.row(instance.id)
        if there is None or there.instance != instance or there.standing == "ended":
            raise publisher.ID_TAKEN.error(target=instance.id)
        return "unchanged"

    def change(self, row: Row, instance: Instance) -> None:
        """Put an instance into a row that was read.

        Raises RunbookError VD-INSTANCE-005 if the row has changed since.
        """
        self._set(instance.id, row, _columns(instance))

    def stand(self, instance_id: str, row: Row, standing: Standing, since: str) -> None:
        """Record the standing of an instance in a row that was read. `since` is RFC 3339.

        Raises RunbookError VD-INSTANCE-005 if the row has changed since.
        """
        self._set(instance_id, row, {"standing": standing, "standingSince": since})

    def _set(self, instance_id: str, row: Row, columns: Mapping[str, Any]) -> None:
        from azure.core.exceptions import ResourceNotFoundError

        try:
            done = change_if_unchanged(
                self._tables, TABLE, PARTITION, instance_id, columns, etag=row.etag, repeatable=True
            )
        except ResourceNotFoundError:
            done = False
        if not done:
            raise publisher.CHANGED_MEANWHILE.error(target=instance_id)

    def remove(self, instance_id: str, row: Row) -> None:
        """Remove a row that was read. Raises RunbookError VD-INSTANCE-005 if it has changed since.

        If the answer was lost, the request is sent again and finds no row. Then the row counts as removed.
        """
        from azure.core import MatchConditions
        from azure.core.exceptions import ResourceModifiedError

        client = self._tables.get_table_client(TABLE)
        try:
            client.delete_entity(PARTITION, instance_id, etag=row.etag, match_condition=MatchConditions.IfNotModified)
        except ResourceModifiedError as error:
            raise publisher.CHANGED_MEANWHILE.error(target=instance_id) from error


def _columns(instance: Instance) -> dict[str, Any]:
    return {"document": to_json(instance)}


def _row(entity: Mapping[str, Any]) -> Row:
    key = one_line(str(entity["RowKey"]), MAX_SHOWN_CHARACTERS)
    instance, trouble = None, None
    try:
        document = entity.get("document")
        instance = read(document if isinstance(document, str) else "", source=f"table {TABLE}, row {key}")
        if instance.id != entity["RowKey"]:
            raise publisher.DOCUMENT_MALFORMED.error(f"its id is {instance.id}", target=f"table {TABLE}, row {key}")
    except RunbookError as error:
        instance, trouble = None, publisher.ROW_MALFORMED.error(error.detail, target=key)
    standing, since = entity.get("standing", "active"), entity.get("standingSince", "")
    if standing not in get_args(Standing) or not isinstance(since, str):
        detail = f"column standing takes one of {', '.join(get_args(Standing))}"
        instance, trouble, standing = None, publisher.ROW_MALFORMED.error(detail, target=key), "active"
    since = one_line(str(since), MAX_SHOWN_CHARACTERS)
    return Row(key=key, instance=instance, trouble=trouble, etag=etag_of(entity), standing=standing, since=since)
