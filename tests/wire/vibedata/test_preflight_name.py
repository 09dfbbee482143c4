"""`vibedata preflight` from here: what would make the steps of the instance's name fail."""

import json
from collections.abc import Mapping
from typing import Any

import pytest
from azure.identity import ManagedIdentityCredential
from azure.keyvault.keys import KeyClient

from runbooks.configure_gateway import RANGES_VARIABLE
from tests.support import dns_zone
from tests.support.application_gateway import GATEWAY, network_client
from tests.support.arm import group, send
from tests.support.running_lab import LabUnderTest
from vibedata import cli

SUBJECTS = ("Application Gateway", "address ranges", "DNS record of the name", "account key for certificates")


def rows(capsys: pytest.CaptureFixture[str], *, code: int = 0) -> Mapping[str, tuple[str, str]]:
    """Run the preflight, and return the state and the code of each of these rows. No other row is bad."""
    capsys.readouterr()
    assert cli.main(["preflight", "--only-here", "--output", "json"]) == code
    told: list[dict[str, Any]] = json.loads(capsys.readouterr().out)["rows"]
    assert all(row["remedy"] for row in told if row["state"] == "bad")
    assert {row["subject"] for row in told if row["state"] == "bad"} <= set(SUBJECTS)
    return {row["subject"]: (row["state"], row["code"]) for row in told if row["subject"] in SUBJECTS}


def only_bad(subject: str, code: str) -> Mapping[str, tuple[str, str]]:
    return {**dict.fromkeys(SUBJECTS, ("good", "")), subject: ("bad", code)}


def test_a_stopped_gateway_is_reported(lab: LabUnderTest, capsys: pytest.CaptureFixture[str]) -> None:
    with network_client(lab) as network:
        network.application_gateways.begin_stop(lab.env["VIBEDATA_RESOURCE_GROUP"], GATEWAY).wait()
    assert rows(capsys, code=1) == only_bad("Application Gateway", "VD-GATEWAY-003")


def test_a_gateway_of_a_cluster_is_reported(lab: LabUnderTest, capsys: pytest.CaptureFixture[str]) -> None:
    with network_client(lab) as network:
        at = (lab.env["VIBEDATA_RESOURCE_GROUP"], GATEWAY)
        gateway = network.application_gateways.get(*at)
        gateway.tags = {"managed-by-k8s-ingress": "1.7.2"}
        network.application_gateways.begin_create_or_update(*at, gateway).wait()
    assert rows(capsys, code=1) == only_bad("Application Gateway", "VD-GATEWAY-005")


@pytest.mark.parametrize("deleted", ["vibedata-gateway", "vibedata-gateway-waf"])
def test_a_gateway_or_a_policy_that_is_gone_is_reported(
    lab: LabUnderTest, capsys: pytest.CaptureFixture[str], deleted: str
) -> None:
    kind = "applicationGateways" if deleted == GATEWAY else "ApplicationGatewayWebApplicationFirewallPolicies"
    match = {"service": "arm", "method": "GET", "path": f"/{kind}/{deleted}"}
    lab.fault("status", status=404, times=0, match=match)
    assert rows(capsys, code=1)["Application Gateway"] == ("bad", "VD-GATEWAY-001")


@pytest.mark.parametrize(
    ("text", "code"),
    [('{"customer": ["203.0.113.0/33"], "publisher": ["192.0.2.1"]}', "VD-GATEWAY-007"), ("anybody", "VD-GATEWAY-007")],
)
def test_ranges_that_cannot_be_used_are_reported(
    lab: LabUnderTest, capsys: pytest.CaptureFixture[str], text: str, code: str
) -> None:
    account = f"{group(lab)}/providers/Microsoft.Automation/automationAccounts/{lab.env['VIBEDATA_AUTOMATION_ACCOUNT']}"
    body = {"name": RANGES_VARIABLE, "properties": {"value": json.dumps(text)}}
    path = f"{account}/variables/{RANGES_VARIABLE}?api-version=2024-10-23"
    assert send(lab, path, "PUT", json=body).status_code in (200, 201)
    assert rows(capsys, code=1) == only_bad("address ranges", code)


def test_a_name_that_leads_elsewhere_is_reported(lab: LabUnderTest, capsys: pytest.CaptureFixture[str]) -> None:
    dns_zone.put(lab, "A", lab.env["VIBEDATA_SUBSCRIPTION_ID"], ARecords=[{"ipv4Address": "198.51.100.1"}])
    assert rows(capsys, code=1) == only_bad("DNS record of the name", "VD-DNS-002")


def test_an_account_key_that_cannot_sign_is_reported_and_one_that_must_not_be_read_is_unknown(
    lab: LabUnderTest, capsys: pytest.CaptureFixture[str]
) -> None:
    subject, path = "account key for certificates", "/keys/acme-account"
    lab.fault("status", status=403, times=0, match={"service": "publisher_key_vault", "path": path})
    assert rows(capsys)[subject] == ("unknown", "")
    lab.clear_faults()
    with (
        ManagedIdentityCredential(client_id=lab.env["VIBEDATA_UAMI_CLIENT_ID"]) as credential,
        KeyClient(lab.env["VIBEDATA_PUBLISHER_KEY_VAULT_ENDPOINT"], credential) as keys,
    ):
        keys.update_key_properties("acme-account", enabled=False)
    assert rows(capsys, code=1) == only_bad(subject, "VD-TLS-022")


def test_if_the_publisher_has_configured_nothing_the_steps_are_left_out(
    lab: LabUnderTest, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    assert lab.pid
    for name in ("VIBEDATA_PUBLISHER_DNS_ZONE", "VIBEDATA_PUBLISHER_ACME_DIRECTORY"):
        monkeypatch.delenv(name)
    assert rows(capsys) == dict.fromkeys(SUBJECTS, ("good", ""))
