"""The lab's managed resource group holds what the template makes: types, names and the alert rules' queries."""

from collections.abc import Mapping
from typing import Any

from tests.support.arm import group, resources, send
from tests.support.running_lab import LabUnderTest
from tests.support.template import PARAMETERS, deployed

# Azure itself makes the interface of each private endpoint.
OF_AZURE = "microsoft.network/networkinterfaces"
# Azure's listing of a group shows these children. It shows no others, and no resource that extends another one.
LISTED_CHILDREN = (
    "microsoft.automation/automationaccounts/runbooks",
    "microsoft.cognitiveservices/accounts/projects",
    "microsoft.network/privatednszones/virtualnetworklinks",
)
# The lab's deployment has not started the first runbook: `vibedata deploy` publishes others.
FIRST_RUNBOOK = ("microsoft.automation/automationaccounts/runbooks", "vibedata-automation/deploy_instance")


def is_listed(resource_type: str) -> bool:
    extends = resource_type.startswith("microsoft.authorization/")
    return not extends and (resource_type.count("/") == 1 or resource_type in LISTED_CHILDREN)


def test_the_lab_has_what_the_template_makes_and_nothing_else(lab: LabUnderTest) -> None:
    assert lab.env["VIBEDATA_AUTOMATION_ACCOUNT"] == f"{PARAMETERS['testSubscription']['prefix']}-automation"
    made = {
        (each.type.lower(), each.name): each.body.get("kind", "")
        for each in deployed().resources
        if is_listed(each.type.lower()) and not each.existing
    }
    with resources(lab) as client:
        listed = list(client.resources.list_by_resource_group(lab.env["VIBEDATA_RESOURCE_GROUP"]))
    found = {(str(one.type).lower(), str(one.name)): one.kind or "" for one in listed}
    assert made.keys() - found.keys() == {FIRST_RUNBOOK}
    assert {key for key in found.keys() - made.keys() if key[0] != OF_AZURE} == set()
    kinds = {key: (kind, made[key]) for key, kind in found.items() if kind and key in made}
    assert {key: pair for key, pair in kinds.items() if pair[0] != pair[1]} == {}


def rules_of(lab: LabUnderTest, kind: str, version: str) -> Mapping[str, Any]:
    answer = send(lab, f"{group(lab)}/providers/Microsoft.Insights/{kind}?api-version={version}")
    return {one["name"]: one["properties"] for one in answer.json()["value"]}


def test_each_alert_rule_of_the_lab_looks_at_what_the_templates_does(lab: LabUnderTest) -> None:
    queries = {
        each.name: each.body["properties"] for each in deployed().of_type("Microsoft.Insights/scheduledQueryRules")
    }
    found = rules_of(lab, "scheduledQueryRules", "2023-12-01")
    assert set(found) == set(queries)
    for name, rule in queries.items():
        (mine,), (theirs,) = rule["criteria"]["allOf"], found[name]["criteria"]["allOf"]
        assert {key: theirs[key] for key in mine} == mine
        for key in ("severity", "windowSize", "evaluationFrequency", "autoMitigate", "muteActionsDuration"):
            assert found[name].get(key) == rule[key], (name, key)
    metrics = {each.name: each.body["properties"] for each in deployed().of_type("Microsoft.Insights/metricAlerts")}
    found = rules_of(lab, "metricAlerts", "2018-03-01")
    assert set(found) == set(metrics)
    for name, rule in metrics.items():
        (mine,), (theirs,) = rule["criteria"]["allOf"], found[name]["criteria"]["allOf"]
        assert {key: theirs[key] for key in mine} == mine
        assert found[name]["severity"] == rule["severity"]
