"""The template makes what the runbooks expect: names, containers, tables, columns, roles, alert rules."""

import json
from collections.abc import Mapping
from typing import Any

import pytest

from lab.authorization.roles import ROLES
from lab.authorization.state import Action, grants
from runbook_lib.application_gateway import firewall
from runbook_lib.application_gateway.address_ranges import AddressRanges, read_ranges
from runbook_lib.application_gateway.listener import LISTENER, gateway_name
from runbook_lib.automation import account
from runbook_lib.azure import settings
from runbook_lib.basics import base64url
from runbook_lib.callbacks import spool
from runbook_lib.component_registry import schema
from runbook_lib.deployment_lock import instance
from runbook_lib.operations_log import delivery, events
from runbook_lib.permissions.every_runbook import EVERY_RUNBOOK
from runbook_lib.permissions.model import Permission
from runbook_lib.preflight.log_checks import unfit_columns
from runbook_lib.release import immutability, model
from runbook_lib.run.parameters import parse
from runbook_lib.vault import publisher_token
from runbooks import deploy_instance
from runbooks.configure_gateway import RANGES_VARIABLE
from scripts.pages.permissions import declared
from scripts.pages.role_assignments import ROLE_IDS
from tests.support.template import PARAMETERS, deployed, documents
from vibedata.template.evaluation import snapshot
from vibedata.template.values import Deployed, Place, Runtime

CASES = sorted(PARAMETERS)
PREFIX = PARAMETERS["testSubscription"]["prefix"]
ASSIGNMENTS = "Microsoft.Authorization/roleAssignments"
STORAGE = "Microsoft.Storage/storageAccounts"


def names(resource_type: str) -> set[str]:
    return {each.name.rpartition("/")[2] for each in deployed().of_type(resource_type)}


def only(resource_type: str) -> Deployed:
    (found,) = deployed().of_type(resource_type)
    return found


def settings_of(name: str) -> Mapping[str, Any]:
    """Return the settings that a deployment writes into the Automation account."""
    (given,) = [
        parameters["settings"] for file, parameters in deployed(name).modules if file.endswith("automation.bicep")
    ]
    assert isinstance(given, Mapping)
    return given


def test_each_name_is_the_one_of_the_convention() -> None:
    conventional = settings.load(
        {},
        {
            "VIBEDATA_PREFIX": PREFIX,
            "VIBEDATA_SUBSCRIPTION_ID": "2f4cfa0e-6b0d-4a4e-8a67-6f9f1b8a7c02",
            "VIBEDATA_DCR_ID": "dcr-3c1d5a7e9b0f4e2d8a6c4b2e0f1d3a5b",
            "VIBEDATA_LOGS_ENDPOINT": "https://logs.example",
        },
        None,
    )
    assert only(STORAGE).name == conventional.storage_account
    assert only("Microsoft.Automation/automationAccounts").name == conventional.automation_account
    assert only("Microsoft.ContainerRegistry/registries").name == conventional.customer_registry_name
    vault = only("Microsoft.KeyVault/vaults").name
    assert conventional.key_vault_endpoint.startswith(f"https://{vault}.")


@pytest.mark.parametrize("name", CASES)
def test_the_settings_are_those_that_the_runbooks_know(name: str) -> None:
    given = settings_of(name)
    # These follow by convention.
    made_of = {"automation_account", "storage_account", "customer_registry_name", "public_host", "gateway"}
    assert set(given) == {field for field in settings.Settings.__dataclass_fields__ if field not in made_of}
    for setting, value in given.items():
        if not isinstance(value, Runtime):
            assert settings.why_refused(setting, value) == "", setting


@pytest.mark.parametrize("first", [True, False])
def test_the_variables_hold_settings_and_ranges_as_a_text_in_json(first: bool) -> None:
    given = {"prefix": "vibedata", "trusted_identity": 'CN="A, B",O=C\\\\D'}
    ranges = {"customer": ["203.0.113.0/24", "2001:db8::/32"], "publisher": ["198.51.100.17"]}
    parameters: dict[str, Any] = {"prefix": "vibedata", "location": "westeurope", "identityId": "/id"}
    parameters |= {"settings": given, "addressRanges": ranges, "isFirst": first}
    made = snapshot(documents(), "modules/automation.bicep", parameters, Place())
    # ARM keeps a variable as JSON text. The runbooks read a JSON object in this text.
    held = {
        each.name.rpartition("/")[2]: json.loads(each.body["properties"]["value"])
        for each in made.of_type("Microsoft.Automation/automationAccounts/variables")
    }
    if not first:
        assert held == {}, "an update would undo a change"
        return
    assert set(held) == {settings.AUTOMATION_VARIABLE, RANGES_VARIABLE}
    assert json.loads(held[settings.AUTOMATION_VARIABLE]) == given
    read = read_ranges(held[RANGES_VARIABLE])
    assert (read.customer, read.publisher) == (tuple(ranges["customer"]), ("198.51.100.17/32",))


