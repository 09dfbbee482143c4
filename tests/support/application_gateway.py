"""Clients of the lab's Application Gateway: the official client of Microsoft.Network, and a browser."""

import http.client
import socket
import ssl
from contextlib import AbstractContextManager
from dataclasses import dataclass
from typing import Any

from azure.mgmt.network import NetworkManagementClient
from cryptography import x509

from tests.support import arm
from tests.support.running_lab import LabUnderTest

GATEWAY, POLICY, ADDRESS = "vibedata-gateway", "vibedata-gateway-waf", "vibedata-gateway-ip"
SECONDS = 30.0


def network_client(lab: LabUnderTest) -> AbstractContextManager[NetworkManagementClient]:
    """Give a client of the customer's subscription, as the identity of the runbooks."""
    return arm.client(lab, NetworkManagementClient)


def under(etag: str) -> dict[str, Any]:
    """Return the arguments for a write that must find this ETag."""
    return {"headers": {"If-Match": etag}}


@dataclass(frozen=True, slots=True)
class Page:
    """The answer to a client: status, body, and the serial number of the served certificate."""

    status: int
    text: str
    serial: int


def open_page(
    gateway: str, host: str, *, trust: ssl.SSLContext, path: str = "/healthz", source: str = "127.0.0.1"
) -> Page:
    """Open `https://{host}{path}` at a gateway (`127.0.0.1:PORT`) like a browser, from a loopback address."""
    address, _, port = gateway.partition(":")
    with (
        socket.create_connection((address, int(port)), timeout=SECONDS, source_address=(source, 0)) as plain,
        trust.wrap_socket(plain, server_hostname=host) as secured,
    ):
        served = x509.load_der_x509_certificate(secured.getpeercert(binary_form=True) or b"")
        connection = http.client.HTTPSConnection(host, context=trust)
        connection.sock = secured
        connection.request("GET", path)
        answer = connection.getresponse()
        return Page(answer.status, answer.read().decode(), served.serial_number)


def trusting(root_pem: str) -> ssl.SSLContext:
    """Return the TLS settings of a browser that trusts only one root."""
    return ssl.create_default_context(cadata=root_pem)


def trusting_anybody() -> ssl.SSLContext:
    """Return TLS settings that accept any certificate, to see which one is served."""
    context = ssl.create_default_context()
    context.check_hostname, context.verify_mode = False, ssl.CERT_NONE
    return context


def set_rules(lab: LabUnderTest, rules: list[dict[str, Any]], mode: str = "Prevention") -> None:
    """Replace the custom rules of the firewall policy."""
    group = lab.env["VIBEDATA_RESOURCE_GROUP"]
    with network_client(lab) as client:
        policy = client.web_application_firewall_policies.get(group, POLICY)
        assert policy.properties is not None
        policy["properties"]["customRules"] = rules
        policy["properties"]["policySettings"]["mode"] = mode
        client.web_application_firewall_policies.create_or_update(group, POLICY, policy)


def rule(action: str, *conditions: tuple[list[str], bool], priority: int = 1, state: str = "Enabled") -> dict[str, Any]:
    """Return a custom rule. Each condition has ranges, and a flag: true means all addresses that are not in them."""
    return {
        "name": f"rule{priority}",
        "priority": priority,
        "ruleType": "MatchRule",
        "action": action,
        "state": state,
        "matchConditions": [
            {
                "matchVariables": [{"variableName": "RemoteAddr"}],
                "operator": "IPMatch",
                "negationConditon": negated,
                "matchValues": ranges,
            }
            for ranges, negated in conditions
        ],
    }
