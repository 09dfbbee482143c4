"""The numbered rows of an instance in one of the publisher's tables. The newest row has the smallest key.

A number is used once (insert-if-absent). If two operators insert the same number at the same moment, only one succeeds.
Nothing is deleted, because the rows are the history.
"""

import re
from collections.abc import Mapping, Sequence
from itertools import islice
from typing import TYPE_CHECKING, Any

from publisher.tables import change_if_unchanged, insert_if_absent

if TYPE_CHECKING:
    from azure.data.tables import TableServiceClient

# The newest row has the smallest key, so that one request finds it.
_LAST_NUMBER = 99_999_999
_NUMBER = re.compile(r"[0-9]{8}")
# The number of rows with other keys that are ignored before our newest row.
MAX_STRANGE_ROWS = 100


class NumberedRows:
    """One table of numbered rows. The partition is the instance's id. Raises azure.core's errors."""

    def __init__(self, tables: "TableServiceClient", table: str) -> None:
        self._tables = tables
        self._table = table

    def recent(self, partition: str, most: int) -> Sequence[Mapping[str, Any]]:
        """Return at most the `most` last rows, the newest first. Return none if there is no such table."""
        from azure.core.exceptions import ResourceNotFoundError

        # Ignore a row whose key is not a number of ours.
        rows = self._tables.get_table_client(self._table).query_entities(
            "PartitionKey eq @partition and RowKey ge @first and RowKey le @last",
            parameters={"partition": partition, "first": _key(_LAST_NUMBER), "last": _key(0)},
            results_per_page=most,
        )
        try:
            ours = (row for row in islice(rows, MAX_STRANGE_ROWS) if _NUMBER.fullmatch(str(row["RowKey"])))
            return list(islice(ours, most))
        except ResourceNotFoundError:
            return []

    def insert(self, partition: str, number: int, columns: Mapping[str, Any]) -> bool:
        """Insert a row under its number. Return False if another row has this number."""
        return insert_if_absent(self._tables, self._table, partition, _key(number), columns)

    def change(self, partition: str, number: int, columns: Mapping[str, Any], *, etag: str) -> bool:
        """Set columns of a row. Return False, and change nothing, if somebody changed it since it was read."""
        return change_if_unchanged(self._tables, self._table, partition, _key(number), columns, etag=etag)


def number_of(row: Mapping[str, Any]) -> int:
    """Return the number of a row that `recent` returned."""
    return _LAST_NUMBER - int(str(row["RowKey"]))


def _key(number: int) -> str:
    return f"{_LAST_NUMBER - number:08d}"
