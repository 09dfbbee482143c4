"""Check by their network rules whether a cloud sandbox can reach the services.

A service may answer here although a sandbox does not reach it, and the other way round. So this reads the rules. A
sandbox reaches no private endpoint, and the bypass for trusted services does not let Automation in
(docs/azure-facts.md).
"""

import shlex
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from functools import partial
from typing import Any
from urllib.parse import quote, urlencode

from runbook_lib.azure.arm_listing import items_of
from runbook_lib.azure.session import AzureSession
from runbook_lib.basics.strict_json import member
from runbook_lib.basics.visible_text import one_line
from runbook_lib.errors import deployment
from runbook_lib.preflight.finding import Finding, look

# How many characters of a foreign value are shown.
_SHOWN_CHARACTERS = 40


@dataclass(frozen=True, slots=True, kw_only=True)
class Guarded:
    """A kind of service that has network rules.

    Attributes:
        name: what a row calls it.
        type: its resource type.
        api_version: the api-version for reading it.
        rules: the property that holds the firewall's rules.
        opening: the command of the Azure CLI that lets the public network in; name and group follow.
        options: its options.
    """

    name: str
    type: str
    api_version: str
    rules: str
    opening: str
    options: str


# Sources: learn rest/api, storage 2024-01-01, key vault 2024-11-01, container registry 2025-11-01.
GUARDED = (
    Guarded(
        name="storage account",
        type="Microsoft.Storage/storageAccounts",
        api_version="2024-01-01",
        rules="networkAcls",
        opening="az storage account update",
        options="--public-network-access Enabled --default-action Allow",
    ),
    Guarded(
        name="Key Vault",
        type="Microsoft.KeyVault/vaults",
        api_version="2024-11-01",
        rules="networkAcls",
        opening="az keyvault update",
        options="--public-network-access Enabled --default-action Allow",
    ),
    Guarded(
        name="container registry",
        type="Microsoft.ContainerRegistry/registries",
        api_version="2025-11-01",
        rules="networkRuleSet",
        opening="az acr update",
        options="--public-network-enabled true --default-action Allow",
    ),
)


def check_networks(session: AzureSession) -> Iterator[Finding]:
    """Yield a finding for each kind of service in the managed resource group."""
    for kind in GUARDED:
        yield look(f"way of a cloud sandbox to the {kind.name}", partial(_check, session, kind), refused="unknown")


def _check(session: AzureSession, kind: Guarded) -> str:
    """Return how the service lets a sandbox in. Raises RunbookError VD-PREFLIGHT-007, VD-ARM-*, and azure.core's."""
    settings = session.settings
    group = quote(settings.resource_group_id, safe="/()")
    query = urlencode({"api-version": kind.api_version})
    found = list(items_of(session.clients.resources, settings, f"{group}/providers/{kind.type}?{query}"))
    if not found:
        raise deployment.RESOURCE_ABSENT.error(target=kind.name)
    for one in found:
        closed = closed_by(one, kind.rules)
        if closed:
            name = str(member(one, "name"))
            line = (
                f"{kind.opening} --subscription {settings.subscription_id} --resource-group"
                f" {shlex.quote(settings.resource_group)} --name {shlex.quote(name)} {kind.options}"
            )
            raise deployment.KEPT_OUT.error(closed, target=one_line(name, _SHOWN_CHARACTERS), line=line)
    return "the public network is let in"


def closed_by(resource: Mapping[str, Any], rules: str) -> str:
    """Return the rule of a resource, as ARM shows it, that blocks the public network; "" for none. Pure.

    Without a rule Azure lets everybody in. A rule with an undocumented value counts as a blocking rule.
    """
    access = member(resource, "properties", "publicNetworkAccess")
    if access is not None and str(access).lower() not in ("enabled", ""):
        return f"publicNetworkAccess is {one_line(str(access), _SHOWN_CHARACTERS)}"
    action = member(resource, "properties", rules, "defaultAction")
    if action is not None and str(action).lower() != "allow":
        return f"{rules}.defaultAction is {one_line(str(action), _SHOWN_CHARACTERS)}"
    return ""
