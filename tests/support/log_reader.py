"""Read the events in the operations table, and those that wait in the spool, with the official clients."""

import json
from typing import Any

from azure.identity import ManagedIdentityCredential
from azure.monitor.query import LogsQueryClient, LogsQueryResult
from azure.storage.blob import BlobServiceClient

from runbook_lib.operations_log.delivery import SPOOL_CONTAINER
from runbook_lib.operations_log.events import TABLE
from tests.support.running_lab import LabUnderTest


def table_rows(lab: LabUnderTest) -> list[dict[str, Any]]:
    """Return the operations table's rows in the order of their arrival."""
    with (
        ManagedIdentityCredential(client_id=lab.env["VIBEDATA_UAMI_CLIENT_ID"]) as credential,
        LogsQueryClient(credential, endpoint=lab.env["VIBEDATA_LOGS_QUERY_ENDPOINT"]) as client,
    ):
        workspace = lab.control("GET", "/names")["workspace_id"]
        result = client.query_workspace(workspace, TABLE, timespan=None)
        assert isinstance(result, LogsQueryResult)
        (table,) = result.tables
        return [dict(zip(table.columns, row, strict=True)) for row in table.rows]


def spooled(lab: LabUnderTest) -> dict[str, list[dict[str, Any]]]:
    """Return the spool's blobs and the events in them."""
    with (
        ManagedIdentityCredential(client_id=lab.env["VIBEDATA_UAMI_CLIENT_ID"]) as credential,
        BlobServiceClient(lab.env["VIBEDATA_BLOB_ENDPOINT"], credential) as client,
        client.get_container_client(SPOOL_CONTAINER) as container,
    ):
        return {name: json.loads(container.download_blob(name).readall()) for name in container.list_blob_names()}
