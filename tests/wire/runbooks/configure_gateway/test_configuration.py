"""configure_gateway over the wire: against the lab's gateway, firewall policy, vault and Automation account."""

import json

import pytest
from azure.mgmt.network.models import WebApplicationFirewallPolicy

from runbook_lib.application_gateway.address_ranges import MAX_RANGES
from runbook_lib.tls_certificate.name import CERTIFICATE
from runbooks import configure_gateway
from tests.support.application_gateway import GATEWAY, POLICY, open_page, trusting_anybody
from tests.support.gateway_rig import HOST, LISTENER, RULE, Rig
from tests.support.log_reader import table_rows
from tests.support.runbook_run import run


def test_the_listener_gets_the_certificate_once_and_the_ranges_follow_the_variable(rig: Rig) -> None:
    placeholder = rig.secret()
    assert rig.changed() == []  # no certificate, and no ranges are known
    rig.let_in(["203.0.113.9/24", "2001:DB8::/32"])
    assert rig.run(plan_only=True).outcomes() == {RULE: "planned"}
    assert rig.changed() == [RULE]
    assert rig.ranges() == [["203.0.113.0/24", "2001:db8::/32"], ["192.0.2.0/24"]]
    assert rig.secret() == placeholder
    rig.installed()
    assert rig.run(plan_only=True).result["report"]["certificate"] == placeholder
    made = rig.run()
    assert made.outcomes() == {LISTENER: "done"}
    assert made.result["report"]["certificate"] == rig.secret() == rig.wanted_secret()
    rig.let_in(["203.0.113.0/24"], ["198.51.100.7"])
    assert rig.changed() == [RULE]
    made = rig.run()
    assert (made.status, made.writes()) == ("unchanged", [])
    assert made.result["report"] == {
        "certificate": rig.wanted_secret(),
        "customer_ranges": 1,
        "publisher_ranges": 1,
    }
    text = "\n".join(row["Message"] for row in table_rows(rig.lab) if row["Runbook"] == "configure_gateway")
    assert f"Connected listener https: {rig.wanted_secret()}." in text
    assert f"Allowed {RULE}: 1 of the customer, 1 of the publisher, digest" in text


@pytest.mark.parametrize("form", ["a version", "another rule"])
def test_a_change_by_hand_is_corrected_and_the_rest_stays(rig: Rig, form: str) -> None:
    rig.installed()
    rig.let_in(["203.0.113.0/24"])
    assert rig.changed() == [RULE, LISTENER]
    if form == "a version":
        current = rig.certificates.get_certificate(CERTIFICATE)
        part = rig.gateway().as_dict()
        part["properties"]["sslCertificates"][0]["properties"]["keyVaultSecretId"] = current.secret_id
        rig.put({"properties": part["properties"], "tags": {"owner": "network team"}})
        assert rig.changed() == [LISTENER]
        assert (rig.secret(), rig.gateway().tags) == (rig.wanted_secret(), {"owner": "network team"})
    else:
        policy = rig.network.web_application_firewall_policies.get(rig.group, POLICY).as_dict()
        (ours,) = policy["properties"]["customRules"]
        theirs = {**ours, "name": "theirs", "priority": 5}
        policy["properties"]["customRules"] = [theirs, {**ours, "state": "Disabled"}]
        rig.network.web_application_firewall_policies.create_or_update(
            rig.group, POLICY, WebApplicationFirewallPolicy(policy)
        )
        assert rig.changed() == [RULE]
        assert [each["name"] for each in rig.rules()] == [ours["name"], "theirs"]
        assert [each["state"] for each in rig.rules()] == ["Enabled", "Enabled"]


def test_a_stopped_gateway_is_not_started(rig: Rig) -> None:
    rig.installed()
    rig.network.application_gateways.begin_stop(rig.group, GATEWAY).wait()
    made = rig.run()
    assert (made.error_code, made.writes()) == ("VD-GATEWAY-003", [])
    # A trial of a new release only shows that the runbook works here.
    assert rig.run(plan_only=True, trial=True).exit_code == 0
    assert rig.gateway().properties.operational_state == "Stopped"


def test_a_cluster_s_gateway_is_left_alone(rig: Rig) -> None:
    rig.installed()
    rig.put({"tags": {"managed-by-k8s-ingress": "1.7.2", "ingress-for-aks-cluster-id": "/subscriptions/x"}})
    made = rig.run()
    assert (made.error_code, made.writes()) == ("VD-GATEWAY-005", [])
    assert "managed-by-k8s-ingress" in made.text


