"""Microsoft.Authorization: the built-in roles that this product's pages name, role assignments and deny assignments.

Faithful, at the scope of a subscription, of its resource groups and of their resources, with the fields of
azure-mgmt-authorization:
- roleDefinitions by `$filter=roleName eq`, and custom roles with one permission;
- roleAssignments by id and as a list: what is assigned at the scope, above it and, without `$filter` `atScope()`, below
  it; also `$filter` `principalId eq` and `assignedTo`; PUT (201, 409 RoleAssignmentExists for the same role, principal
  and scope) and DELETE;
- the caller's permissions, the deny assignments at a scope (listed in the same way), and an empty list of locks.

At the start there is what lab/authorization/deployed.py assigns. Left out: conditions, the time that an assignment
takes to work.

The control API:

    POST /authorization    {"judged", "denials": [{"name", "scope", "actions", "data_actions", "excluded"}]}: "judged"
                           says whose requests need a role from now on (nobody, jobs, everybody); all other callers
                           have every right; a denial may have "own_scope_only" and "condition"
    GET /authorization     {"judged", "asked"}: the actions that judged callers have asked for since the last POST

Sources: learn rest/api/authorization; role-based-access-control/built-in-roles, deny-assignments.
"""

import re
from collections.abc import Iterator, Mapping
from datetime import datetime, timezone
from typing import Any

from aiohttp import web

from lab.arm.access import caller, split_path
from lab.arm.dispatch import Arm, ArmRefusal, Names, json_body, only_fields
from lab.authorization.denials import NAMESPACE, change_judged, shown
from lab.authorization.deployed import deploy
from lab.authorization.roles import ROLES, Role
from lab.authorization.state import Authorization, is_within

ASSIGNMENT_API_VERSIONS = ("2022-04-01", "2020-10-01-preview", "2020-04-01-preview", "2015-07-01")
DEFINITION_API_VERSIONS = ("2022-05-01-preview", "2022-04-01", "2018-07-01", "2018-01-01-preview", "2015-07-01")
PERMISSION_API_VERSIONS = ("2022-04-01", "2018-07-01", "2015-07-01")
DENIAL_API_VERSIONS = ("2022-04-01", "2018-07-01-preview")
LOCK_API_VERSIONS = ("2020-05-01", "2017-04-01", "2016-09-01")
PRINCIPAL_TYPES = ("User", "Group", "ServicePrincipal", "ForeignGroup", "Device")
GUID = re.compile(r"[0-9a-fA-F]{8}(-[0-9a-fA-F]{4}){3}-[0-9a-fA-F]{12}")
NAME_FILTER = re.compile(r"roleName eq '([^']*)'")
ASSIGNED_FILTER = re.compile(r"(?:principalId eq|assignedTo\()\s*'([0-9a-fA-F-]{36})'\)?")


def register(arm: Arm) -> None:
    """Add the types at every scope. Call it when all resource groups of the subscription are known."""
    service = _Assignments(arm)
    types = (
        ("roleDefinitions", DEFINITION_API_VERSIONS, {"GET": service.definitions}),
        ("roleDefinitions/{role}", DEFINITION_API_VERSIONS, {"GET": service.definition, "PUT": service.define}),
        ("roleAssignments", ASSIGNMENT_API_VERSIONS, {"GET": service.every}),
        (
            "roleAssignments/{assignment}",
            ASSIGNMENT_API_VERSIONS,
            {"GET": service.get, "PUT": service.put, "DELETE": service.delete},
        ),
        ("permissions", PERMISSION_API_VERSIONS, {"GET": service.permissions}),
        ("denyAssignments", DENIAL_API_VERSIONS, {"GET": service.denials}),
    )

    async def no_locks(_request: web.Request, _names: Names) -> web.Response:
        return web.json_response({"value": []})

    for pattern, versions, handlers in (*types, ("locks", LOCK_API_VERSIONS, {"GET": no_locks})):
        arm.subscription_provider(NAMESPACE, pattern, versions, handlers)
        arm.extension(NAMESPACE, pattern, versions, handlers)
        for group in arm.groups():
            arm.provider(NAMESPACE, pattern, versions, handlers, group=group)

    async def reset() -> None:
        arm.lab.authorization.clear()
        deploy(arm)

    async def change(body: object) -> object:
        return change_judged(arm.lab, body)

    async def view(_body: object) -> object:
        return {"judged": arm.lab.authorization.judged, "asked": sorted(arm.lab.authorization.asked)}

    if arm.home.publishers:
        return
    deploy(arm)
    arm.lab.on_reset.append(reset)
    arm.lab.controls["POST", "/authorization"] = change
    arm.lab.controls["GET", "/authorization"] = view


