"""ARM's view of the workspace and of the data collection rule that the deployment creates.

Faithful: GET of the rule (kind Direct, with its own ingestion endpoint) and of the group's list; PUT of the rule with
other columns of its stream. Creating a rule, or changing anything else, is refused. Left out: data collection
endpoints, associations. Source: Microsoft.Insights dataCollectionRules 2023-03-11.

The control API: `POST /rule {"without": [columns]}` shows the rule's stream without these columns from now on.
"""

from collections.abc import Collection, Mapping
from typing import Any

from aiohttp import web

from lab import snapshots
from lab.arm.dispatch import Arm, ArmRefusal, Names, json_body, only_fields, resource_not_found
from lab.arm.resources import Resource
from lab.front.faults import InvalidFaultError
from lab.monitor.tables import OPERATIONS_COLUMNS
from lab.resource_group.resources import resource
from lab.shared import Lab

API_VERSIONS = ("2022-06-01", "2023-03-11", "2024-03-11")
TYPE = "Microsoft.Insights/dataCollectionRules"
WORKSPACE_API_VERSIONS = ("2026-03-01", "2025-07-01", "2025-02-01", "2023-09-01")
WORKSPACE_TYPE = "Microsoft.OperationalInsights/workspaces"


def register(arm: Arm) -> None:
    """Add the workspace, and serve the rule."""
    lab = arm.lab
    arm.deployed(lambda: [_workspace(lab), _listed_rule(lab)])

    missing: set[str] = set()

    async def change(body: object) -> object:
        columns = body["without"] if isinstance(body, dict) and set(body) == {"without"} else None
        known = list(OPERATIONS_COLUMNS)  # A name in the body may be a list, which no dictionary takes as a key.
        if not isinstance(columns, list) or not all(name in known for name in columns):
            raise InvalidFaultError("a rule is {without}, a list of columns of its stream")
        missing.clear()
        missing.update(columns)
        return body

    async def reset() -> None:
        missing.clear()

    lab.controls["POST", "/rule"] = change
    lab.on_reset.append(reset)
    lab.on_keep.append(snapshots.of_content(missing))

    async def one(_request: web.Request, names: Names) -> web.Response:
        if names["rule"].lower() != lab.names.dcr.lower():
            raise resource_not_found(TYPE, names["rule"], lab.names.resource_group)
        return web.json_response(rule(lab, missing))

    async def every(_request: web.Request, _names: Names) -> web.Response:
        return web.json_response({"value": [rule(lab, missing)]})

    async def put(request: web.Request, names: Names) -> web.Response:
        if names["rule"].lower() != lab.names.dcr.lower():
            raise resource_not_found(TYPE, names["rule"], lab.names.resource_group)
        present = rule(lab, missing)
        sent = await json_body(request, {*present, "tags"})
        properties = only_fields(sent.get("properties", {}), present["properties"], "properties")
        named = _columns(properties, f"Custom-{lab.names.operations_table}")
        without = {name for name in OPERATIONS_COLUMNS if name not in named}
        wanted = rule(lab, without)
        if {**properties, "provisioningState": "Succeeded"} != wanted["properties"]:
            raise ArmRefusal(400, "InvalidPayload", "The lab can change only the columns of a rule's stream.")
        missing.clear()
        missing.update(without)
        return web.json_response(wanted)

    arm.provider("Microsoft.Insights", "dataCollectionRules", API_VERSIONS, {"GET": every})
    arm.provider("Microsoft.Insights", "dataCollectionRules/{rule}", API_VERSIONS, {"GET": one, "PUT": put})


def _columns(properties: Mapping[str, Any], stream: str) -> list[object]:
    """Return the names of the columns that a body gives a stream; none if it does not describe the stream."""
    found: object = properties.get("streamDeclarations")
    for key in (stream, "columns"):
        found = found.get(key) if isinstance(found, dict) else None
    return [each.get("name") for each in found if isinstance(each, dict)] if isinstance(found, list) else []


def _workspace(lab: Lab) -> Resource:
    properties = {
        "customerId": lab.names.workspace_id,
        "provisioningState": "Succeeded",
        "retentionInDays": 90,
        "sku": {"name": "PerGB2018"},
    }
    return resource(lab, WORKSPACE_TYPE, lab.names.workspace, properties)


def _listed_rule(lab: Lab) -> Resource:
    """Return the rule as the resource listing shows it."""
    shown = rule(lab)
    return resource(lab, TYPE, shown["name"], shown["properties"], kind=shown["kind"])


def rule(lab: Lab, missing: Collection[str] = ()) -> dict[str, Any]:
    """Return the rule as ARM shows it. missing: columns that its stream does not have."""
    names = lab.names
    workspace = f"{names.resource_group_id}/providers/{WORKSPACE_TYPE}/{names.workspace}"
    stream = f"Custom-{names.operations_table}"
    columns = [{"name": name, "type": kind} for name, kind in OPERATIONS_COLUMNS.items() if name not in missing]
    return {
        "id": f"{names.resource_group_id}/providers/{TYPE}/{names.dcr}",
        "name": names.dcr,
        "type": TYPE,
        "location": names.location,
        "kind": "Direct",
        "properties": {
            "immutableId": names.dcr_immutable_id,
            "endpoints": {"logsIngestion": lab.urls["logs"]},
            "streamDeclarations": {stream: {"columns": columns}},
            "destinations": {
                "logAnalytics": [
                    {"name": "workspace", "workspaceResourceId": workspace, "workspaceId": names.workspace_id}
                ]
            },
            "dataFlows": [
                {
                    "streams": [stream],
                    "destinations": ["workspace"],
                    "transformKql": "source",
                    "outputStream": stream,
                }
            ],
            "provisioningState": "Succeeded",
        },
    }