def test_a_certificate_that_the_gateway_may_not_read_fails_and_reading_again_corrects_it(rig: Rig) -> None:
    rig.installed()
    rig.lab.fault("status", match={"service": "key_vault", "path": f"/secrets/{CERTIFICATE}"}, status=403, times=0)
    made = rig.run()
    assert made.codes() == {LISTENER: "VD-GATEWAY-011"}
    assert made.result["report"]["certificate"] != rig.wanted_secret()
    assert "ApplicationGatewayKeyVaultSecretException" in made.text
    assert rig.gateway().properties.provisioning_state == "Failed"
    assert rig.refused() == "VD-GATEWAY-004"
    rig.lab.clear_faults()
    assert rig.changed(read_again=True) == [f"gateway {GATEWAY}"]
    assert rig.gateway().properties.provisioning_state == "Succeeded"
    assert rig.changed(read_again=True) == [f"gateway {GATEWAY}"]
    assert rig.run().status == "unchanged"


@pytest.mark.parametrize(
    ("ranges", "code"),
    [
        (["0.0.0.0/0"], "VD-GATEWAY-007"),
        (["everywhere"], "VD-GATEWAY-007"),
        ([f"10.{number // 256}.{number % 256}.0/24" for number in range(MAX_RANGES + 1)], "VD-GATEWAY-008"),
    ],
)
def test_ranges_that_azure_or_the_suite_does_not_take_change_nothing(rig: Rig, ranges: list[str], code: str) -> None:
    rig.let_in(ranges)
    made = rig.run()
    assert (made.error_code, made.exit_code, made.writes()) == (code, 2, [])
    rig.let_in([f"10.{number // 256}.{number % 256}.0/24" for number in range(MAX_RANGES)])
    assert rig.changed() == [RULE]
    assert len(rig.ranges()[0]) == MAX_RANGES


def test_a_variable_of_another_form_is_understood_or_refused_and_never_taken_as_absent(rig: Rig) -> None:
    rig.set_variable("null")
    assert rig.refused() == "VD-GATEWAY-007"
    # The object itself is encoded once, and not as a text.
    rig.set_variable(json.dumps({"customer": ["203.0.113.0/24"], "publisher": ["192.0.2.0/24"]}))
    assert rig.changed() == [RULE]
    assert rig.ranges() == [["203.0.113.0/24"], ["192.0.2.0/24"]]


def test_ranges_in_an_encrypted_variable_are_refused(rig: Rig) -> None:
    rig.set_variable(json.dumps("whatever"), encrypted=True)
    made = rig.run()
    assert (made.error_code, made.writes()) == ("VD-AUTOMATION-012", [])
    assert made.exit_code != 0


def test_a_gateway_that_the_template_did_not_make_is_reported(rig: Rig) -> None:
    made = run(rig.lab, configure_gateway.RUNBOOK, environ={"VIBEDATA_PREFIX": "other"})
    assert made.error_code in {"VD-GATEWAY-001", "VD-AUTOMATION-001"}
    properties = rig.gateway().as_dict()["properties"]
    del properties["firewallPolicy"]
    rig.put({"properties": properties})
    assert rig.refused() == "VD-GATEWAY-002"
    properties["httpListeners"][1]["name"] = "tls"
    properties["requestRoutingRules"] = []
    properties["redirectConfigurations"] = []
    rig.put({"properties": properties})
    assert rig.refused() == "VD-GATEWAY-006"


def test_a_firewall_that_only_detects_is_reported(rig: Rig) -> None:
    policy = rig.network.web_application_firewall_policies.get(rig.group, POLICY).as_dict()
    policy["properties"]["policySettings"]["mode"] = "Detection"
    rig.network.web_application_firewall_policies.create_or_update(
        rig.group, POLICY, WebApplicationFirewallPolicy(policy)
    )
    assert "WARNING: vibedata-gateway-waf: the firewall policy only detects: it blocks nobody" in rig.run().text


def test_an_address_within_the_ranges_gets_in_and_another_does_not(rig: Rig) -> None:
    rig.installed()
    rig.let_in(["127.0.0.1"])
    assert rig.changed() == [RULE, LISTENER]
    rig.lab.control("POST", "/gateway", {"listen": True})

    def status(source: str) -> int:
        return open_page(rig.lab.env["VIBEDATA_GATEWAY"], HOST, trust=trusting_anybody(), source=source).status

    assert (status("127.0.0.1"), status("127.0.0.2")) == (200, 403)
    rig.let_in(["127.0.0.3"], ["127.0.0.2/31"])
    assert rig.changed() == [RULE]
    assert [status(f"127.0.0.{last}") for last in (1, 2, 3)] == [403, 200, 200]
