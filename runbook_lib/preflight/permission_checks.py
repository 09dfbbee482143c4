"""Check whether an identity may do what the runbooks need: read its roles and the deny assignments at each resource.

These do not show how long ago a role was assigned. A new role may take 30 minutes to work for data. If the caller may
not read them, the state is unknown.
"""

import shlex
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any
from urllib.parse import quote, urlencode

from runbook_lib.azure.arm_listing import items_of
from runbook_lib.azure.clients import ARM_SCOPE
from runbook_lib.azure.identity import object_id
from runbook_lib.azure.session import AzureSession
from runbook_lib.azure.settings import Settings
from runbook_lib.basics.visible_text import one_line
from runbook_lib.errors import azure, deployment
from runbook_lib.network.failures import as_runbook_error
from runbook_lib.permissions.model import Permission, Resource
from runbook_lib.preflight.finding import Finding, bad, good, unknown
from runbook_lib.preflight.rights import Denial, Grant, denial_of, denied, grant_of, lacking
from runbook_lib.workers import side_by_side

AUTHORIZATION_API_VERSION = "2022-04-01"
RESOURCES_API_VERSION = "2025-04-01"
# Resources whose names are not settings. The group has one of each.
_FOUND_BY_TYPE: Mapping[Resource, str] = {
    "Key Vault": "Microsoft.KeyVault/vaults",
    "data collection rule": "Microsoft.Insights/dataCollectionRules",
}
# A subscription holds at most 4,000 role assignments (learn role-based-access-control/troubleshoot-limits). One
# resource has far fewer.
MAX_ASSIGNMENTS = 4000
# What is assigned at a resource or above it, and nothing below it.
AT_SCOPE = "atScope()"
# Each resource needs several requests, one after the other.
RESOURCES_AT_ONCE = 8
_SHOWN_ACTIONS = 5
_SHOWN_CHARACTERS = 100


@dataclass(frozen=True, slots=True, kw_only=True)
class Rights:
    """What ARM says about the rights at one resource.

    Attributes:
        resource_id: Its ARM id.
        grants: What the identity's roles allow.
        conditional: What the identity's roles with a condition may allow. Nobody knows whether the condition is met.
        denials: The deny assignments.
    """

    resource_id: str
    grants: tuple[Grant, ...]
    denials: tuple[Denial, ...]
    conditional: tuple[Grant, ...] = ()


# Returns what an identity's roles allow at a resource, from its ARM id: first without a condition, then with one.
GrantsOf = Callable[[str], tuple[tuple[Grant, ...], tuple[Grant, ...]]]


def check_permissions(session: AzureSession, permissions: Iterable[Permission]) -> Iterator[Finding]:
    """Yield a finding for each permission of the caller. Raises RunbookError VD-IDENTITY-* if there is no token."""

    def own_grants(resource_id: str) -> tuple[tuple[Grant, ...], tuple[Grant, ...]]:
        return tuple(map(grant_of, authorization(session, resource_id, "permissions"))), ()

    yield from check_principal(session, permissions, object_id(session.clients.credential, ARM_SCOPE), own_grants)


def check_principal(
    session: AzureSession, permissions: Iterable[Permission], principal: str, grants_of: GrantsOf
) -> Iterator[Finding]:
    """Yield a finding for each permission of an identity. `principal` is its object id."""
    asked = tuple(permissions)
    resources = tuple(dict.fromkeys(permission.on for permission in asked))
    found = side_by_side(
        lambda each: _rights_or_why_not(session, each, grants_of), resources, at_once=RESOURCES_AT_ONCE
    )
    known = dict(zip(resources, found, strict=True))
    for permission in asked:
        rights = known[permission.on]
        subject = f"{permission.on}: {permission.purpose}"
        if isinstance(rights, str):
            yield unknown(subject, rights)
        else:
            yield judge(subject, permission, rights, principal)


