"""Create the component registry's tables. Only a bootstrap does this, so other built runbooks do not carry it."""

from typing import TYPE_CHECKING

from runbook_lib.errors import component_registry

if TYPE_CHECKING:
    from azure.data.tables import TableServiceClient


def table_exists(service: "TableServiceClient", table: str) -> bool:
    """Return whether there is a table of this name. Raises azure.core's errors."""
    found = service.query_tables("TableName eq @name", parameters={"name": table})
    return any(True for _ in found)


def create_table(service: "TableServiceClient", table: str) -> None:
    """Create a table if there is none.

    Raises RunbookError VD-COMPONENT-007 (it cannot be made now), and azure.core's errors.
    """
    from azure.core.exceptions import HttpResponseError

    try:
        service.create_table(table)
    except HttpResponseError as error:
        if error.status_code == 409 and not table_exists(service, table):
            raise component_registry.TABLE_NOT_MADE.error(error.message.partition("\n")[0], target=table) from error
        if error.status_code != 409:
            raise
