"""Microsoft.Authorization: the built-in roles that this product's pages name, and role assignments.

Faithful: at the scope of a subscription, of its resource groups and of their resources: roleDefinitions by
`$filter=roleName eq`, roleAssignments by id and as a list (what is assigned at the scope, above it or, for a
subscription or group, below it; `$filter` `atScope()` and `principalId eq`, `assignedTo`), PUT (201, 409
RoleAssignmentExists for the same role, principal and scope) and DELETE, with the bodies' fields of
azure-mgmt-authorization; the list of locks, of which there are none. Left out: what a role grants (both identities of
the lab have every right), conditions, custom roles, deny assignments, the time that an assignment takes to work.
Sources: learn rest/api/authorization; role-based-access-control/built-in-roles.
"""

import re
from collections.abc import Iterator, Mapping
from datetime import datetime, timezone
from typing import Any

from aiohttp import web

from lab.arm.access import caller, split_path
from lab.arm.dispatch import Arm, ArmRefusal, Names, json_body, only_fields

NAMESPACE = "Microsoft.Authorization"
ASSIGNMENT_API_VERSIONS = ("2022-04-01", "2020-10-01-preview", "2020-04-01-preview", "2015-07-01")
DEFINITION_API_VERSIONS = ("2022-05-01-preview", "2022-04-01", "2018-07-01", "2018-01-01-preview", "2015-07-01")
LOCK_API_VERSIONS = ("2020-05-01", "2017-04-01", "2016-09-01")
PRINCIPAL_TYPES = ("User", "Group", "ServicePrincipal", "ForeignGroup", "Device")
GUID = re.compile(r"[0-9a-fA-F]{8}(-[0-9a-fA-F]{4}){3}-[0-9a-fA-F]{12}")
ROLES: Mapping[str, str] = {
    "8e3af657-a8ff-443c-a75c-2fe8c4bcb635": "Owner",
    "b24988ac-6180-42a0-ab88-20f7382dd24c": "Contributor",
    "acdd72a7-3385-48ef-bd42-f606fba81ae7": "Reader",
    "f353d9bd-d4a6-484e-a77a-8050b599b867": "Automation Contributor",
    "577a9874-89fd-4f24-9dbd-b5034d0ad23a": "Container Registry Data Importer and Data Reader",
    "7f951dda-4ed3-4680-a7ca-43fe172d538d": "AcrPull",
    "8311e382-0749-4cb8-b61a-304f252e45ec": "AcrPush",
    "14b46e9e-c2b7-41b4-b07b-48a6ebf60603": "Key Vault Crypto Officer",
    "12338af0-0e69-4776-bea7-57ae8d297424": "Key Vault Crypto User",
    "b86a8fe4-44ce-4948-aee5-eccb2c155cd7": "Key Vault Secrets Officer",
    "4633458b-17de-408a-b874-0445c86b69e6": "Key Vault Secrets User",
    "73c42c96-874c-492b-b04d-ab87d138a893": "Log Analytics Reader",
    "3913510d-42f4-4e42-8a64-420c390055eb": "Monitoring Metrics Publisher",
    "43d0d8ad-25c7-4714-9337-8ba259a9fe05": "Monitoring Reader",
    "ba92f5b4-2d11-453d-a403-e96b0029c9fe": "Storage Blob Data Contributor",
    "2a2b9908-6ea1-4ae2-8e65-a410df84e7d1": "Storage Blob Data Reader",
    "0a9a7e1f-b9d0-4cc4-a60d-0319b160aaa3": "Storage Table Data Contributor",
    "76199698-9eea-4c19-bc75-cec21354c6b6": "Storage Table Data Reader",
}
NAME_FILTER = re.compile(r"roleName eq '([^']*)'")
ASSIGNED_FILTER = re.compile(r"(?:principalId eq|assignedTo\()\s*'([0-9a-fA-F-]{36})'\)?")


