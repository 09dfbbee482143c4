"""The lab's gateway, firewall policy, vault and Automation account, for tests of configure_gateway."""

import json
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

from azure.identity import ManagedIdentityCredential
from azure.keyvault.certificates import CertificateClient, CertificatePolicy
from azure.mgmt.automation import AutomationClient
from azure.mgmt.automation.models import VariableCreateOrUpdateParameters
from azure.mgmt.network import NetworkManagementClient
from azure.mgmt.network.models import ApplicationGateway
from cryptography.hazmat.primitives.serialization import Encoding

from runbook_lib.tls_certificate.name import CERTIFICATE
from runbooks import configure_gateway
from tests.support.application_gateway import GATEWAY, POLICY, network_client
from tests.support.arm import SCOPE
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
        self.set_variable(json.dumps(json.dumps({"customer": customer, "publisher": publisher})))

    def set_variable(self, value: str, *, encrypted: bool = False) -> None:
        """Write the variable of the address ranges. value: its JSON in ARM."""
        name, account = configure_gateway.RANGES_VARIABLE, self.lab.env["VIBEDATA_AUTOMATION_ACCOUNT"]
        body = VariableCreateOrUpdateParameters(
            {"name": name, "properties": {"value": value, "isEncrypted": encrypted}}
        )
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


class SleepingClock(QuickClock):
    """A quick clock that keeps the seconds of each sleep."""

    def __init__(self) -> None:
        super().__init__()
        self.slept: list[float] = []

    def sleep(self, seconds: float) -> None:
        self.slept.append(seconds)
        super().sleep(seconds)


@contextmanager
def gateway_rig(lab: LabUnderTest) -> Iterator[Rig]:
    """Give the rig of a lab."""
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
