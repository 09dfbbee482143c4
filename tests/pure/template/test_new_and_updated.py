"""A first deployment makes only what a new instance can take. An update keeps what has changed since."""

import re

import pytest

from runbook_lib.azure import settings
from runbooks import deploy_instance
from tests.support.template import PARAMETERS, deployed, documents
from vibedata.template.check import MAIN
from vibedata.template.evaluation import snapshot
from vibedata.template.values import Place, Runtime, Snapshot

FIRST = sorted(name for name, given in PARAMETERS.items() if given.get("firstDeployment", True))
APPS = "Microsoft.App/containerApps"
ALERT_RULES = "Microsoft.Insights/scheduledQueryRules"
# Source: Azure refuses another label with InvalidDomainNameLabel, and names this form.
DOMAIN_NAME_LABEL = re.compile(r"[a-z][a-z0-9-]{1,61}[a-z0-9]")
# Azure takes 80 characters (Azure-Terraform/terraform-azurerm-kubernetes issue 33). The nodes of a cluster with the
# network plugin's overlay have the name as a label, which takes 63 (Azure/bicep-registry-modules issue 5109).
MAX_NODE_GROUP = 63


def with_parameters(**changed: object) -> Snapshot:
    return snapshot(documents(), MAIN, {**PARAMETERS["testSubscription"], **changed}, Place())


def images(name: str) -> set[str]:
    (given,) = [parameters["images"] for file, parameters in deployed(name).modules if file.endswith("apps.bicep")]
    used = {each.body["properties"]["template"]["containers"][0]["image"] for each in deployed(name).of_type(APPS)}
    assert used == set(given.values())
    return used


@pytest.mark.parametrize("name", FIRST)
def test_a_first_deployment_names_only_images_that_need_no_token(name: str) -> None:
    """The apps sign in to the customer's registry only, and that one is still empty."""
    assert {each.partition("/")[0] for each in images(name)} == {"mcr.microsoft.com"}
    assert PARAMETERS[name]["publisherRegistry"] != "mcr.microsoft.com"


def test_an_update_does_not_put_the_first_images_back() -> None:
    found = images("update")
    assert not found & images("marketplace")
    publisher = PARAMETERS["update"]["publisherRegistry"]
    assert [each for each in found if each.startswith(f"{publisher}/")] == []


def test_an_update_keeps_the_certificate_and_the_ranges_that_the_gateway_has() -> None:
    """The runbook configure_gateway has changed them since the first deployment."""
    made = deployed("update")
    (gateway,) = made.of_type("Microsoft.Network/applicationGateways")
    (certificate,) = gateway.body["properties"]["sslCertificates"]
    kept = certificate["properties"]["keyVaultSecretId"]
    assert kept.text == f"{gateway.id}.properties.sslCertificates.0.properties.keyVaultSecretId"
    (policy,) = made.of_type("Microsoft.Network/ApplicationGatewayWebApplicationFirewallPolicies")
    (rule,) = policy.body["properties"]["customRules"]
    assert [each["matchValues"].text for each in rule["matchConditions"]] == [
        f"{policy.id}.properties.customRules.0.matchConditions.{number}.matchValues" for number in (0, 1)
    ]


def test_an_update_keeps_the_settings_and_the_runbook_of_the_release() -> None:
    """The settings have public_host since the first deployment, and a release has replaced the first runbook."""
    of_account = "Microsoft.Automation/automationAccounts/"
    made = {each.type.removeprefix(of_account) for each in deployed("update").resources}
    assert not made & {"variables", "runbooks", "runtimeEnvironments", "runtimeEnvironments/packages"}
    first = {each.name.rpartition("/")[2] for each in deployed("validation").resources}
    assert {settings.AUTOMATION_VARIABLE, deploy_instance.NAME} <= first


def test_an_update_can_start_the_job_again() -> None:
    made = with_parameters(firstDeployment=False, startDeployment="job")
    (job,) = made.of_type("Microsoft.Automation/automationAccounts/jobs")
    assert job.body["properties"]["runbook"]["name"] == deploy_instance.NAME


@pytest.mark.parametrize("length", [2, 15])
def test_the_shortest_and_the_longest_prefix_fit_names_that_no_type_limits(length: int) -> None:
    made = with_parameters(prefix="v" * length)
    (address,) = made.of_type("Microsoft.Network/publicIPAddresses")
    assert DOMAIN_NAME_LABEL.fullmatch(address.body["properties"]["dnsSettings"]["domainNameLabel"])
    (cluster,) = made.of_type("Microsoft.ContainerService/managedClusters")
    assert 0 < len(cluster.body["properties"]["nodeResourceGroup"]) <= MAX_NODE_GROUP


@pytest.mark.parametrize(("zones", "sku", "mode"), [(True, "ZRS", "ZoneRedundant"), (False, "LRS", "Disabled")])
def test_a_region_without_zones_can_be_served(zones: bool, sku: str, mode: str) -> None:
    made = with_parameters(zoneRedundant=zones)
    (account,) = made.of_type("Microsoft.Storage/storageAccounts")
    assert account.body["sku"]["name"] == f"Standard_{sku}"
    (server,) = made.of_type("Microsoft.DBforPostgreSQL/flexibleServers")
    assert server.body["properties"]["highAvailability"]["mode"] == mode


def test_azure_resolves_only_alerts_that_describe_a_state() -> None:
    """check_health writes an event only when a state changes. So an empty window does not mean that all is well."""
    rules = {each.name.removeprefix("vibedata-"): each.body["properties"] for each in deployed().of_type(ALERT_RULES)}
    assert {name for name, rule in rules.items() if rule["autoMitigate"]} == {"late-spool", "log-gap"}
    for rule in rules.values():
        assert rule["muteActionsDuration"] == (None if rule["autoMitigate"] else rule["windowSize"])


def test_an_alert_also_goes_to_the_webhook_that_is_given() -> None:
    for made, wanted in ((deployed(), []), (deployed("update"), [PARAMETERS["update"]["alertWebhook"]])):
        (group,) = made.of_type("Microsoft.Insights/actionGroups")
        receivers = group.body["properties"]["webhookReceivers"]
        assert [each["serviceUri"] for each in receivers] == wanted
        assert all(each["useCommonAlertSchema"] for each in receivers)
        assert len(group.body["properties"]["emailReceivers"]) == 1


def test_the_logic_app_has_what_makes_a_site_one() -> None:
    """What `az logicapp create` sets (azure-cli, appservice/logicapp/custom.py)."""
    sites = {each.name.rpartition("-")[2]: each.body for each in deployed().of_type("Microsoft.Web/sites")}
    found = {
        name: {each["name"]: each["value"] for each in body["properties"]["siteConfig"]["appSettings"]}
        for name, body in sites.items()
    }
    assert sites["workflows"]["kind"] == "functionapp,workflowapp,linux"
    needed = {
        "APP_KIND": "workflowApp",
        "AzureFunctionsJobHost__extensionBundle__id": "Microsoft.Azure.Functions.ExtensionBundle.Workflows",
        "AzureFunctionsJobHost__extensionBundle__version": "[1.*, 2.0.0)",
        "FUNCTIONS_WORKER_RUNTIME": "node",
    }
    assert needed.items() <= found["workflows"].items()
    assert found["functions"]["FUNCTIONS_WORKER_RUNTIME"] == "python"
    for given in found.values():
        assert isinstance(given["AzureWebJobsStorage__clientId"], Runtime)
    assert "APP_KIND" not in found["functions"]
