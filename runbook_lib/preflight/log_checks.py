"""Check whether the operations log takes the runbooks' events: the data collection rule, and the workspace's table."""

import json
import shlex
from collections.abc import Mapping
from typing import Any
from urllib.parse import quote, urlencode

from runbook_lib.azure.arm_listing import items_of
from runbook_lib.azure.session import AzureSession
from runbook_lib.basics.strict_json import member
from runbook_lib.basics.visible_text import one_line
from runbook_lib.errors import deployment
from runbook_lib.operations_log.delivery import STREAM
from runbook_lib.operations_log.events import COLUMNS, TABLE

MONITOR_API_VERSION = "2024-03-11"
WORKSPACES_API_VERSION = "2025-07-01"
# The maximum length of a type's name that somebody else may have written. Longer names are cut.
_SHOWN_CHARACTERS = 40


def check_rule(session: AzureSession) -> str:
    """Compare the rule's stream and its data flow with the events that the runbooks write.

    Raises RunbookError VD-PREFLIGHT-005, -006, VD-ARM-* and azure.core's errors.
    """
    rule = _rule(session)
    declared = member(rule, "properties", "streamDeclarations", STREAM, "columns")
    wrong = unfit_columns(declared)
    if wrong:
        raise deployment.RULE_UNFIT.error(wrong, target=STREAM, line=rule_line(str(member(rule, "id"))))
    if not _leads_to_table(rule):
        raise deployment.RULE_UNFIT.error(f"no data flow leads from it to the table {TABLE}", target=STREAM)
    return f"takes {len(COLUMNS)} columns"


def check_table(session: AzureSession) -> str:
    """Compare the table's columns with the events that the runbooks write.

    Raises the errors of check_rule, and VD-PREFLIGHT-011.
    """
    workspace = _workspace(session.settings.resource_group_id, _rule(session))
    query = urlencode({"api-version": WORKSPACES_API_VERSION})
    address = f"{quote(workspace, safe='/()')}/tables?{query}"
    tables = items_of(session.clients.resources, session.settings, address)
    table = next((each for each in tables if member(each, "name") == TABLE), None)
    columns = [
        column
        for part in ("columns", "standardColumns")
        if isinstance(found := member(table, "properties", "schema", part), list)
        for column in found
    ]
    wrong = "there is no such table" if table is None else unfit_columns(columns)
    if wrong:
        raise deployment.TABLE_UNFIT.error(wrong, target=TABLE, line=table_line(workspace))
    return f"has {len(COLUMNS)} columns"


def unfit_columns(columns: object) -> str:
    """Return how `columns`, as ARM shows them, differ from those of the events, "" if they do not differ. Pure."""
    if not isinstance(columns, list):
        return "it has no columns"
    types = {name: str(member(each, "type")) for each in columns if isinstance(name := member(each, "name"), str)}
    missing = [name for name in COLUMNS if name not in types]
    other = [
        f"{name} is {one_line(types[name], _SHOWN_CHARACTERS)}, not {kind}"
        for name, kind in COLUMNS.items()
        # The type is datetime in a rule, and dateTime in a table.
        if name in types and types[name].lower() != kind
    ]
    return "; ".join([f"it lacks {', '.join(missing)}"] * bool(missing) + other)


def _rule(session: AzureSession) -> Mapping[str, Any]:
    settings = session.settings
    group = quote(settings.resource_group_id, safe="/()")
    query = urlencode({"api-version": MONITOR_API_VERSION})
    rules = items_of(
        session.clients.resources, settings, f"{group}/providers/Microsoft.Insights/dataCollectionRules?{query}"
    )
    rule = next((each for each in rules if member(each, "properties", "immutableId") == settings.dcr_id), None)
    if rule is None:
        raise deployment.NO_RULE.error(target=settings.dcr_id)
    return rule


def _leads_to_table(rule: Mapping[str, Any]) -> bool:
    flows = member(rule, "properties", "dataFlows")
    return isinstance(flows, list) and any(
        isinstance(streams := member(flow, "streams"), list)
        and STREAM in streams
        and member(flow, "outputStream") in (None, f"Custom-{TABLE}")
        for flow in flows
    )


def _workspace(group: str, rule: Mapping[str, Any]) -> str:
    """Return the ARM id of the workspace that the rule writes to. It must be in the instance's own resource group."""
    destinations = member(rule, "properties", "destinations", "logAnalytics")
    ids = [str(member(each, "workspaceResourceId")) for each in destinations] if isinstance(destinations, list) else []
    below = f"{group}/providers/Microsoft.OperationalInsights/workspaces/".lower()
    found = [each for each in ids if each.lower().startswith(below) and "/" not in each[len(below) :]]
    if not found:
        raise deployment.RULE_UNFIT.error("it writes to no workspace of the managed resource group", target=STREAM)
    return found[0]


def rule_line(rule: str) -> str:
    """Return the command of the Azure CLI that gives a rule the stream's columns. rule: its ARM id. Pure."""
    columns = [{"name": name, "type": kind} for name, kind in COLUMNS.items()]
    path = f"properties.streamDeclarations.{STREAM}.columns={json.dumps(columns, separators=(',', ':'))}"
    return f"az resource update --ids {shlex.quote(rule)} --api-version {MONITOR_API_VERSION} --set {shlex.quote(path)}"


def table_line(workspace: str) -> str:
    """Return the command of the Azure CLI that makes the table in a workspace. workspace: its ARM id. Pure."""
    _, _, subscription, _, group, *_, name = workspace.split("/")
    columns = " ".join(f"{column}={'dateTime' if kind == 'datetime' else kind}" for column, kind in COLUMNS.items())
    where = f"--subscription {subscription} --resource-group {shlex.quote(group)} --workspace-name {shlex.quote(name)}"
    return f"az monitor log-analytics workspace table create {where} --name {TABLE} --columns {columns}"
