"""Listings of one resource type in the resource group, which show `properties` where the group's own listing does not.

Faithful: `GET .../providers/Microsoft.App/containerApps` and `.../Microsoft.Web/sites`, whole resources as GET shows
them, `nextLink` with `$skipToken` (learn rest/api/containerapps, container-apps/list-by-resource-group; appservice,
web-apps/list-by-resource-group). Not documented and chosen here: the page's size, which is the group's listing's.
Left out: a site's `includeSlots`.
"""

import base64
from collections.abc import Mapping
from typing import Any

from aiohttp import web

from lab.arm import Arm, ArmRefusal, Handler
from lab.managed_resources import API_VERSIONS, ManagedResources, of_provider

LISTED_TYPES = ("Microsoft.App/containerApps", "Microsoft.Web/sites")
PARAMETERS = {"api-version", "$skipToken"}


def register(arm: Arm, managed: ManagedResources) -> None:
    """Add the listings."""
    for resource_type in LISTED_TYPES:
        namespace, _, kind = resource_type.partition("/")
        arm.provider(namespace, kind, API_VERSIONS[resource_type], {"GET": _lister(arm, managed, resource_type)})


def _lister(arm: Arm, managed: ManagedResources, resource_type: str) -> Handler:
    async def get(request: web.Request, _names: Mapping[str, str]) -> web.Response:
        unknown = sorted(set(request.query) - PARAMETERS)
        if unknown:
            raise ArmRefusal(400, "InvalidQueryParameter", f"The query parameter '{unknown[0]}' is not valid.")
        after = _after(request.query.get("$skipToken", ""))
        found = [one for one in managed.of_type(resource_type) if str(one["id"]).lower() > after]
        page = found[: managed.page_size]
        answer: dict[str, Any] = {"value": [of_provider(one) for one in page]}
        if len(found) > len(page):
            token = base64.urlsafe_b64encode(str(page[-1]["id"]).lower().encode()).decode()
            answer["nextLink"] = (
                f"{arm.lab.urls['arm']}{request.rel_url.update_query({'$skipToken': token}).raw_path_qs}"
            )
        return web.json_response(answer)

    return get


def _after(token: str) -> str:
    """Return the id that the page starts after."""
    try:
        return base64.urlsafe_b64decode(token).decode()
    except ValueError as error:
        raise ArmRefusal(400, "InvalidSkipToken", "The provided skip token is not valid.") from error
