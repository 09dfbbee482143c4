"""Microsoft.ContainerRegistry/registries/scopeMaps: what the publisher's repository-scoped tokens may do.

Faithful: the fields of azure-mgmt-containerregistry 15.0.0; PATCH of the description and the actions (201 and 200 are
documented; here it is 200 at once). New actions hold for access tokens that are requested after the change. At the
start the scope map reads every repository. Left out: creating and deleting scope maps, the scope maps that Azure makes
by itself, gateways.
"""

from collections.abc import Iterable, Mapping
from typing import Any

from aiohttp import web

from lab import snapshots
from lab.arm.dispatch import Arm, ArmRefusal, Names, json_body, only_fields, resource_not_found
from lab.container_registry.import_provider import API_VERSIONS
from lab.container_registry.scoped_tokens import RegistryTokens
from lab.container_registry.scopes import ALL_PERMISSIONS, READ_PERMISSIONS
from lab.container_registry.tokens_provider import NAMESPACE, SCOPE_MAP

TYPE = f"{NAMESPACE}/registries/scopeMaps"
CREATED = "2026-01-05T09:00:00Z"  # when the publisher set up its container registry
DESCRIPTION = "The releases, to read."
AT_START = tuple(f"repositories/*/{permission}" for permission in sorted(READ_PERMISSIONS))


def register(arm: Arm, tokens: RegistryTokens) -> None:
    """Add the only scope map. It says what `tokens` may do."""
    registry = f"{arm.home.id}/providers/{NAMESPACE}/registries/{arm.lab.names.publisher_registry}"
    held: dict[str, Any] = {}

    def keep(description: str, actions: Iterable[str]) -> None:
        held.update(description=description, actions=list(actions))
        tokens.repositories.clear()
        tokens.repositories.update(by_repository(held["actions"]))

    async def reset() -> None:
        keep(DESCRIPTION, AT_START)

    def shown() -> dict[str, Any]:
        told = {"type": "UserDefined", "creationDate": CREATED, "provisioningState": "Succeeded"}
        return {
            "id": f"{registry}/scopeMaps/{SCOPE_MAP}",
            "name": SCOPE_MAP,
            "type": TYPE,
            "properties": {**held, **told},
        }

    def check_there(names: Names) -> None:
        if names["map"].lower() != SCOPE_MAP.lower():
            raise resource_not_found(TYPE, f"{names['registry']}/{names['map']}", arm.home.resource_group)

    async def get(_request: web.Request, names: Names) -> web.Response:
        check_there(names)
        return web.json_response(shown())

    async def patch(request: web.Request, names: Names) -> web.Response:
        check_there(names)
        body = await json_body(request, {"properties"})
        sent = only_fields(body.get("properties", {}), {"description", "actions"}, "properties")
        keep(sent.get("description") or held["description"], sent.get("actions") or held["actions"])
        return web.json_response(shown())

    async def every(_request: web.Request, _names: Names) -> web.Response:
        return web.json_response({"value": [shown()]})

    keep(DESCRIPTION, AT_START)
    arm.lab.on_reset.append(reset)
    arm.lab.on_keep.append(snapshots.of_content(held))
    pattern = "registries/{registry}/scopeMaps"
    arm.provider(NAMESPACE, pattern, API_VERSIONS, {"GET": every})
    arm.provider(NAMESPACE, f"{pattern}/{{map}}", API_VERSIONS, {"GET": get, "PATCH": patch})


def by_repository(actions: Iterable[str]) -> Mapping[str, frozenset[str]]:
    """Return what `repositories/NAME/PERMISSION` actions allow, by repository; ArmRefusal 400 for others. Pure."""
    found: dict[str, set[str]] = {}
    for action in actions:
        kind, _, rest = action.partition("/")
        permission = next((one for one in ALL_PERMISSIONS if rest.endswith(f"/{one}")), "")
        if kind != "repositories" or not permission:
            raise ArmRefusal(400, "InvalidScopeMapAction", f"The action '{action}' is not valid.")
        found.setdefault(rest.removesuffix(f"/{permission}"), set()).add(permission)
    return {repository: frozenset(permissions) for repository, permissions in found.items()}
