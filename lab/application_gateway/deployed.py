"""The resources that the deployment has made: the gateway, its firewall policy and its public address.

They are as in the template. Left out: the ports of the public network. The backend is the control panel at its own
address in the lab.
Sources: infra/modules/gateway.bicep; learn rest/api/application-gateway, rest/api/virtualnetwork.
"""

import uuid
from typing import Any

from lab.application_gateway.gateway import TYPE, stamped
from lab.application_gateway.placeholder import PLACEHOLDER
from lab.arm.resources import Resource
from lab.resource_group.resources import identity_of, resource, resource_id
from lab.shared import Lab

FIREWALL_TYPE = "Microsoft.Network/ApplicationGatewayWebApplicationFirewallPolicies"
ADDRESS_TYPE = "Microsoft.Network/publicIPAddresses"
# Ranges for documentation (RFC 5737), and this machine, so that the firewall lets the demo's clients in.
PUBLIC_ADDRESS = "203.0.113.40"
CUSTOMER_RANGES = ("198.51.100.0/24", "127.0.0.1/32")
PUBLISHER_RANGES = ("192.0.2.0/24",)
# The control panel's certificate in the lab has this name.
BACKEND_HOST = "localhost"


def new_etag() -> str:
    """Return an ETag in the form of Microsoft.Network."""
    return f'W/"{uuid.uuid4()}"'


def deployed(lab: Lab, backend: str) -> list[Resource]:
    """Return the three resources. backend: `127.0.0.1:PORT` of the control panel."""
    prefix = lab.names.prefix
    name = f"{prefix}-gateway"
    gateway_id = resource_id(lab, TYPE, name)
    address = resource(
        lab,
        ADDRESS_TYPE,
        f"{name}-ip",
        {
            "provisioningState": "Succeeded",
            "ipAddress": PUBLIC_ADDRESS,
            "publicIPAllocationMethod": "Static",
            "publicIPAddressVersion": "IPv4",
            "dnsSettings": {
                "domainNameLabel": f"{prefix}-gateway",
                "fqdn": f"{prefix}-gateway.{lab.names.location}.cloudapp.azure.com",
            },
            "ipConfiguration": {"id": f"{gateway_id}/frontendIPConfigurations/public"},
        },
        sku={"name": "Standard", "tier": "Regional"},
    )
    policy = resource(lab, FIREWALL_TYPE, f"{name}-waf", _firewall(gateway_id), etag=new_etag())
    properties = _gateway(lab, gateway_id, address["id"], policy["id"], backend)
    gateway = resource(lab, TYPE, name, properties, identity=identity_of(lab))
    return [address, policy, stamped(gateway, etag=new_etag(), provisioning="Succeeded", operational="Running")]


def _firewall(gateway_id: str) -> dict[str, Any]:
    conditions = [
        {
            "matchVariables": [{"variableName": "RemoteAddr"}],
            "operator": "IPMatch",
            "negationConditon": True,
            "matchValues": list(ranges),
            "transforms": [],
        }
        for ranges in (CUSTOMER_RANGES, PUBLISHER_RANGES)
    ]
    rule = {
        "name": "OnlyKnownAddresses",
        "priority": 1,
        "ruleType": "MatchRule",
        "action": "Block",
        "matchConditions": conditions,
        "state": "Enabled",
    }
    return {
        "provisioningState": "Succeeded",
        "resourceState": "Enabled",
        "policySettings": {"state": "Enabled", "mode": "Prevention", "requestBodyCheck": True},
        "customRules": [rule],
        "managedRules": {"managedRuleSets": [{"ruleSetType": "Microsoft_DefaultRuleSet", "ruleSetVersion": "2.1"}]},
        "applicationGateways": [{"id": gateway_id}],
    }


def _gateway(lab: Lab, gateway_id: str, address_id: str, policy_id: str, backend: str) -> dict[str, Any]:
    prefix = lab.names.prefix
    vnet = resource_id(lab, "Microsoft.Network/virtualNetworks", f"{prefix}-vnet")
    host, _, port = backend.partition(":")

    def own(collection: str, name: str) -> dict[str, str]:
        return {"id": f"{gateway_id}/{collection}/{name}"}

    return {
        "sku": {"name": "WAF_v2", "tier": "WAF_v2", "capacity": 2},
        "firewallPolicy": {"id": policy_id},
        "sslPolicy": {"policyType": "Predefined", "policyName": "AppGwSslPolicy20220101"},
        "gatewayIPConfigurations": [_part("gateway", subnet={"id": f"{vnet}/subnets/gateway"})],
        "frontendIPConfigurations": [_part("public", publicIPAddress={"id": address_id})],
        "frontendPorts": [_part("http", port=80), _part("https", port=443)],
        # Without a version, so that the gateway follows rotations (every four hours).
        "sslCertificates": [
            _part("listener", keyVaultSecretId=f"{lab.urls['key_vault']}/secrets/{PLACEHOLDER}"),
        ],
        "backendAddressPools": [_part("control-panel", backendAddresses=[{"ipAddress": host}])],
        "probes": [
            _part(
                "control-panel",
                protocol="Https",
                host=BACKEND_HOST,
                path="/healthz",
                interval=30,
                timeout=30,
                unhealthyThreshold=3,
            )
        ],
        "backendHttpSettingsCollection": [
            _part(
                "control-panel",
                port=int(port),
                protocol="Https",
                cookieBasedAffinity="Disabled",
                hostName=BACKEND_HOST,
                requestTimeout=60,
                probe=own("probes", "control-panel"),
            )
        ],
        "httpListeners": [
            _part(
                "http",
                protocol="Http",
                frontendIPConfiguration=own("frontendIPConfigurations", "public"),
                frontendPort=own("frontendPorts", "http"),
            ),
            _part(
                "https",
                protocol="Https",
                frontendIPConfiguration=own("frontendIPConfigurations", "public"),
                frontendPort=own("frontendPorts", "https"),
                sslCertificate=own("sslCertificates", "listener"),
            ),
        ],
        "redirectConfigurations": [
            _part(
                "to-https",
                redirectType="Permanent",
                includePath=True,
                includeQueryString=True,
                targetListener=own("httpListeners", "https"),
            )
        ],
        "requestRoutingRules": [
            _part(
                "https",
                ruleType="Basic",
                priority=100,
                httpListener=own("httpListeners", "https"),
                backendAddressPool=own("backendAddressPools", "control-panel"),
                backendHttpSettings=own("backendHttpSettingsCollection", "control-panel"),
            ),
            _part(
                "http",
                ruleType="Basic",
                priority=200,
                httpListener=own("httpListeners", "http"),
                redirectConfiguration=own("redirectConfigurations", "to-https"),
            ),
        ],
    }


def _part(name: str, **properties: Any) -> dict[str, Any]:
    return {"name": name, "properties": properties}
