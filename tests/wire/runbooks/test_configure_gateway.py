"""configure_gateway over the wire: against the lab's gateway, firewall policy, vault and Automation account."""

import json
import threading
import time
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import pytest
from azure.identity import ManagedIdentityCredential
from azure.keyvault.certificates import CertificateClient, CertificatePolicy
from azure.mgmt.automation import AutomationClient
from azure.mgmt.automation.models import VariableCreateOrUpdateParameters
from azure.mgmt.network import NetworkManagementClient
from azure.mgmt.network.models import ApplicationGateway, WebApplicationFirewallPolicy
from cryptography.hazmat.primitives.serialization import Encoding

from runbook_lib.application_gateway.address_ranges import MAX_RANGES
from runbook_lib.tls_certificate.name import CERTIFICATE
from runbooks import configure_gateway
from tests.support.application_gateway import GATEWAY, POLICY, network_client, open_page, trusting_anybody
from tests.support.arm import SCOPE
from tests.support.log_reader import table_rows
from tests.support.runbook_run import QuickClock, Run, run
from tests.support.running_lab import LabUnderTest
from tests.support.web_authority import new_web_authority

HOST = "k3v9x2p7.vibedata.ai"
LISTENER, RULE = "listener https", "firewall rule OnlyKnownAddresses"
PUTS = {"service": "arm", "method": "PUT", "path": "/applicationGateways/"}
POLICY_PUTS = {"service": "arm", "method": "PUT", "path": "/ApplicationGatewayWebApplicationFirewallPolicies/"}


@dataclass(frozen=True, slots=True, kw_only=True)
class Rig:
    """The lab, and its resources with full rights."""

    lab: LabUnderTest
    network: NetworkManagementClient
    automation: AutomationClient
    certificates: CertificateClient

    @property
    def group(self) -> str:
        return self.lab.env["VIBEDATA_RESOURCE_GROUP"]

    def run(self, **given: Any) -> Run:
        return run(self.lab, configure_gateway.RUNBOOK, **given)

    def refused(self, **given: Any) -> str:
        """Run the runbook, which must fail, and return the error's code."""
        made = self.run(**given)
        assert made.exit_code != 0, made.text
        return next(iter(made.codes().values()), made.error_code)

    def changed(self, **given: Any) -> list[str]:
        """Run the runbook, and return the targets that it changed."""
        made = self.run(**given)
        assert made.exit_code == 0, made.text
        assert set(made.outcomes().values()) <= {"done"}
        return sorted(made.outcomes())

    def let_in(self, customer: Sequence[str], publisher: Sequence[str] = ("192.0.2.0/24",)) -> None:
        """Write the address ranges like the publisher."""
        text = json.dumps({"customer": customer, "publisher": publisher})
        name, account = configure_gateway.RANGES_VARIABLE, self.lab.env["VIBEDATA_AUTOMATION_ACCOUNT"]
        body = VariableCreateOrUpdateParameters({"name": name, "properties": {"value": json.dumps(text)}})
        self.automation.variable.create_or_update(self.group, account, name, body)

    def installed(self) -> None:
        """Give the vault a certificate of an authority."""
        policy = CertificatePolicy("Unknown", subject=f"CN={HOST}", san_dns_names=[HOST], exportable=True)
        asked = self.certificates.begin_create_certificate(CERTIFICATE, policy).result()
        chain = new_web_authority().chain(asked.csr or b"")  # type: ignore[union-attr] # an operation
        self.certificates.merge_certificate(CERTIFICATE, [each.public_bytes(Encoding.DER) for each in chain])

    def gateway(self) -> Any:
        return self.network.application_gateways.get(self.group, GATEWAY)

    def put(self, changes: Mapping[str, Any], *, wait: bool = True) -> Any:
        """Write the gateway with other members, like another writer."""
        poller = self.network.application_gateways.begin_create_or_update(
            self.group, GATEWAY, ApplicationGateway({**self.gateway().as_dict(), **changes})
        )
        return poller.result() if wait else poller

    def secret(self) -> str:
        """Return the address that the listener reads."""
        (certificate,) = self.gateway().properties.ssl_certificates
        return str(certificate.properties.key_vault_secret_id)

    def wanted_secret(self) -> str:
        return f"{self.lab.env['VIBEDATA_KEY_VAULT_ENDPOINT']}/secrets/{CERTIFICATE}"

    def rules(self) -> list[Any]:
        policy = self.network.web_application_firewall_policies.get(self.group, POLICY)
        return [each.as_dict() for each in policy.properties.custom_rules]  # type: ignore[union-attr] # it has some

    def ranges(self) -> list[list[str]]:
        return [each["matchValues"] for each in self.rules()[0]["matchConditions"]]

    def takes(self, seconds: float) -> None:
        self.lab.control("POST", "/latency", {"operation": "putApplicationGateway", "seconds": seconds}, status=201)


@pytest.fixture
def rig(lab: LabUnderTest) -> Iterator[Rig]:
    with (
        network_client(lab) as network,
        ManagedIdentityCredential(client_id=lab.env["VIBEDATA_UAMI_CLIENT_ID"]) as credential,
        CertificateClient(lab.env["VIBEDATA_KEY_VAULT_ENDPOINT"], credential) as certificates,
        AutomationClient(
            credential,
            lab.env["VIBEDATA_SUBSCRIPTION_ID"],
            base_url=lab.env["VIBEDATA_ARM_ENDPOINT"],
            credential_scopes=SCOPE,
        ) as automation,
    ):
        yield Rig(lab=lab, network=network, automation=automation, certificates=certificates)