def judge(subject: str, permission: Permission, rights: Rights, principal: str) -> Finding:
    """Return the finding for a permission, from the rights at a resource.

    Pure. `principal` is the identity's object id.
    """
    missing = lacking(permission, rights.grants)
    if missing and not lacking(permission, (*rights.grants, *rights.conditional)):
        return unknown(subject, f"a role with a condition may give {_shown(missing)}")
    if missing:
        # Somebody else may have named the resource, and this line is for a shell.
        scope = shlex.quote(rights.resource_id)
        # With the object id and the type, the command does not have to look up the identity in the directory.
        assignee = f"--assignee-object-id {principal} --assignee-principal-type ServicePrincipal"
        line = f'az role assignment create {assignee} --role "{permission.role}" --scope {scope}'
        return bad(subject, deployment.ACTION_MISSING.error(_shown(missing), target=permission.on, line=line))
    open_questions = []
    for denial in rights.denials:
        forbidden = denied(permission, denial) if denial.is_about(rights.resource_id) else ()
        applies = denial.is_for(principal) if forbidden else False
        if applies and not denial.has_condition:
            detail = f"{one_line(denial.name, _SHOWN_CHARACTERS)} denies {_shown(forbidden)} to object id {principal}"
            return bad(subject, deployment.ACTION_DENIED.error(detail, target=permission.on))
        if applies or applies is None:
            why = "it names groups" if applies is None else "it has a condition"
            open_questions.append(f"deny assignment {one_line(denial.name, _SHOWN_CHARACTERS)} may apply: {why}")
    if open_questions:
        return unknown(subject, open_questions[0])
    return good(subject, "is allowed")


def _rights_or_why_not(session: AzureSession, resource: Resource, grants_of: GrantsOf) -> Rights | str:
    try:
        resource_id = _resource_id(session, resource)
        if not resource_id:
            return "the managed resource group has not exactly one such resource"
        grants, conditional = grants_of(resource_id)
        denials = tuple(map(denial_of, authorization(session, resource_id, "denyAssignments", AT_SCOPE)))
        return Rights(resource_id=resource_id, grants=grants, conditional=conditional, denials=denials)
    except Exception as error:
        named = as_runbook_error(error)
        if named is None:
            raise
        return named.message


def _resource_id(session: AzureSession, resource: Resource) -> str:
    """Return the ARM id of a resource, "" if the group has none or several.

    An id outside of the group counts as none.
    """
    settings = session.settings
    if resource not in _FOUND_BY_TYPE:
        return _named(settings)[resource]
    query = urlencode(
        {"api-version": RESOURCES_API_VERSION, "$filter": f"resourceType eq '{_FOUND_BY_TYPE[resource]}'"}, safe="$"
    )
    address = f"{quote(settings.resource_group_id, safe='/()')}/resources?{query}"
    found = [str(item.get("id", "")) for item in items_of(session.clients.resources, settings, address)]
    below = f"{settings.resource_group_id}/providers/".lower()
    return found[0] if len(found) == 1 and found[0].lower().startswith(below) else ""


def _named(settings: Settings) -> Mapping[Resource, str]:
    below = f"{settings.resource_group_id}/providers"
    return {
        "managed resource group": settings.resource_group_id,
        "storage account": f"{below}/Microsoft.Storage/storageAccounts/{settings.storage_account}",
        "container registry": f"{below}/Microsoft.ContainerRegistry/registries/{settings.customer_registry_name}",
        "Automation account": f"{below}/Microsoft.Automation/automationAccounts/{settings.automation_account}",
        # As the template names them.
        "Application Gateway": f"{below}/Microsoft.Network/applicationGateways/{settings.prefix}-gateway",
        "firewall policy": (
            f"{below}/Microsoft.Network/ApplicationGatewayWebApplicationFirewallPolicies/{settings.prefix}-gateway-waf"
        ),
        "virtual network": f"{below}/Microsoft.Network/virtualNetworks/{settings.prefix}-vnet",
        "public address": f"{below}/Microsoft.Network/publicIPAddresses/{settings.prefix}-gateway-ip",
        "managed identity": f"{below}/Microsoft.ManagedIdentity/userAssignedIdentities/{settings.prefix}-uami",
    }


def authorization(session: AzureSession, resource_id: str, what: str, only: str = "") -> Iterator[Mapping[str, Any]]:
    """Yield what Microsoft.Authorization lists at a resource.

    Args:
        session: The way to Azure.
        resource_id: The ARM id of the resource.
        what: The name of the listed type.
        only: The filter, "" for none.

    Raises:
        RunbookError: VD-ARM-001 (more than MAX_ASSIGNMENTS), and the errors of items_of.
    """
    query = urlencode({"api-version": AUTHORIZATION_API_VERSION, **({"$filter": only} if only else {})}, safe="$")
    address = f"{quote(resource_id, safe='/()')}/providers/Microsoft.Authorization/{what}?{query}"
    for number, item in enumerate(items_of(session.clients.resources, session.settings, address)):
        if number >= MAX_ASSIGNMENTS:
            raise azure.ARM_ANSWER_UNCLEAR.error(f"there are more than {MAX_ASSIGNMENTS} {what}")
        yield item


def _shown(actions: tuple[str, ...]) -> str:
    more = f" and {len(actions) - _SHOWN_ACTIONS} more" if len(actions) > _SHOWN_ACTIONS else ""
    return ", ".join(actions[:_SHOWN_ACTIONS]) + more
