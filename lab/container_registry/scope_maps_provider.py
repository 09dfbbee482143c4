"""Microsoft.ContainerRegistry/registries/scopeMaps: what the publisher's repository-scoped tokens may do.

Faithful: the fields of azure-mgmt-containerregistry 15.0.0; the actions are what lab/container_registry/access.py
grants: reading every repository. Left out: writes, the scope maps that Azure makes by itself.
"""

from typing import Any

from aiohttp import web

from lab.arm.dispatch import Arm, Names, resource_not_found
from lab.container_registry.import_provider import API_VERSIONS
from lab.container_registry.scopes import READ_PERMISSIONS
from lab.container_registry.tokens_provider import NAMESPACE, SCOPE_MAP

TYPE = f"{NAMESPACE}/registries/scopeMaps"
CREATED = "2026-01-05T09:00:00Z"  # when the publisher set up its container registry


def register(arm: Arm) -> None:
    """Add the one scope map that there is."""
    registry = f"{arm.home.id}/providers/{NAMESPACE}/registries/{arm.lab.names.publisher_registry}"
    shown: dict[str, Any] = {
        "id": f"{registry}/scopeMaps/{SCOPE_MAP}",
        "name": SCOPE_MAP,
        "type": TYPE,
        "properties": {
            "description": "The releases, to read.",
            "type": "UserDefined",
            "creationDate": CREATED,
            "provisioningState": "Succeeded",
            "actions": [f"repositories/*/{permission}" for permission in sorted(READ_PERMISSIONS)],
        },
    }

    async def get(_request: web.Request, names: Names) -> web.Response:
        if names["map"].lower() != SCOPE_MAP.lower():
            raise resource_not_found(TYPE, f"{names['registry']}/{names['map']}", arm.home.resource_group)
        return web.json_response(shown)

    async def every(_request: web.Request, _names: Names) -> web.Response:
        return web.json_response({"value": [shown]})

    pattern = "registries/{registry}/scopeMaps"
    arm.provider(NAMESPACE, pattern, API_VERSIONS, {"GET": every})
    arm.provider(NAMESPACE, f"{pattern}/{{map}}", API_VERSIONS, {"GET": get})
