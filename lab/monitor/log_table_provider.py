"""ARM's view of the workspace's table for the operations log.

Faithful: GET of the table and of the list, PUT and PATCH with `schema` (200 at once, where Azure may answer 202),
DELETE. After a write, the table has exactly the sent columns and the standard ones. No column changes its type. Left
out: other tables, plans, retention, search jobs. In Azure, ingestion drops values without a column. In the lab,
ingestion knows every column, even one that the table does not show.
Source: learn rest/api/loganalytics, tables; azure-mgmt-loganalytics 14.0.0.
"""

from collections.abc import Mapping
from typing import Any

from aiohttp import web

from lab import snapshots
from lab.arm.dispatch import Arm, ArmRefusal, Names, json_body, only_fields, resource_not_found
from lab.monitor.tables import OPERATIONS_COLUMNS

API_VERSIONS = ("2025-07-01", "2025-02-01", "2023-09-01", "2022-10-01")
TYPE = "Microsoft.OperationalInsights/workspaces/tables"
COLUMN_TYPES = ("string", "int", "long", "real", "boolean", "dateTime", "guid", "dynamic")
# Columns that every table has (learn azure-monitor/logs/log-standard-columns).
STANDARD = {"TenantId": "guid", "Type": "string", "_ResourceId": "string", "_SubscriptionId": "string"}
PROPERTIES = {"retentionInDays", "totalRetentionInDays", "plan", "schema"}
SCHEMA = {"name", "displayName", "description", "columns"}


def register(arm: Arm) -> None:
    """Serve the table of the operations log."""
    names = arm.lab.names
    workspace = f"{names.resource_group_id}/providers/Microsoft.OperationalInsights/workspaces/{names.workspace}"
    columns: dict[str, str] = {}

    async def reset() -> None:
        columns.clear()
        columns.update({name: "dateTime" if kind == "datetime" else kind for name, kind in OPERATIONS_COLUMNS.items()})

    def shown() -> dict[str, Any]:
        return {
            "id": f"{workspace}/tables/{names.operations_table}",
            "name": names.operations_table,
            "type": TYPE,
            "properties": {
                "plan": "Analytics",
                "retentionInDays": 90,
                "totalRetentionInDays": 90,
                "provisioningState": "Succeeded",
                "schema": {
                    "name": names.operations_table,
                    "columns": [{"name": name, "type": kind} for name, kind in columns.items()],
                    "standardColumns": [{"name": name, "type": kind} for name, kind in STANDARD.items()],
                    "tableType": "CustomLog",
                    "tableSubType": "DataCollectionRuleBased",
                },
            },
        }

    def check_there(asked: Names) -> None:
        if not columns or asked["table"] != names.operations_table:
            raise resource_not_found(TYPE, f"{asked['workspace']}/{asked['table']}", names.resource_group)

    async def every(_request: web.Request, _names: Names) -> web.Response:
        return web.json_response({"value": [shown()] if columns else []})

    async def one(_request: web.Request, asked: Names) -> web.Response:
        check_there(asked)
        return web.json_response(shown())

    async def put(request: web.Request, asked: Names) -> web.Response:
        if asked["table"] != names.operations_table:
            raise ArmRefusal(400, "InvalidParameter", "The lab has no other table.")
        body = await json_body(request, {"properties"})
        properties = only_fields(body.get("properties", {}), PROPERTIES, "properties")
        sent = read_columns(only_fields(properties.get("schema", {}), SCHEMA, "schema").get("columns"))
        changed = sorted(name for name in {*sent, *columns} if sent.get(name) != columns.get(name, sent.get(name)))
        if any(name in sent for name in changed):
            message = f"Column types cannot be changed: {', '.join(name for name in changed if name in sent)}."
            raise ArmRefusal(400, "InvalidParameter", message)
        columns.clear()
        columns.update(sent)
        return web.json_response(shown())

    async def patch(request: web.Request, asked: Names) -> web.Response:
        check_there(asked)
        return await put(request, asked)

    async def delete(_request: web.Request, asked: Names) -> web.Response:
        check_there(asked)
        columns.clear()
        return web.Response(status=200)

    arm.lab.on_reset.append(reset)
    arm.lab.on_keep.append(snapshots.of_content(columns))
    columns.update({name: "dateTime" if kind == "datetime" else kind for name, kind in OPERATIONS_COLUMNS.items()})
    pattern, namespace = "workspaces/{workspace}/tables", "Microsoft.OperationalInsights"
    arm.provider(namespace, pattern, API_VERSIONS, {"GET": every})
    handlers = {"GET": one, "PUT": put, "PATCH": patch, "DELETE": delete}
    arm.provider(namespace, f"{pattern}/{{table}}", API_VERSIONS, handlers)


def read_columns(value: object) -> Mapping[str, str]:
    """Return the columns of a body by name; ArmRefusal 400 if one is malformed. Pure."""
    items = value if isinstance(value, list) else []
    read: dict[str, str] = {}
    for item in items:
        column = only_fields(item, {"name", "type", "displayName", "description", "dataTypeHint"}, "a column")
        kind = next((one for one in COLUMN_TYPES if one.lower() == str(column.get("type")).lower()), None)
        if kind is None:
            raise ArmRefusal(400, "InvalidParameter", f"The column type '{column.get('type')}' is not valid.")
        read[str(column.get("name"))] = kind
    if read.get("TimeGenerated") != "dateTime":
        raise ArmRefusal(400, "InvalidParameter", "A table has the column TimeGenerated of type dateTime.")
    return read
