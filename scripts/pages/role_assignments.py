"""Write the template's role assignments from what the runbooks declare: `python -m scripts.pages.role_assignments`."""

import itertools
import re
from collections.abc import Mapping
from pathlib import Path

from runbook_lib.permissions.every_runbook import EVERY_RUNBOOK
from runbook_lib.permissions.model import Permission, Resource
from scripts.pages.permissions import declared

FOLDER = Path(__file__).parents[2] / "infra" / "modules"
# The definitions' ids (learn role-based-access-control/built-in-roles).
ROLE_IDS: Mapping[str, str] = {
    "Automation Contributor": "f353d9bd-d4a6-484e-a77a-8050b599b867",
    "Container Registry Data Importer and Data Reader": "577a9874-89fd-4f24-9dbd-b5034d0ad23a",
    "Key Vault Certificates Officer": "a4417e6f-fecd-4de8-b567-7b0420556985",
    "Key Vault Crypto Officer": "14b46e9e-c2b7-41b4-b07b-48a6ebf60603",
    "Key Vault Secrets Officer": "b86a8fe4-44ce-4948-aee5-eccb2c155cd7",
    "Key Vault Secrets User": "4633458b-17de-408a-b874-0445c86b69e6",
    "Managed Identity Operator": "f1a07417-d97a-45cb-824c-7a7467783830",
    "Monitoring Metrics Publisher": "3913510d-42f4-4e42-8a64-420c390055eb",
    "Monitoring Reader": "43d0d8ad-25c7-4714-9337-8ba259a9fe05",
    "Network Contributor": "4d97b98b-1d4f-4787-a291-c67834d212e7",
    "Reader": "acdd72a7-3385-48ef-bd42-f606fba81ae7",
    "Storage Blob Data Contributor": "ba92f5b4-2d11-453d-a403-e96b0029c9fe",
    "Storage Table Data Contributor": "0a9a7e1f-b9d0-4cc4-a60d-0319b160aaa3",
    "Storage Table Data Reader": "76199698-9eea-4c19-bc75-cec21354c6b6",
}
# The place of a permission: the symbol of the resource in the template, and its type. The managed resource group has
# neither, because the template is deployed into it.
RESOURCES: Mapping[Resource, tuple[str, str]] = {
    "managed resource group": ("", ""),
    "storage account": ("storageAccount", "Microsoft.Storage/storageAccounts@2026-04-01"),
    "Key Vault": ("vault", "Microsoft.KeyVault/vaults@2026-02-01"),
    "container registry": ("containerRegistry", "Microsoft.ContainerRegistry/registries@2025-11-01"),
    "Automation account": ("automationAccount", "Microsoft.Automation/automationAccounts@2024-10-23"),
    "data collection rule": ("dataCollectionRule", "Microsoft.Insights/dataCollectionRules@2024-03-11"),
    "managed identity": ("identity", "Microsoft.ManagedIdentity/userAssignedIdentities@2024-11-30"),
    "Application Gateway": ("gateway", "Microsoft.Network/applicationGateways@2025-09-01"),
    "firewall policy": ("firewall", "Microsoft.Network/ApplicationGatewayWebApplicationFirewallPolicies@2025-09-01"),
    "virtual network": ("network", "Microsoft.Network/virtualNetworks@2025-09-01"),
    "public address": ("address", "Microsoft.Network/publicIPAddresses@2025-09-01"),
}
# The gateway reads the vault when it is made. So the roles of the first file are assigned before the gateway is made,
# and the roles at the gateway are assigned after that.
_AT_GATEWAY: tuple[Resource, ...] = ("Application Gateway", "firewall policy", "virtual network", "public address")
FILES: Mapping[str, tuple[Resource, ...]] = {
    "roleAssignments.bicep": tuple(on for on in RESOURCES if on not in _AT_GATEWAY),
    "gatewayRoleAssignments.bicep": _AT_GATEWAY,
}
HEAD = """\
// The rights of vibedata-uami. `python -m scripts.pages.role_assignments` writes this file from the runbooks'
// declarations (Runbook.permissions). docs/permissions.md says which runbook needs which role, and why.

param identityId string
param principalId string
param crossTenant bool
"""
EXISTING = """
resource {symbol} '{type}' existing = {{
  name: {symbol}Name
}}
"""
ASSIGNMENT = """
resource {symbol} 'Microsoft.Authorization/roleAssignments@2022-04-01' = {{
  name: guid({scope_id}, identityId, '{role_id}')
{scope}  properties: {{
    // {role}
    roleDefinitionId: subscriptionResourceId('Microsoft.Authorization/roleDefinitions', '{role_id}')
    principalId: principalId
    principalType: 'ServicePrincipal'
    delegatedManagedIdentityResourceId: crossTenant ? identityId : null
  }}
}}
"""


def texts() -> Mapping[str, str]:
    """Return each file, by its name."""
    return {name: _text(resources) for name, resources in FILES.items()}


def main() -> int:
    """Write the files."""
    for name, text in texts().items():
        (FOLDER / name).write_text(text, encoding="utf-8")
    return 0


def _text(resources: tuple[Resource, ...]) -> str:
    needed = sorted({(each.on, each.role) for each in _permissions() if each.on in resources})
    symbols = [RESOURCES[on] for on in resources if RESOURCES[on][0] and on in {pair[0] for pair in needed}]
    parts = [HEAD, *(f"param {symbol}Name string\n" for symbol, _ in symbols)]
    parts += [EXISTING.format(symbol=symbol, type=type_name) for symbol, type_name in symbols]
    parts += [_assignment(on, role) for on, role in needed]
    return "".join(parts)


def _permissions() -> tuple[Permission, ...]:
    return (*EVERY_RUNBOOK, *itertools.chain.from_iterable(declared().values()))


def _assignment(on: Resource, role: str) -> str:
    symbol, _ = RESOURCES[on]
    return ASSIGNMENT.format(
        symbol=(symbol or "group") + re.sub(r"[^A-Za-z]", "", role.title()),
        scope_id=f"{symbol or 'resourceGroup()'}.id",
        scope=f"  scope: {symbol}\n" if symbol else "",
        role=role,
        role_id=ROLE_IDS[role],
    )


if __name__ == "__main__":
    raise SystemExit(main())
