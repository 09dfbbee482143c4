"""Alert rules and the action group, by azure-mgmt-monitor."""

import pytest
from azure.core.exceptions import HttpResponseError, ResourceNotFoundError

from lab.monitor.alerts_provider import GROUP_NAME, LOG_RULES, METRIC_RULES
from tests.support.arm import code, group, send
from tests.support.monitor import monitor
from tests.support.running_lab import LabUnderTest


def test_official_client_reads_the_rules_and_the_group(lab: LabUnderTest) -> None:
    where = lab.env["VIBEDATA_RESOURCE_GROUP"]
    with monitor(lab) as client:
        metric = list(client.metric_alerts.list_by_resource_group(where))
        query = list(client.scheduled_query_rules.list_by_resource_group(where))
        groups = list(client.action_groups.list_by_resource_group(where))
        assert {one.name for one in metric} == {rule[0] for rule in METRIC_RULES}
        assert {one.name for one in query} == {rule[0] for rule in LOG_RULES}
        assert [(one.name, one.enabled) for one in groups] == [(GROUP_NAME, True)]
        assert {one.id for one in client.metric_alerts.list_by_subscription()} == {one.id for one in metric}
        assert {one.id for one in client.scheduled_query_rules.list_by_subscription()} == {one.id for one in query}
        assert [one.id for one in client.action_groups.list_by_subscription_id()] == [groups[0].id]

        assert all(one.enabled and one.scopes and one.evaluation_frequency for one in metric)
        assert all(one.enabled and one.scopes and one.evaluation_frequency for one in query)
        assert {action.action_group_id for one in metric for action in one.actions or ()} == {groups[0].id}
        routed = {name for one in query if one.actions for name in one.actions.action_groups or ()}
        assert routed == {groups[0].id}
        assert [one.status for one in groups[0].email_receivers or ()] == ["Enabled"]

        rule = client.scheduled_query_rules.get(where, "vibedata-health")
        assert rule.criteria is not None
        assert rule.criteria.all_of is not None
        assert str(rule.criteria.all_of[0].query).startswith("VibeData_Operations_CL")
        assert client.metric_alerts.get(where, "vibedata-vault-availability").criteria is not None
        with pytest.raises(ResourceNotFoundError):
            client.metric_alerts.get(where, "nobody")
        with pytest.raises(HttpResponseError):
            client.metric_alerts.delete(where, "vibedata-vault-availability")  # writes are left out


def test_rules_and_groups_are_switched_off_rerouted_and_removed(lab: LabUnderTest) -> None:
    where = lab.env["VIBEDATA_RESOURCE_GROUP"]
    with monitor(lab) as client:
        lab.control("POST", "/alerts", {"name": "vibedata-health", "enabled": False})
        lab.control("POST", "/alerts", {"name": "vibedata-log-gap", "actions": []})
        lab.control("POST", "/alerts", {"name": "vibedata-aks-nodes", "actions": []})
        lab.control("POST", "/alerts", {"name": GROUP_NAME, "receivers": "Disabled", "enabled": False})
        assert client.scheduled_query_rules.get(where, "vibedata-health").enabled is False
        silent = client.scheduled_query_rules.get(where, "vibedata-log-gap")
        assert silent.actions is not None
        assert silent.actions.action_groups == []
        assert client.metric_alerts.get(where, "vibedata-aks-nodes").actions == []
        quiet = client.action_groups.get(where, GROUP_NAME)
        assert (quiet.enabled, [one.status for one in quiet.email_receivers or ()]) == (False, ["Disabled"])
        lab.control("POST", "/resources", {"delete": ["vibedata-runbook-failed"]})
        with pytest.raises(ResourceNotFoundError):
            client.scheduled_query_rules.get(where, "vibedata-runbook-failed")
        assert len(list(client.scheduled_query_rules.list_by_resource_group(where))) == len(LOG_RULES) - 1
        lab.reset()
        assert client.scheduled_query_rules.get(where, "vibedata-health").enabled is True
        assert client.action_groups.get(where, GROUP_NAME).enabled is True


def test_what_is_not_understood_is_refused(lab: LabUnderTest) -> None:
    refused: tuple[object, ...] = (
        [],
        {"name": "vibedata-health"},
        {"name": "studio", "enabled": False},
        {"name": "vibedata-health", "enabled": "no"},
        {"name": "vibedata-health", "receivers": "Disabled"},
        {"name": GROUP_NAME, "actions": []},
        {"name": GROUP_NAME, "receivers": "Gone"},
    )
    for body in refused:
        lab.control("POST", "/alerts", body, status=400)
    path = f"{group(lab)}/providers/Microsoft.Insights/metricAlerts"
    assert code(send(lab, f"{path}?api-version=2023-01-01")) == (400, "NoRegisteredProviderFound")
    subscription = group(lab).partition("/resourceGroups")[0]
    path = f"{subscription}/providers/Microsoft.Insights"
    assert code(send(lab, f"{path}/metricAlerts?api-version=2023-01-01")) == (400, "NoRegisteredProviderFound")
    assert code(send(lab, f"{path}/nothing?api-version=2023-01-01")) == (404, "InvalidResourceType")