class _Assignments:
    """The handlers, each for one method and path."""

    def __init__(self, arm: Arm) -> None:
        self._arm = arm
        self._subscription = f"/subscriptions/{arm.home.subscription_id}"
        self._state: Authorization = arm.lab.authorization

    async def definitions(self, request: web.Request, _names: Names) -> web.Response:
        text = request.query.get("$filter", "")
        found = NAME_FILTER.fullmatch(text)
        if text and found is None:
            raise _filter_refused(text)
        wanted = found[1].lower() if found else None
        roles = [role for role, one in self._state.roles.items() if wanted in (None, one.name.lower())]
        return web.json_response({"value": [self._definition(role) for role in roles]})

    async def definition(self, _request: web.Request, names: Names) -> web.Response:
        role = names["role"].lower()
        if role not in self._state.roles:
            message = f"The specified role definition with ID '{names['role']}' does not exist."
            raise ArmRefusal(404, "RoleDefinitionDoesNotExist", message)
        return web.json_response(self._definition(role))

    async def define(self, request: web.Request, names: Names) -> web.Response:
        """Create a custom role with one permission."""
        known = {"roleName", "description", "type", "permissions", "assignableScopes"}
        sent = only_fields((await json_body(request, {"properties"})).get("properties"), known, "'properties'")
        kinds = {"actions", "notActions", "dataActions", "notDataActions"}
        permissions = sent.get("permissions")
        if not isinstance(permissions, list) or len(permissions) != 1 or not GUID.fullmatch(names["role"]):
            raise ArmRefusal(400, "InvalidRoleDefinition", "The lab takes a GUID as name, and one permission.")
        grants = only_fields(permissions[0], kinds, "'permissions'")
        if names["role"].lower() in ROLES or grants.get("notDataActions"):
            raise ArmRefusal(
                400, "InvalidRoleDefinition", "No built-in role can be changed, and the lab has no notDataActions."
            )
        self._state.roles[names["role"].lower()] = Role(
            name=str(sent.get("roleName", "")),
            actions=tuple(grants.get("actions", ())),
            not_actions=tuple(grants.get("notActions", ())),
            data_actions=tuple(grants.get("dataActions", ())),
        )
        return web.json_response(self._definition(names["role"].lower()), status=201)

    async def every(self, request: web.Request, _names: Names) -> web.Response:
        scope, text = _scope(request), request.query.get("$filter", "")
        clauses = [clause.strip() for clause in text.split(" and ")] if text else []
        principals = [found[1].lower() for clause in clauses if (found := ASSIGNED_FILTER.fullmatch(clause))]
        if len(principals) + clauses.count("atScope()") != len(clauses):
            raise _filter_refused(text)
        shown = [
            one
            for one in self._around(scope, below="atScope()" not in clauses)
            if all(one["properties"]["principalId"].lower() == principal for principal in principals)
        ]
        return web.json_response({"value": shown})

    async def get(self, request: web.Request, names: Names) -> web.Response:
        found = self._state.assignments.get(_id(request).lower())
        if found is None:
            message = f"The role assignment '{names['assignment']}' is not found."
            raise ArmRefusal(404, "RoleAssignmentNotFound", message)
        return web.json_response(found)

    async def put(self, request: web.Request, names: Names) -> web.Response:
        known = {"roleDefinitionId", "principalId", "principalType", "description", "scope"}
        known |= {"condition", "conditionVersion", "delegatedManagedIdentityResourceId"}
        sent = only_fields((await json_body(request, {"properties"})).get("properties"), known, "'properties'")
        role, principal = str(sent.get("roleDefinitionId", "")), str(sent.get("principalId", ""))
        if role.rpartition("/")[2].lower() not in self._state.roles:
            message = f"The specified role definition with ID '{role.rpartition('/')[2]}' does not exist."
            raise ArmRefusal(400, "RoleDefinitionDoesNotExist", message)
        if not GUID.fullmatch(principal) or not GUID.fullmatch(names["assignment"]):
            raise ArmRefusal(400, "BadRequestFormat", "The role assignment's name and its principalId are GUIDs.")
        if sent.get("principalType", "ServicePrincipal") not in PRINCIPAL_TYPES:
            message = f"The principal type '{sent['principalType']}' is not one of {', '.join(PRINCIPAL_TYPES)}."
            raise ArmRefusal(400, "InvalidPrincipalType", message)
        if sent.get("condition"):
            raise ArmRefusal(400, "InvalidCondition", "The lab knows no conditions of role assignments.")
        scope, key = _scope(request), _id(request)
        same = [scope.lower(), role.rpartition("/")[2].lower(), principal.lower()]
        if any(_identity(one) == same for one in self._state.assignments.values()):
            raise ArmRefusal(409, "RoleAssignmentExists", "The role assignment already exists.")
        now = datetime.fromtimestamp(self._arm.lab.clock.now(), timezone.utc).isoformat().replace("+00:00", "Z")
        by = str(caller(self._arm.lab, request)["oid"])
        properties = {"principalType": "ServicePrincipal", **sent, "scope": scope}
        properties |= {"roleDefinitionId": self._definition(role.rpartition("/")[2].lower())["id"]}
        properties |= {"createdOn": now, "updatedOn": now, "createdBy": by, "updatedBy": by}
        name, kind = names["assignment"], f"{NAMESPACE}/roleAssignments"
        made = {"id": key, "name": name, "type": kind, "properties": properties}
        self._state.assignments[key.lower()] = made
        return web.json_response(made, status=201)

    async def delete(self, request: web.Request, _names: Names) -> web.Response:
        removed = self._state.assignments.pop(_id(request).lower(), None)
        return web.Response(status=204) if removed is None else web.json_response(removed)

    async def permissions(self, request: web.Request, _names: Names) -> web.Response:
        """Answer with what the caller's roles grant at a scope. Deny assignments are not considered."""
        claims = caller(self._arm.lab, request)
        if not self._state.judges(claims):
            everything = {"actions": ["*"], "notActions": [], "dataActions": ["*"], "notDataActions": []}
            return web.json_response({"value": [everything]})
        roles = self._state.roles_at(str(claims["oid"]), _scope(request))
        return web.json_response({"value": [role.definition() for role in roles]})

    async def denials(self, request: web.Request, _names: Names) -> web.Response:
        scope, text = _scope(request), request.query.get("$filter", "")
        if text not in ("", "atScope()"):
            raise _filter_refused(text)
        around = [one for one in self._state.denials if is_within(scope, one.scope)]
        below = [one for one in self._state.denials if is_within(one.scope, scope) and one not in around]
        return web.json_response({"value": [shown(one) for one in [*around, *(below if not text else [])]]})

    def _around(self, scope: str, *, below: bool) -> Iterator[dict[str, Any]]:
        """Yield what is assigned at a scope or above it, and what is assigned `below` it."""
        for one in self._state.assignments.values():
            where = str(one["properties"]["scope"])
            if is_within(scope, where) or (below and is_within(where, scope)):
                yield one

    def _definition(self, role: str) -> dict[str, Any]:
        return {
            "id": f"{self._subscription}/providers/{NAMESPACE}/roleDefinitions/{role}",
            "name": role,
            "type": f"{NAMESPACE}/roleDefinitions",
            "properties": {
                "roleName": self._state.roles[role].name,
                "type": "BuiltInRole" if role in ROLES else "CustomRole",
                "description": "",
                "assignableScopes": ["/"],
                "permissions": [self._state.roles[role].definition()],
            },
        }


def _identity(assignment: Mapping[str, Any]) -> list[str]:
    """Return what makes an assignment unique: scope, role and principal."""
    properties = assignment["properties"]
    role = str(properties["roleDefinitionId"]).rpartition("/")[2]
    return [str(properties["scope"]).lower(), role.lower(), str(properties["principalId"]).lower()]


def _id(request: web.Request) -> str:
    return "/" + "/".join(split_path(request))


def _scope(request: web.Request) -> str:
    """Return what stands before `/providers/Microsoft.Authorization`."""
    path = _id(request)
    return path[: path.lower().rindex(f"/providers/{NAMESPACE}/".lower())]


def _filter_refused(text: str) -> ArmRefusal:
    return ArmRefusal(400, "BadRequest", f"The filter '{text}' is not supported.")