def test_the_listener_gets_the_certificate_once_and_the_ranges_follow_the_variable(rig: Rig) -> None:
    placeholder = rig.secret()
    assert rig.changed() == []  # no certificate, and no ranges are known
    rig.let_in(["203.0.113.9/24", "2001:DB8::/32"])
    assert rig.run(plan_only=True).outcomes() == {RULE: "planned"}
    assert rig.changed() == [RULE]
    assert rig.ranges() == [["203.0.113.0/24", "2001:db8::/32"], ["192.0.2.0/24"]]
    assert rig.secret() == placeholder
    rig.installed()
    assert rig.changed() == [LISTENER]
    assert rig.secret() == rig.wanted_secret()
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


def test_two_writers_at_once_lose_nothing(rig: Rig) -> None:
    """Another writer's change is in progress, and a second change comes between this run's read and its write."""
    rig.installed()
    rig.takes(1.0)
    poller = rig.put({"tags": {"first": "1"}}, wait=False)
    # This run waits for the change, because a write now would cancel it.
    assert rig.changed() == [LISTENER]
    poller.result()
    assert (rig.secret(), rig.gateway().tags) == (rig.wanted_secret(), {"first": "1"})


def test_a_change_between_this_run_s_read_and_its_write_is_kept(rig: Rig) -> None:
    """The run's first write is delayed. Meanwhile somebody else changes the gateway."""
    rig.installed()
    rig.lab.fault("delay", match=PUTS, times=1, seconds=3)

    def change_in_between() -> None:
        while not rig.lab.control("GET", "/faults")["faults"][0]["applied"]:
            time.sleep(0.05)
        rig.network.application_gateways.update_tags(rig.group, GATEWAY, {"tags": {"other": "writer"}})

    other = threading.Thread(target=change_in_between)
    other.start()
    made = rig.run()
    other.join()
    assert made.exit_code == 0, made.text
    assert [entry["status"] for entry in made.sent("arm", "PUT", "/applicationGateways/")] == [412, 200]
    assert (rig.secret(), rig.gateway().tags) == (rig.wanted_secret(), {"other": "writer"})


def test_a_change_of_somebody_else_that_never_ends_is_reported(rig: Rig) -> None:
    rig.takes(600.0)
    rig.put({"tags": {"first": "1"}}, wait=False)
    # A wait of half an hour takes a second.
    made = run(rig.lab, configure_gateway.RUNBOOK, clock=QuickClock(speed=2000.0))
    assert (made.error_code, made.writes()) == ("VD-GATEWAY-009", [])


def test_a_superseded_write_is_noticed_and_repeated(rig: Rig) -> None:
    """Another writer does not wait. It writes the gateway without this run's change, and ends this run's write."""
    rig.installed()
    before = rig.gateway().as_dict()
    rig.takes(2.0)
    others: list[Any] = []

    class Clock(QuickClock):
        def sleep(self, seconds: float) -> None:
            now = rig.gateway()
            if not others and now.properties.provisioning_state == "Updating":
                wanted = ApplicationGateway({**before, "tags": {"other": "writer"}})
                others.append(rig.network.application_gateways.begin_create_or_update(rig.group, GATEWAY, wanted))
            super().sleep(seconds)

    made = run(rig.lab, configure_gateway.RUNBOOK, clock=Clock())
    assert made.exit_code == 0, made.text
    others[0].result()
    assert len(made.sent("arm", "PUT", "/applicationGateways/")) == 3, "the run's two, and the other writer's one"
    assert (rig.secret(), rig.gateway().tags) == (rig.wanted_secret(), {"other": "writer"})
    assert rig.run().status == "unchanged"


@pytest.mark.parametrize("action", ["reset_after", "reset_before", "throttle"])
@pytest.mark.parametrize("match", [PUTS, POLICY_PUTS])
def test_a_lost_answer_or_a_throttled_write_ends_with_the_same_state(
    rig: Rig, match: dict[str, str], action: str
) -> None:
    rig.installed()
    rig.let_in(["203.0.113.0/24"])
    rig.lab.fault(action, match=match, times=1, **({"seconds": 1} if action == "throttle" else {}))
    assert rig.changed() == [RULE, LISTENER]
    assert (rig.secret(), rig.ranges()[0]) == (rig.wanted_secret(), ["203.0.113.0/24"])
    assert rig.run().status == "unchanged"


@pytest.mark.parametrize("match", [PUTS, POLICY_PUTS])
def test_a_write_after_a_faster_writer_is_repeated(rig: Rig, match: dict[str, str]) -> None:
    rig.installed()
    rig.let_in(["203.0.113.0/24"])
    rig.lab.fault("status", match=match, status=412, times=2)
    assert rig.changed() == [RULE, LISTENER]
    rig.let_in(["203.0.113.0/25"])
    rig.lab.fault("status", match=POLICY_PUTS, status=412, times=0)
    assert rig.refused() == "VD-GATEWAY-010"


def test_the_gateway_shows_the_result_of_an_operation_that_nobody_may_read(rig: Rig) -> None:
    rig.installed()
    rig.lab.fault("status", match={"service": "arm", "path": "/locations/[^/]+/operations/"}, status=403, times=0)
    assert rig.changed() == [LISTENER]
    assert rig.secret() == rig.wanted_secret()


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
    assert "ApplicationGatewayKeyVaultSecretException" in made.text
    assert rig.gateway().properties.provisioning_state == "Failed"
    assert rig.refused() == "VD-GATEWAY-004"
    rig.lab.control("DELETE", "/faults")
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
