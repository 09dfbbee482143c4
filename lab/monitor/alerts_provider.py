"""Microsoft.Insights alert rules and action groups, as azure-mgmt-monitor 7.0.0 reads them.

Faithful: metricAlerts (2018-03-01, 2026-01-01), scheduledQueryRules (2023-12-01) and actionGroups (2023-01-01) of the
managed resource group, by name and as lists of the group and of the subscription, without pages as in Azure. An action
group and a metric alert have the region `global`. Left out: writes, fired alerts, alert processing rules, test
notifications. `POST /alerts` of the control API changes a rule or a group:

    {"name": "vibedata-health", "enabled": false}               a rule or group that is switched off
    {"name": "vibedata-health", "actions": []}                  a rule that notifies nobody (ids of action groups)
    {"name": "vibedata-operators", "receivers": "Disabled"}     receivers that have unsubscribed (or "Enabled")

`POST /resources {"delete": [...]}` deletes a rule. Source: learn rest/api/monitor.
"""

from typing import Any

from aiohttp import web

from lab.arm.dispatch import Arm, Names
from lab.arm.resources import ManagedResources, Resource, of_provider
from lab.front.faults import InvalidFaultError
from lab.resource_group.resources import resource, resource_id
from lab.shared import Lab

NAMESPACE = "Microsoft.Insights"
METRIC_ALERTS, QUERY_RULES, ACTION_GROUPS = (
    f"{NAMESPACE}/{kind}" for kind in ("metricAlerts", "scheduledQueryRules", "actionGroups")
)
API_VERSIONS = {
    METRIC_ALERTS: ("2026-01-01", "2018-03-01"),
    QUERY_RULES: ("2023-12-01", "2022-06-15", "2021-08-01"),
    ACTION_GROUPS: ("2023-01-01", "2022-06-01", "2021-09-01", "2024-10-01-preview"),
}
RECEIVER_STATES = ("Enabled", "Disabled")
CHANGES = {"name", "enabled", "actions", "receivers"}
GROUP_NAME = "vibedata-operators"

# Name, resource that it watches, its metric's namespace, metric, operator, threshold, severity.
METRIC_RULES = (
    ("vibedata-vault-availability", "Microsoft.KeyVault/vaults", "Availability", "LessThan", 99.0, 1),
    ("vibedata-storage-availability", "Microsoft.Storage/storageAccounts", "Availability", "LessThan", 99.0, 1),
    (
        "vibedata-aks-nodes",
        "Microsoft.ContainerService/managedClusters",
        "node_cpu_usage_percentage",
        "GreaterThan",
        90,
        2,
    ),
    ("vibedata-gateway-hosts", "Microsoft.Network/applicationGateways", "UnhealthyHostCount", "GreaterThan", 0, 1),
)
# These describe a state, so Azure resolves their alerts. The others read events of one moment.
MITIGATED = ("vibedata-late-spool", "vibedata-log-gap")
# Name, its query on the operations' table ("": every event), severity, window, how often, operator (threshold 0).
LOG_RULES = (
    (
        "vibedata-runbook-failed",
        'where Step == "run" and Action == "finish" and Outcome == "failed"',
        1,
        "PT15M",
        "PT5M",
        "GreaterThan",
    ),
    ("vibedata-health", 'where Action == "health" and Outcome == "unhealthy"', 1, "PT15M", "PT5M", "GreaterThan"),
    (
        "vibedata-credential-expiry",
        'where Action == "health" and Target == "observability/credentials" and Outcome != "healthy"',
        2,
        "PT1H",
        "PT15M",
        "GreaterThan",
    ),
    (
        "vibedata-late-spool",
        "where ingestion_time() > ago(1h) and ingestion_time() - todatetime(Details.At) > 1h",
        2,
        "P2D",
        "PT1H",
        "GreaterThan",
    ),
    ("vibedata-log-gap", "", 2, "PT3H", "PT1H", "LessThanOrEqual"),
)


def register(arm: Arm) -> None:
    """Add the rules and the group, and serve their lists; lab/resource_group/provider.py answers GET by name."""
    managed = arm.managed
    arm.deployed(lambda: _alert_resources(arm.lab))
    for resource_type, versions in API_VERSIONS.items():
        lister = _lister(managed, resource_type)
        kind = resource_type.partition("/")[2]
        arm.provider(NAMESPACE, kind, versions, {"GET": lister})
        arm.subscription_provider(NAMESPACE, kind, versions, {"GET": lister})

    async def change(body: object) -> object:
        return _change(managed, body)

    arm.lab.controls["POST", "/alerts"] = change


def _lister(managed: ManagedResources, resource_type: str) -> Any:
    async def get(_request: web.Request, _names: Names) -> web.Response:
        return web.json_response({"value": [of_provider(one) for one in managed.of_type(resource_type)]})

    return get


