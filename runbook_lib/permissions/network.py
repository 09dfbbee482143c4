"""The permissions that runbooks need for the Application Gateway, its firewall policy, and the gateway's references.

A write of a gateway names its subnet, public address, firewall policy and identity. Azure accepts the write only if the
caller may join or assign each of them (learn application-gateway/configuration-infrastructure, Permissions).
"""

from runbook_lib.permissions.model import Permission

_NETWORK = "Microsoft.Network"
_POLICIES = f"{_NETWORK}/ApplicationGatewayWebApplicationFirewallPolicies"
_ROLE = "Network Contributor"

CHANGE_GATEWAY = Permission(
    on="Application Gateway",
    role=_ROLE,
    purpose="let the listener read the vault's certificate; let the gateway read the vault again",
    actions=(f"{_NETWORK}/applicationGateways/read", f"{_NETWORK}/applicationGateways/write"),
)
CHANGE_FIREWALL = Permission(
    on="firewall policy",
    role=_ROLE,
    purpose="keep the address ranges that are let in; write a gateway that refers to the policy",
    actions=(f"{_POLICIES}/read", f"{_POLICIES}/write", f"{_POLICIES}/join/action"),
)
JOIN_NETWORK = Permission(
    on="virtual network",
    role=_ROLE,
    purpose="write a gateway that is in a subnet of it",
    actions=(f"{_NETWORK}/virtualNetworks/subnets/join/action",),
)
JOIN_ADDRESS = Permission(
    on="public address",
    role=_ROLE,
    purpose="write a gateway that has the address",
    actions=(f"{_NETWORK}/publicIPAddresses/join/action",),
)
ASSIGN_IDENTITY = Permission(
    on="managed identity",
    role="Managed Identity Operator",
    purpose="write a gateway that reads the vault as this identity",
    actions=("Microsoft.ManagedIdentity/userAssignedIdentities/assign/action",),
)
