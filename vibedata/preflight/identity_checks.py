"""Check from outside, before any job runs, that the runbooks' identity exists and has the rights that they need.

The person who deploys has another identity. ARM's `permissions` shows only the rights of the caller, so it does not
help here. Instead this reads the role assignments of the identity, the role definitions and the deny assignments. A
caller who may not read them gets the state unknown.

Source: learn rest/api/authorization, role-assignments/list-for-scope and role-definitions/get, 2022-04-01.
"""

import json
import re
import shlex
from collections.abc import Iterator, Mapping
from functools import partial
from typing import Any
from urllib.parse import quote, urlencode

from runbook_lib.azure.arm_listing import items_of
from runbook_lib.azure.session import AzureSession
from runbook_lib.basics.forms import GUID, fits
from runbook_lib.basics.strict_json import member
from runbook_lib.errors import azure, deployment
from runbook_lib.preflight.finding import Finding, look, unknown
from runbook_lib.preflight.permission_checks import AUTHORIZATION_API_VERSION, authorization, check_principal
from runbook_lib.preflight.rights import Grant, grant_of
from runbooks.preflight import NEEDED

_IDENTITIES = "Microsoft.ManagedIdentity/userAssignedIdentities"
IDENTITY_API_VERSION = "2024-11-30"
ACCOUNT_API_VERSION = "2024-10-23"
_SUBJECT = "identity of the runbooks"
_ROLE = re.compile(r".*/roleDefinitions/([0-9a-fA-F-]{36})", re.DOTALL)


def check_identity(session: AzureSession) -> Iterator[Finding]:
    """Yield a finding for the identity, and one for each permission that the runbooks need."""
    principal = ""

    def read() -> str:
        nonlocal principal
        principal = _principal(session)
        return f"is there and assigned to the Automation account; its object id is {principal}"

    if not session.settings.uami_client_id:
        yield unknown(_SUBJECT, "setting uami_client_id is empty")
        return
    yield look(_SUBJECT, read, refused="unknown")
    if principal:
        yield from check_principal(session, NEEDED, principal, partial(_grants, session, principal))
    else:
        yield unknown("permissions of the identity", "it is not known")


def _principal(session: AzureSession) -> str:
    """Return the identity's object id. Raises RunbookError VD-PREFLIGHT-008, VD-ARM-*, and azure.core's errors."""
    settings = session.settings
    client_id = settings.uami_client_id.lower()
    identity = next(
        (
            each
            for each in _listed(session, _IDENTITIES, IDENTITY_API_VERSION)
            if str(member(each, "properties", "clientId")).lower() == client_id
        ),
        None,
    )
    if identity is None:
        detail = "the managed resource group has no identity with this client id"
        raise deployment.NO_IDENTITY.error(detail, target=settings.uami_client_id)
    identity_id, principal = str(member(identity, "id")), member(identity, "properties", "principalId")
    if not isinstance(principal, str) or not fits(GUID, principal):
        raise azure.ARM_ANSWER_UNCLEAR.error("an identity has no object id")
    accounts = _listed(session, "Microsoft.Automation/automationAccounts", ACCOUNT_API_VERSION)
    account = next(
        (each for each in accounts if str(member(each, "name")).lower() == settings.automation_account.lower()), None
    )
    assigned = member(account, "identity", "userAssignedIdentities")
    if not isinstance(assigned, Mapping) or identity_id.lower() not in (str(each).lower() for each in assigned):
        raise deployment.NO_IDENTITY.error(
            f"account {settings.automation_account} has no such identity",
            target=settings.uami_client_id,
            line=_assigning_line(settings.resource_group_id, settings.automation_account, identity_id),
        )
    return principal.lower()


def _assigning_line(group: str, account: str, identity_id: str) -> str:
    account_id = f"{group}/providers/Microsoft.Automation/automationAccounts/{account}"
    # Azure uses the identity that is set here as the only identity of the account.
    body = json.dumps({"identity": {"type": "UserAssigned", "userAssignedIdentities": {identity_id: {}}}})
    url = f"{account_id}?api-version={ACCOUNT_API_VERSION}"
    return f"az rest --method patch --url {shlex.quote(url)} --body {shlex.quote(body)}"


def _grants(session: AzureSession, principal: str, resource_id: str) -> tuple[tuple[Grant, ...], tuple[Grant, ...]]:
    """Return the rights that the principal's roles grant at a resource: first without a condition, then with one."""
    roles: dict[bool, set[str]] = {False: set(), True: set()}
    only = f"atScope() and assignedTo('{principal}')"
    for each in authorization(session, resource_id, "roleAssignments", only):
        role = _ROLE.fullmatch(str(member(each, "properties", "roleDefinitionId")))
        if role is None:
            raise azure.ARM_ANSWER_UNCLEAR.error("a role assignment names no role")
        roles[bool(member(each, "properties", "condition"))].add(role[1].lower())
    sure, conditional = (
        tuple(grant for role in sorted(roles[has_condition]) for grant in _role(session, resource_id, role))
        for has_condition in (False, True)
    )
    return sure, conditional


def _role(session: AzureSession, resource_id: str, role: str) -> Iterator[Grant]:
    definition = session.clients.resources.resources.get_by_id(
        f"{quote(resource_id, safe='/()').lstrip('/')}/providers/Microsoft.Authorization/roleDefinitions/{role}",
        api_version=AUTHORIZATION_API_VERSION,
    )
    permissions = member(definition.properties, "permissions")
    if not isinstance(permissions, list):
        raise azure.ARM_ANSWER_UNCLEAR.error("a role definition has no permissions")
    return map(grant_of, permissions)


def _listed(session: AzureSession, kind: str, api_version: str) -> Iterator[Mapping[str, Any]]:
    group = quote(session.settings.resource_group_id, safe="/()")
    address = f"{group}/providers/{kind}?{urlencode({'api-version': api_version})}"
    return items_of(session.clients.resources, session.settings, address)
