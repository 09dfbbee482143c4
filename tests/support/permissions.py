"""Give vibedata-uami a custom role with exactly the actions of some permissions, through ARM, and check jobs by it."""

import uuid
from collections.abc import Iterable
from typing import Any

from azure.core.rest import HttpRequest

from runbook_lib.permissions.model import Permission
from tests.support.automation import Automation

API_VERSION = "2022-04-01"


def grant(automation: Automation, permissions: Iterable[Permission], *, judged: str = "jobs") -> None:
    """Take every role from vibedata-uami, and give it one with exactly these actions at the managed resource group.

    judged: whose requests need the role from then on (lab/authorization/provider.py).
    """
    automation.lab.control("POST", "/authorization", {"judged": "nobody"})
    env, names = automation.lab.env, automation.lab.control("GET", "/names")
    scope = f"/subscriptions/{env['VIBEDATA_SUBSCRIPTION_ID']}/resourceGroups/{env['VIBEDATA_RESOURCE_GROUP']}"
    below = f"{scope}/providers/Microsoft.Authorization"
    granted = list(permissions)
    for assignment in _ask(automation, "GET", f"{below}/roleAssignments")["value"]:
        _ask(automation, "DELETE", assignment["id"])
    grants = {
        "actions": sorted({action for each in granted for action in each.actions}),
        "dataActions": sorted({action for each in granted for action in each.data_actions}),
    }
    role = {"roleName": "as declared", "type": "CustomRole", "assignableScopes": [scope], "permissions": [grants]}
    made = _ask(automation, "PUT", f"{below}/roleDefinitions/{uuid.uuid4()}", {"properties": role})
    assignment = {
        "roleDefinitionId": made["id"],
        "principalId": names["uami_principal_id"],
        "principalType": "ServicePrincipal",
    }
    _ask(automation, "PUT", f"{below}/roleAssignments/{uuid.uuid4()}", {"properties": assignment})
    automation.lab.control("POST", "/authorization", {"judged": judged})


def asked(automation: Automation) -> set[str]:
    """Return the actions that jobs have asked for since the last `grant`."""
    return set(automation.lab.control("GET", "/authorization")["asked"])


def _ask(automation: Automation, method: str, path: str, body: object = None) -> Any:
    url = f"{automation.lab.env['VIBEDATA_ARM_ENDPOINT']}{path}?api-version={API_VERSION}"
    answer = automation.client.send_request(HttpRequest(method, url, json=body))
    answer.raise_for_status()
    return answer.json() if answer.content else None