def _change(managed: ManagedResources, body: object) -> Resource:
    """Apply the body of POST /alerts and return what the resource is now; InvalidFaultError if it is not understood."""
    if not isinstance(body, dict) or not set(body) <= CHANGES or len(body) < 2:
        raise InvalidFaultError(f"an alert is a JSON object with name and some of {', '.join(sorted(CHANGES))}")
    found = [one for one in managed.named(str(body.get("name"))) if one["type"] in API_VERSIONS]
    if not found:
        raise InvalidFaultError(f"there is no alert rule or action group {body.get('name')!r}")
    changed: Resource = {**found[0], "properties": dict(found[0]["properties"])}
    properties, is_group = changed["properties"], changed["type"] == ACTION_GROUPS
    if "enabled" in body:
        if not isinstance(body["enabled"], bool):
            raise InvalidFaultError("enabled takes true or false")
        properties["enabled"] = body["enabled"]
    if "actions" in body:
        if is_group or not isinstance(body["actions"], list):
            raise InvalidFaultError("actions is a list of action groups' ids, and goes with a rule")
        properties["actions"] = _actions(str(changed["type"]), [str(one) for one in body["actions"]])
    if "receivers" in body:
        if not is_group or body["receivers"] not in RECEIVER_STATES:
            raise InvalidFaultError(f"receivers takes one of {', '.join(RECEIVER_STATES)}, and goes with a group")
        receivers = [{**one, "status": body["receivers"]} for one in properties["emailReceivers"]]
        properties["emailReceivers"] = receivers
    managed.add([changed])
    return changed


def _alert_resources(lab: Lab) -> list[Resource]:
    """Return the rules and the group that the deployment creates."""
    group = resource_id(lab, ACTION_GROUPS, GROUP_NAME)
    workspace = resource_id(lab, "Microsoft.OperationalInsights/workspaces", lab.names.workspace)
    targets = {
        "Microsoft.KeyVault/vaults": lab.names.key_vault,
        "Microsoft.Storage/storageAccounts": lab.names.storage_account,
        "Microsoft.ContainerService/managedClusters": f"{lab.names.prefix}-aks",
        "Microsoft.Network/applicationGateways": f"{lab.names.prefix}-gateway",
    }
    receiver = {"name": "operators", "emailAddress": "operators@vibedata.example", "useCommonAlertSchema": True}
    return [
        resource(
            lab,
            ACTION_GROUPS,
            GROUP_NAME,
            {
                "groupShortName": "vibedata",
                "enabled": True,
                "emailReceivers": [{**receiver, "status": "Enabled"}],
                **{
                    f"{kind}Receivers": []
                    for kind in (
                        "sms",
                        "webhook",
                        "itsm",
                        "azureAppPush",
                        "automationRunbook",
                        "voice",
                        "logicApp",
                        "azureFunction",
                        "armRole",
                        "eventHub",
                    )
                },
            },
            location="Global",
        ),
        *(
            resource(
                lab,
                METRIC_ALERTS,
                name,
                {
                    "description": f"{metric} of {target} is {operator} {threshold}",
                    "severity": severity,
                    "enabled": True,
                    "scopes": [resource_id(lab, target, targets[target])],
                    "evaluationFrequency": "PT1M",
                    "windowSize": "PT5M",
                    "targetResourceType": target,
                    "targetResourceRegion": lab.names.location,
                    "criteria": {
                        "odata.type": "Microsoft.Azure.Monitor.SingleResourceMultipleMetricCriteria",
                        "allOf": [
                            {
                                "criterionType": "StaticThresholdCriterion",
                                "name": "metric",
                                "metricNamespace": target,
                                "metricName": metric,
                                "operator": operator,
                                "threshold": threshold,
                                "timeAggregation": "Average",
                                "dimensions": [],
                            }
                        ],
                    },
                    "autoMitigate": True,
                    "actions": _actions(METRIC_ALERTS, [group]),
                },
                location="global",
            )
            for name, target, metric, operator, threshold, severity in METRIC_RULES
        ),
        *(
            resource(
                lab,
                QUERY_RULES,
                name,
                {
                    "createdWithApiVersion": API_VERSIONS[QUERY_RULES][0],
                    "displayName": name,
                    "severity": severity,
                    "enabled": True,
                    "scopes": [workspace],
                    "evaluationFrequency": frequency,
                    "windowSize": window,
                    "criteria": {
                        "allOf": [
                            {
                                "query": f"{lab.names.operations_table} | {query}".removesuffix(" | "),
                                "timeAggregation": "Count",
                                "dimensions": [],
                                "operator": operator,
                                "threshold": 0.0,
                                "failingPeriods": {"numberOfEvaluationPeriods": 1, "minFailingPeriodsToAlert": 1},
                            }
                        ]
                    },
                    "autoMitigate": name in MITIGATED,
                    **({} if name in MITIGATED else {"muteActionsDuration": window}),
                    "actions": _actions(QUERY_RULES, [group]),
                },
                kind="LogAlert",
            )
            for name, query, severity, window, frequency, operator in LOG_RULES
        ),
    ]


def _actions(resource_type: str, groups: list[str]) -> object:
    if resource_type == QUERY_RULES:
        return {"actionGroups": groups, "customProperties": {}}
    return [{"actionGroupId": group, "webHookProperties": {}} for group in groups]
