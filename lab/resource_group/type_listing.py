"""Listings of one resource type. They show `properties`, but the listing of all resources does not.

Faithful: `GET .../providers/Microsoft.App/containerApps` and the like, below the group and below the subscription,
whole resources as GET shows them, `nextLink` with `$skipToken` (learn rest/api/containerapps,
container-apps/list-by-resource-group; appservice, web-apps/list-by-resource-group). Not documented, so chosen here:
without `$top`, a page is as long as a page of all resources. `detailed` of plans and `includeSlots` of sites change
nothing, because there are no details and no slots. If a provider lists its own type, this module does not.
"""

import base64
from collections.abc import Mapping
from typing import Any

from aiohttp import web

from lab.arm.dispatch import Arm, ArmRefusal, Handler
from lab.arm.resources import ManagedResources, of_provider

PARAMETERS = {"api-version", "$skipToken", "$top"}
MORE_PARAMETERS = {"Microsoft.Web/serverfarms": {"detailed"}, "Microsoft.Web/sites": {"includeSlots"}}
MAX_TOP = 1000


def register(arm: Arm, managed: ManagedResources) -> None:
    """Add the listings of the types that have no parent. Call it after the providers, whose own listings go first."""
    for resource_type, versions in managed.api_versions.items():
        namespace, _, kind = resource_type.partition("/")
        if "/" not in kind:
            handlers = {"GET": _lister(arm, managed, resource_type)}
            arm.provider(namespace, kind, versions, handlers)
            arm.subscription_provider(namespace, kind, versions, handlers)


def _lister(arm: Arm, managed: ManagedResources, resource_type: str) -> Handler:
    async def get(request: web.Request, _names: Mapping[str, str]) -> web.Response:
        unknown = sorted(set(request.query) - PARAMETERS - MORE_PARAMETERS.get(resource_type, set()))
        if unknown:
            raise ArmRefusal(400, "InvalidQueryParameter", f"The query parameter '{unknown[0]}' is not valid.")
        after = _after(request.query.get("$skipToken", ""))
        found = [one for one in managed.of_type(resource_type) if str(one["id"]).lower() > after]
        page = found[: _size(request.query.get("$top", str(managed.page_size)))]
        answer: dict[str, Any] = {"value": [of_provider(one) for one in page]}
        if len(found) > len(page):
            token = base64.urlsafe_b64encode(str(page[-1]["id"]).lower().encode()).decode()
            answer["nextLink"] = (
                f"{arm.lab.urls['arm']}{request.rel_url.update_query({'$skipToken': token}).raw_path_qs}"
            )
        return web.json_response(answer)

    return get


def _size(text: str) -> int:
    if not (text.isascii() and text.isdecimal()) or not 1 <= int(text[:9]) <= MAX_TOP:
        raise ArmRefusal(400, "InvalidTopInQueryString", f"$top is '{text}'; it takes 1 to {MAX_TOP}.")
    return int(text)


def _after(token: str) -> str:
    """Return the id after which the page starts."""
    try:
        return base64.urlsafe_b64decode(token).decode()
    except ValueError as error:
        raise ArmRefusal(400, "InvalidSkipToken", "The provided skip token is not valid.") from error