def test_a_job_that_the_template_starts_gets_its_parameters_as_a_runbook_reads_them() -> None:
    (job,) = deployed("validation").of_type("Microsoft.Automation/automationAccounts/jobs")
    runbook = only("Microsoft.Automation/automationAccounts/runbooks")
    assert job.body["properties"]["runbook"]["name"] == runbook.name.rpartition("/")[2]
    assert runbook.body["tags"] == {account.OWNER_TAG: account.OWNER_VALUE}
    (argument,) = job.body["properties"]["parameters"].values()
    assert json.loads(base64url.decode(argument)) == {"correlation_id": job.name.rpartition("/")[2]}
    (given,) = (
        parameters for file, parameters in deployed("validation").modules if file.endswith("deploymentJob.bicep")
    )
    assert given["runbookName"] == deploy_instance.NAME
    assert parse(deploy_instance.RUNBOOK.parameters, [argument]).correlation_id == given["jobName"]


def test_the_containers_are_those_that_the_runbooks_use() -> None:
    assert names(f"{STORAGE}/blobServices/containers") == {
        model.MANIFEST_CONTAINER,
        model.ARTIFACT_CONTAINER,
        delivery.SPOOL_CONTAINER,
        spool.CONTAINER,
        instance.CONTAINER,
    }


def test_the_tables_are_those_of_the_component_registry() -> None:
    assert names(f"{STORAGE}/tableServices/tables") == set(schema.TABLES)


def test_the_log_has_each_column_in_its_type() -> None:
    table = only("Microsoft.OperationalInsights/workspaces/tables")
    assert table.name.endswith(f"/{events.TABLE}")
    columns = {each["name"]: each["type"] for each in table.body["properties"]["schema"]["columns"]}
    assert {name: kind.lower() for name, kind in columns.items()} == dict(events.COLUMNS)
    rule = only("Microsoft.Insights/dataCollectionRules")
    assert rule.body["kind"] == "Direct"
    declared_streams = rule.body["properties"]["streamDeclarations"]
    assert set(declared_streams) == {delivery.STREAM}
    assert unfit_columns(declared_streams[delivery.STREAM]["columns"]) == ""
    assert len(declared_streams[delivery.STREAM]["columns"]) == len(events.COLUMNS)
    (flow,) = rule.body["properties"]["dataFlows"]
    assert (flow["streams"], flow["outputStream"]) == ([delivery.STREAM], delivery.STREAM)


def test_the_first_token_has_the_name_that_the_runbooks_read() -> None:
    assert names("Microsoft.KeyVault/vaults/secrets") == {publisher_token.SECRET, "tls-certificate"}
    assert not deployed("update").of_type("Microsoft.KeyVault/vaults/secrets"), "it would undo a rotation"


@pytest.mark.parametrize("name", CASES)
def test_the_container_of_manifests_has_the_policy_that_the_runbooks_want(name: str) -> None:
    policies = deployed(name).of_type(f"{STORAGE}/blobServices/containers/immutabilityPolicies")
    if name == "update":
        assert policies == (), "Azure refuses to write a locked policy"
        return
    (policy,) = policies
    assert policy.name.split("/")[-2] == model.MANIFEST_CONTAINER
    shown = {"state": "Unlocked", **policy.body["properties"]}
    assert immutability.judge_policy({}, shown) == ("", "unlocked, 365 days")


def assigned(name: str, principal: str) -> set[tuple[str, str]]:
    """Return the roles of a principal: the resource type ("" for the group), and the role's id."""
    found = set()
    for each in deployed(name).of_type(ASSIGNMENTS):
        properties = each.body["properties"]
        if principal in str(properties["principalId"]):
            namespace, _, rest = each.scope.partition("/providers/")[2].partition("/")
            kind = f"{namespace}/{rest.split('/')[0]}" if rest else ""
            found.add((kind, str(properties["roleDefinitionId"]).rpartition("/")[2]))
    return found


TYPES = {
    "managed resource group": "",
    "storage account": STORAGE,
    "Key Vault": "Microsoft.KeyVault/vaults",
    "container registry": "Microsoft.ContainerRegistry/registries",
    "Automation account": "Microsoft.Automation/automationAccounts",
    "data collection rule": "Microsoft.Insights/dataCollectionRules",
    "Application Gateway": "Microsoft.Network/applicationGateways",
    "firewall policy": "Microsoft.Network/ApplicationGatewayWebApplicationFirewallPolicies",
    "virtual network": "Microsoft.Network/virtualNetworks",
    "public address": "Microsoft.Network/publicIPAddresses",
    "managed identity": "Microsoft.ManagedIdentity/userAssignedIdentities",
}
DECLARED: set[Permission] = {*EVERY_RUNBOOK}.union(*declared().values())
# The identity has further rights: the cluster uses it, too, and gives the nodes their identity (Managed Identity
# Operator). The host of the functions keeps its queues in the storage account (Storage Queue Data Contributor).
BESIDE = {
    ("Microsoft.ManagedIdentity/userAssignedIdentities", "f1a07417-d97a-45cb-824c-7a7467783830"),
    (STORAGE, "974c5e8b-45b9-4653-ba55-5f855dd0fb88"),
}