def register(arm: Arm) -> None:
    """Add both types at every scope; to be called when the resource groups of the subscription are known."""
    service = _Assignments(arm)
    types = (
        ("roleDefinitions", DEFINITION_API_VERSIONS, {"GET": service.definitions}),
        ("roleDefinitions/{role}", DEFINITION_API_VERSIONS, {"GET": service.definition}),
        ("roleAssignments", ASSIGNMENT_API_VERSIONS, {"GET": service.every}),
        (
            "roleAssignments/{assignment}",
            ASSIGNMENT_API_VERSIONS,
            {"GET": service.get, "PUT": service.put, "DELETE": service.delete},
        ),
    )

    async def no_locks(_request: web.Request, _names: Names) -> web.Response:
        return web.json_response({"value": []})

    for pattern, versions, handlers in (*types, ("locks", LOCK_API_VERSIONS, {"GET": no_locks})):
        arm.subscription_provider(NAMESPACE, pattern, versions, handlers)
        arm.extension(NAMESPACE, pattern, versions, handlers)
        for group in arm.groups():
            arm.provider(NAMESPACE, pattern, versions, handlers, group=group)

    async def reset() -> None:
        service.assignments.clear()

    arm.lab.on_reset.append(reset)


class _Assignments:
    """The handlers, each for one method and path."""

    def __init__(self, arm: Arm) -> None:
        self._arm = arm
        self._subscription = f"/subscriptions/{arm.home.subscription_id}"
        self.assignments: dict[str, dict[str, Any]] = {}  # by lower-cased id

    async def definitions(self, request: web.Request, _names: Names) -> web.Response:
        text = request.query.get("$filter", "")
        found = NAME_FILTER.fullmatch(text)
        if text and found is None:
            raise _filter_refused(text)
        wanted = found[1].lower() if found else None
        roles = [role for role, name in ROLES.items() if wanted in (None, name.lower())]
        return web.json_response({"value": [self._definition(role) for role in roles]})

    async def definition(self, _request: web.Request, names: Names) -> web.Response:
        role = names["role"].lower()
        if role not in ROLES:
            message = f"The specified role definition with ID '{names['role']}' does not exist."
            raise ArmRefusal(404, "RoleDefinitionDoesNotExist", message)
        return web.json_response(self._definition(role))

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
        found = self.assignments.get(_id(request).lower())
        if found is None:
            message = f"The role assignment '{names['assignment']}' is not found."
            raise ArmRefusal(404, "RoleAssignmentNotFound", message)
        return web.json_response(found)

    async def put(self, request: web.Request, names: Names) -> web.Response:
        known = {"roleDefinitionId", "principalId", "principalType", "description", "scope"}
        known |= {"condition", "conditionVersion", "delegatedManagedIdentityResourceId"}
        sent = only_fields((await json_body(request, {"properties"})).get("properties"), known, "'properties'")
        role, principal = str(sent.get("roleDefinitionId", "")), str(sent.get("principalId", ""))
        if role.rpartition("/")[2].lower() not in ROLES:
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
        if any(_identity(one) == same for one in self.assignments.values()):
            raise ArmRefusal(409, "RoleAssignmentExists", "The role assignment already exists.")
        now = datetime.fromtimestamp(self._arm.lab.clock.now(), timezone.utc).isoformat().replace("+00:00", "Z")
        by = str(caller(self._arm.lab, request)["oid"])
        properties = {"principalType": "ServicePrincipal", **sent, "scope": scope}
        properties |= {"roleDefinitionId": self._definition(role.rpartition("/")[2].lower())["id"]}
        properties |= {"createdOn": now, "updatedOn": now, "createdBy": by, "updatedBy": by}
        name, kind = names["assignment"], f"{NAMESPACE}/roleAssignments"
        made = {"id": key, "name": name, "type": kind, "properties": properties}
        self.assignments[key.lower()] = made
        return web.json_response(made, status=201)

    async def delete(self, request: web.Request, _names: Names) -> web.Response:
        removed = self.assignments.pop(_id(request).lower(), None)
        return web.Response(status=204) if removed is None else web.json_response(removed)

    def _around(self, scope: str, *, below: bool) -> Iterator[dict[str, Any]]:
        """Yield what is assigned at a scope or above it, and what is assigned `below` it."""
        at = scope.lower() + "/"
        for one in self.assignments.values():
            where = str(one["properties"]["scope"]).lower() + "/"
            if at.startswith(where) or (below and where.startswith(at)):
                yield one

    def _definition(self, role: str) -> dict[str, Any]:
        return {
            "id": f"{self._subscription}/providers/{NAMESPACE}/roleDefinitions/{role}",
            "name": role,
            "type": f"{NAMESPACE}/roleDefinitions",
            "properties": {
                "roleName": ROLES[role],
                "type": "BuiltInRole",
                "description": "",
                "assignableScopes": ["/"],
                "permissions": [],
            },
        }


def _identity(assignment: Mapping[str, Any]) -> list[str]:
    """Return what there may be only one of: scope, role and principal."""
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
