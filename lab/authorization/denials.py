"""Deny assignments: how Azure Resource Manager shows them, and how the control API sets them.

Source: learn rest/api/authorization/deny-assignments.
"""

import uuid
from collections.abc import Mapping
from typing import Any

from lab.authorization.state import Denial
from lab.front.faults import InvalidFaultError
from lab.shared import Lab

NAMESPACE = "Microsoft.Authorization"
JUDGED = ("nobody", "jobs", "everybody")


def shown(denial: Denial) -> dict[str, Any]:
    """Return a deny assignment as ARM shows it. Azure creates it for a managed application, and it binds everybody."""
    everybody = {"id": "00000000-0000-0000-0000-000000000000", "type": "SystemDefined"}
    return {
        "id": denial.id,
        "name": denial.id.rpartition("/")[2],
        "type": f"{NAMESPACE}/denyAssignments",
        "properties": {
            "denyAssignmentName": denial.name,
            "description": "",
            "permissions": [
                {
                    "actions": list(denial.actions),
                    "notActions": [],
                    "dataActions": list(denial.data_actions),
                    "notDataActions": [],
                }
            ],
            "scope": denial.scope,
            "doNotApplyToChildScopes": denial.own_scope_only,
            **({"condition": denial.condition, "conditionVersion": "2.0"} if denial.condition else {}),
            "principals": [everybody],
            "excludePrincipals": [{"id": one, "type": "ServicePrincipal"} for one in denial.excluded],
            "isSystemProtected": True,
        },
    }


def change_judged(lab: Lab, body: object) -> object:
    """Answer POST /authorization of the control API."""
    if not isinstance(body, dict) or not set(body) <= {"judged", "denials"} or body.get("judged") not in JUDGED:
        raise InvalidFaultError(f"an authorization is {{judged, denials}}; judged is one of {', '.join(JUDGED)}")
    fields = {"name", "scope", "actions", "data_actions", "excluded"}
    for one in body.get("denials", []):
        named = set(one) - {"own_scope_only", "condition"} if isinstance(one, dict) else set()
        if named != fields or not all(map(_texts, map(one.get, sorted(fields)[:3]))):
            raise InvalidFaultError(f"a denial is {', '.join(sorted(fields))}; the first three are lists of texts")
    lab.authorization.judged = body["judged"]
    lab.authorization.asked.clear()
    lab.authorization.denials = [_denial(one) for one in body.get("denials", [])]
    return body


def _denial(one: Mapping[str, Any]) -> Denial:
    scope = str(one["scope"])
    return Denial(
        name=str(one["name"]),
        id=f"{scope}/providers/{NAMESPACE}/denyAssignments/{uuid.uuid4()}",
        scope=scope,
        actions=tuple(one["actions"]),
        data_actions=tuple(one["data_actions"]),
        excluded=tuple(one["excluded"]),
        own_scope_only=bool(one.get("own_scope_only")),
        condition=str(one.get("condition", "")),
    )


def _texts(value: object) -> bool:
    return isinstance(value, list) and all(isinstance(one, str) for one in value)