@pytest.mark.parametrize("name", CASES)
def test_the_identity_has_each_role_that_a_runbook_declares_and_no_other(name: str) -> None:
    wanted = {(TYPES[each.on], ROLE_IDS[each.role]) for each in DECLARED}
    assert assigned(name, "-uami.properties.principalId") == wanted | BESIDE


def test_the_ids_of_roles_are_azures() -> None:
    assert {ROLES[identifier].name: identifier for identifier in ROLE_IDS.values()} == dict(ROLE_IDS)


def test_no_role_of_an_identity_or_a_person_can_take_the_retention_policy_away() -> None:
    """A role that can do this, even one that only comes with data rights, would make an unlocked policy worthless."""
    container = f"{STORAGE}/blobServices/containers/immutabilityPolicies"
    for name in CASES:
        for each in deployed(name).of_type(ASSIGNMENTS):
            identifier = str(each.body["properties"]["roleDefinitionId"]).rpartition("/")[2]
            if identifier not in ROLES:
                continue  # on the cluster's nodes
            for verb in ("write", "delete", "lock/action", "extend/action"):
                action = Action(name=f"{container}/{verb}", scope=each.scope, is_data=False)
                assert not grants(ROLES[identifier], action), (ROLES[identifier].name, verb)


@pytest.mark.parametrize("name", CASES)
def test_each_assignment_to_an_identity_names_it_only_across_tenants(name: str) -> None:
    across = PARAMETERS[name]["crossTenant"]
    for each in deployed(name).of_type(ASSIGNMENTS):
        properties = each.body["properties"]
        if isinstance(properties["principalId"], Runtime):
            assert properties["principalType"] == "ServicePrincipal"
            delegated = properties["delegatedManagedIdentityResourceId"]
            carrier = properties["principalId"].text.removesuffix(".properties.principalId")
            assert delegated == (carrier if across else None)
        else:
            assert properties["principalType"] in ("Group", "User", "ServicePrincipal")
            assert "delegatedManagedIdentityResourceId" not in properties


def test_no_two_resources_of_a_deployment_have_one_id() -> None:
    for name in CASES:
        ids = [each.id.lower() for each in deployed(name).resources if not each.existing]
        assert len(set(ids)) == len(ids)


def test_each_alert_rule_leads_to_the_group_of_operators() -> None:
    group = only("Microsoft.Insights/actionGroups")
    (receiver,) = group.body["properties"]["emailReceivers"]
    assert receiver["emailAddress"] == PARAMETERS["testSubscription"]["alertEmail"]
    for rule in deployed().of_type("Microsoft.Insights/metricAlerts"):
        assert [each["actionGroupId"] for each in rule.body["properties"]["actions"]] == [group.id]
    queries = deployed().of_type("Microsoft.Insights/scheduledQueryRules")
    assert {each.name.removeprefix(f"{PREFIX}-") for each in queries} == {
        "runbook-failed",
        "health",
        "credential-expiry",
        "late-spool",
        "log-gap",
    }
    for rule in queries:
        assert rule.body["properties"]["actions"]["actionGroups"] == [group.id]
        (criterion,) = rule.body["properties"]["criteria"]["allOf"]
        assert criterion["query"].split(" ")[0] == events.TABLE


def test_the_firewall_blocks_every_address_that_is_in_neither_list() -> None:
    (policy,) = deployed().of_type("Microsoft.Network/ApplicationGatewayWebApplicationFirewallPolicies")
    (rule,) = policy.body["properties"]["customRules"]
    assert rule["action"] == "Block"
    lists = [PARAMETERS["testSubscription"][f"{who}IpRanges"] for who in ("customer", "publisher")]
    wanted = AddressRanges(customer=tuple(lists[0]), publisher=tuple(lists[1]))
    assert rule == firewall.rule_of(wanted)
    assert policy.name == firewall.policy_name(PREFIX)


def test_the_gateway_reads_its_certificate_without_a_version() -> None:
    gateway = only("Microsoft.Network/applicationGateways")
    (certificate,) = gateway.body["properties"]["sslCertificates"]
    assert certificate["properties"]["keyVaultSecretId"].text.endswith(
        ".properties.vaultUri], secrets/tls-certificate)"
    )
    assert gateway.name == gateway_name(PREFIX)
    (listener,) = [each for each in gateway.body["properties"]["httpListeners"] if each["name"] == LISTENER]
    assert listener["properties"]["sslCertificate"]["id"].endswith(f"/sslCertificates/{certificate['name']}")
    listed = {key: value for key, value in gateway.body["properties"].items() if isinstance(value, list)}
    there = {f"{gateway.id}/{kind}/{each['name']}" for kind, items in listed.items() for each in items}
    named = {
        part["id"]
        for items in listed.values()
        for each in items
        for part in each["properties"].values()
        if isinstance(part, Mapping) and str(part.get("id", "")).startswith(f"{gateway.id}/")
    }
    assert len(named) >= 9
    assert named <= there
