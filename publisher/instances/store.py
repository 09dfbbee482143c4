"""The publisher's table Instances: one row for each instance, with its document as JSON.

Partition: `instance`; row: the instance's id. A row is changed and removed on the condition that it is as it was read.
Others may write to the table: a row counts only if its document is of the published schema and of the row's own id.
"""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Literal

from publisher.instances.document import Instance, read, to_json
from publisher.tables import change_if_unchanged, etag_of, insert_if_absent, partition_of
from runbook_lib.basics.visible_text import one_line
from runbook_lib.errors import RunbookError, publisher
from runbook_lib.network.listing import bounded

if TYPE_CHECKING:
    from azure.data.tables import TableServiceClient

TABLE = "Instances"
PARTITION = "instance"
MAX_SHOWN_CHARACTERS = 80


@dataclass(frozen=True, slots=True, kw_only=True)
class Row:
    """A row as it was read. instance: None where `trouble` says why the row does not count. key: the row's, as it may
    be shown.
    """

    key: str
    instance: Instance | None
    trouble: RunbookError | None
    etag: str = field(compare=False)


class Instances:
    """The table. Raises azure.core's errors where the service cannot be reached, fails, or refuses the login."""

    def __init__(self, tables: "TableServiceClient") -> None:
        self._tables = tables

    def row(self, instance_id: str) -> Row | None:
        """Return an instance's row, None where there is none."""
        from azure.core.exceptions import ResourceNotFoundError

        try:
            return _row(self._tables.get_table_client(TABLE).get_entity(PARTITION, instance_id))
        except ResourceNotFoundError:
            return None

    def instance(self, instance_id: str) -> Instance:
        """Return an instance. Raises RunbookError VD-INSTANCE-002 (there is none), -006 (its row is malformed)."""
        found = self.row(instance_id)
        if found is None:
            raise publisher.NO_SUCH_INSTANCE.error(target=instance_id)
        if found.instance is None:
            raise found.trouble or publisher.ROW_MALFORMED.error(target=found.key)
        return found.instance

    def all(self) -> Iterator[Row]:
        """Yield every row in the order of the keys; none where there is no such table."""
        yield from map(_row, bounded(partition_of(self._tables, TABLE, PARTITION), target=f"table {TABLE}"))

    def add(self, instance: Instance) -> Literal["added", "unchanged"]:
        """Add an instance; the same one may be there already.

        Raises RunbookError VD-INSTANCE-004 where another document has the id.
        """
        if insert_if_absent(self._tables, TABLE, PARTITION, instance.id, _columns(instance), repeatable=True):
            return "added"
        there = self.row(instance.id)
        if there is None or there.instance != instance:
            raise publisher.ID_TAKEN.error(target=instance.id)
        return "unchanged"

    def change(self, row: Row, instance: Instance) -> None:
        """Put an instance into a row that was read. Raises RunbookError VD-INSTANCE-005 where it has changed since."""
        from azure.core.exceptions import ResourceNotFoundError

        try:
            done = change_if_unchanged(
                self._tables, TABLE, PARTITION, instance.id, _columns(instance), etag=row.etag, repeatable=True
            )
        except ResourceNotFoundError:
            done = False
        if not done:
            raise publisher.CHANGED_MEANWHILE.error(target=instance.id)

    def remove(self, instance_id: str, row: Row) -> None:
        """Remove a row that was read. Raises RunbookError VD-INSTANCE-005 where it has changed since.

        A removal that lost its answer is sent again and finds no row: then it is removed.
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
    return Row(key=key, instance=instance, trouble=trouble, etag=etag_of(entity))
