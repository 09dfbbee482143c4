"""Resource groups: GET by name, the question whether one exists, and their list.

Faithful: GET, HEAD (204 if the group exists, 404 if not) and the list of azure-mgmt-resource's ResourceGroups; the
managed group names its managed application. Left out: writes, `$filter` on tags, exports.
Source: learn rest/api/resources, resource-groups.
"""

from collections.abc import Callable
from typing import Any

from aiohttp import web

from lab.arm.access import split_path
from lab.arm.dispatch import Arm
from lab.arm.requests import ArmRefusal

LIST_PARAMETERS = {"api-version", "$top"}


def register(arm: Arm, check: Callable[[web.Request], None]) -> None:
    """Serve the subscription's groups; `check` refuses an api-version that ARM itself does not have."""
    home = arm.home.resource_group
    by_name = {name: _group(arm, home if name == home.lower() else name) for name in arm.groups()}
    if arm.home.managed_by:
        by_name[home.lower()]["managedBy"] = arm.home.managed_by

    async def get(request: web.Request) -> web.Response:
        check(request)
        return web.json_response(by_name[split_path(request)[3].lower()])

    async def head(request: web.Request) -> web.Response:
        check(request)
        return web.Response(status=204)

    async def every(request: web.Request) -> web.Response:
        check(request)
        unknown = sorted(set(request.query) - LIST_PARAMETERS)
        if unknown:
            raise ArmRefusal(400, "InvalidQueryParameter", f"The query parameter '{unknown[0]}' is not valid.")
        return web.json_response({"value": [by_name[name] for name in sorted(by_name)]})

    arm.scoped(("resourcegroups",), {"GET": every})
    arm.scoped(("resourcegroups", "*"), {"GET": get, "HEAD": head})


def _group(arm: Arm, name: str) -> dict[str, Any]:
    return {
        "id": f"/subscriptions/{arm.home.subscription_id}/resourceGroups/{name}",
        "name": name,
        "type": "Microsoft.Resources/resourceGroups",
        "location": arm.lab.names.location,
        "tags": {},
        "properties": {"provisioningState": "Succeeded"},
    }
