"""The publisher's tables. A table is created with its first row. Rows are inserted once, or merged."""

from collections.abc import Iterator, Mapping
from typing import TYPE_CHECKING, Any

from runbook_lib.network.listing import bounded

if TYPE_CHECKING:
    from azure.data.tables import TableServiceClient


def partition_of(tables: "TableServiceClient", table: str, partition: str) -> Iterator[Mapping[str, Any]]:
    """Yield the rows of a partition in the order of their keys. Yield none if there is no such table.

    Raises RunbookError VD-STORAGE-005 if there are far too many.
    """
    from azure.core.exceptions import ResourceNotFoundError

    rows = tables.get_table_client(table).query_entities(
        "PartitionKey eq @partition", parameters={"partition": partition}
    )
    try:
        yield from bounded(rows, target=f"table {table}")
    except ResourceNotFoundError:
        return


def insert_if_absent(
    tables: "TableServiceClient",
    table: str,
    partition: str,
    row: str,
    columns: Mapping[str, Any],
    *,
    repeatable: bool = False,
) -> bool:
    """Insert a row, and return whether it was absent.

    If two writers insert it at once, the service lets one of them succeed.

    `repeatable` says whether to send the insertion again if its answer was lost. Then it may find its own row. The
    creation of the table is sent again as well.
    """
    from azure.core.exceptions import ResourceExistsError, ResourceNotFoundError

    client = tables.get_table_client(table)
    entity = {"PartitionKey": partition, "RowKey": row, **columns}
    # runbook_lib.network.sdk_retry defines this option. A client over another transport does not know it.
    options = {"repeatable": True} if repeatable else {}
    try:
        try:
            client.create_entity(entity, **options)
        except ResourceNotFoundError:
            tables.create_table_if_not_exists(table, **options)
            client.create_entity(entity, **options)
    except ResourceExistsError:
        return False
    return True


def etag_of(entity: Mapping[str, Any]) -> str:
    """Return the ETag of the version of a row that was read."""
    return str(entity.metadata["etag"])  # type: ignore[attr-defined]


def change_if_unchanged(
    tables: "TableServiceClient",
    table: str,
    partition: str,
    row: str,
    columns: Mapping[str, Any],
    *,
    etag: str,
    repeatable: bool = False,
) -> bool:
    """Set columns of a row, and return whether the row was still the version that `etag` names.

    If the answer was lost, the write is sent again, and then it finds its own change. This counts as a success if the
    row has these columns. `repeatable` is the same as for `insert_if_absent`. Raises ResourceNotFoundError if there is
    no such row.
    """
    from azure.core import MatchConditions
    from azure.core.exceptions import ResourceModifiedError
    from azure.data.tables import UpdateMode

    client = tables.get_table_client(table)
    entity = {"PartitionKey": partition, "RowKey": row, **columns}
    try:
        condition: dict[str, Any] = {"etag": etag, "match_condition": MatchConditions.IfNotModified}
        condition |= {"repeatable": True} if repeatable else {}
        client.update_entity(entity, mode=UpdateMode.MERGE, **condition)
    except ResourceModifiedError:
        there = client.get_entity(partition, row)
        return all(there.get(name) == value for name, value in columns.items())
    return True
