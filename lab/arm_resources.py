"""The managed resource group: its listing with paging, the group itself, and GET of the resources in it.

Faithful: `resources` lists every resource of the group, also runbooks, which are resources of their own; `$top`,
`$filter` on name and resourceType, `$expand`, `nextLink` with `$skiptoken` (learn rest/api/resources,
resources/list-by-resource-group). A resource whose provider is here answers GET by itself; the others get the shape of
their own REST reference (lab/managed_resource_set.py). A page has 1,000 resources, as Azure's; `POST /resources` of the
control API makes it smaller, so that tests meet a `nextLink`.
Left out: filters on tags, writes, the resources of other groups.
"""

import base64
import re
from collections.abc import Awaitable, Callable, Iterable, Iterator, Mapping
from datetime import datetime, timezone
from heapq import merge
from itertools import islice
from operator import itemgetter
from typing import Any

from aiohttp import web

from lab import arm_alerts, arm_resource_health, arm_type_listing, managed_resource_changes
from lab.arm import Arm, ArmRefusal, Handler
from lab.arm_requests import invalid_api_version, resource_not_found
from lab.lab import Lab
from lab.managed_resource_set import start_set
from lab.managed_resources import API_VERSIONS, ManagedResources, Resource, of_provider, position_after, resource_id

LISTING_API_VERSIONS = (
    "2025-04-01",
    "2025-03-01",
    "2024-11-01",
    "2024-07-01",
    "2024-03-01",
    "2022-09-01",
    "2021-04-01",
)
MAX_TOP = 1000
PARAMETERS = {"api-version", "$top", "$filter", "$expand", "$skiptoken"}
EXPANSIONS = {"createdTime", "changedTime", "provisioningState"}
FILTER = re.compile(r"(name|resourceType) eq '([^']*)'", re.IGNORECASE)
# How a provider spells its own type, where that is not as everybody else does (recorded answers of 2021).
SPELT = {"Microsoft.Automation/automationAccounts": "Microsoft.Automation/AutomationAccounts"}
# What the listing shows of a resource; `properties` only GET by id does.
LISTED = ("id", "name", "type", "kind", "location", "sku", "identity", "managedBy", "tags")


def register(arm: Arm) -> None:
    """Add the listing and the resources; to be called after the providers, whose own GET goes first."""
    lab = arm.lab
    managed = ManagedResources(start=lambda: _start(lab))

    async def clear() -> None:
        managed.clear()

    lab.on_reset.append(clear)
    arm.exists = lambda resource_id: managed.get(resource_id) is not None
    arm.scoped(("resourcegroups", "*", "resources"), _lister(arm, managed))
    arm.scoped(("resources",), _lister(arm, managed))
    arm.scoped(("resourcegroups", "*"), _group(lab))
    for resource_type, versions in API_VERSIONS.items():
        if not arm.answers_get(resource_type):
            namespace, *types = resource_type.split("/")
            pattern = "/".join(f"{kind}/{{name{number}}}" for number, kind in enumerate(types))
            arm.provider(namespace, pattern, versions, {"GET": _getter(lab, managed, resource_type)})
    arm_alerts.register(arm, managed)
    arm_resource_health.register(arm, managed)
    arm_type_listing.register(arm, managed)
    managed_resource_changes.register(lab, managed)


def _start(lab: Lab) -> Iterator[Resource]:
    created = datetime.fromtimestamp(int(lab.clock.now()), timezone.utc).isoformat()
    for one in start_set(lab):
        yield {"managedBy": _managed_by(lab), "createdTime": created, **one}


def _managed_by(lab: Lab) -> str:
    """Return the id of the managed application, which lives in a group of the customer's own."""
    group = f"/subscriptions/{lab.names.subscription_id}/resourceGroups/{lab.names.prefix}"
    return f"{group}/providers/Microsoft.Solutions/applications/{lab.names.prefix}"


def _getter(lab: Lab, managed: ManagedResources, resource_type: str) -> Handler:
    async def get(_request: web.Request, names: Mapping[str, str]) -> web.Response:
        name = "/".join(names.values())
        found = managed.get(resource_id(lab, resource_type, name))
        if found is None:
            raise resource_not_found(resource_type, name, lab.names.resource_group)
        shown = {key: found[key] for key in (*LISTED, "properties") if key in of_provider(found)}
        # The listing names a child with its parent (`zone/link`), its own provider without.
        own = {"name": str(found["name"]).rpartition("/")[2], "type": SPELT.get(resource_type, resource_type)}
        return web.json_response({**shown, **own})

    return get


def _group(lab: Lab) -> Callable[[web.Request], Awaitable[web.Response]]:
    async def get(request: web.Request) -> web.Response:
        _require_version(request)
        return web.json_response(
            {
                "id": lab.names.resource_group_id,
                "name": lab.names.resource_group,
                "type": "Microsoft.Resources/resourceGroups",
                "location": lab.names.location,
                "managedBy": _managed_by(lab),
                "properties": {"provisioningState": "Succeeded"},
            }
        )

    return get


def _lister(arm: Arm, managed: ManagedResources) -> Callable[[web.Request], Awaitable[web.Response]]:
    async def get(request: web.Request) -> web.Response:
        _require_version(request)
        query = request.query
        unknown = sorted(set(query) - PARAMETERS)
        if unknown:
            message = f"The query parameter '{unknown[0]}' is not valid; it takes {', '.join(sorted(PARAMETERS))}."
            raise ArmRefusal(400, "InvalidQueryParameter", message)
        size = _top(query.get("$top"), managed.page_size)
        expanded = [part.strip() for part in query.get("$expand", "").split(",") if part.strip()]
        if not set(expanded) <= EXPANSIONS:
            raise ArmRefusal(400, "InvalidExpandInQueryString", f"The expand '{query['$expand']}' is not supported.")
        wanted = _filter(query.get("$filter"))
        after = _skipped(query.get("$skiptoken"))
        found = list(islice(filter(wanted, _all(arm, managed, after)), size + 1))
        answer: dict[str, Any] = {"value": [_listed(resource, expanded) for resource in found[:size]]}
        if len(found) > size:
            # The last id seen, not an offset: resources that come and go between two pages move no other.
            token = base64.urlsafe_b64encode(str(found[size - 1]["id"]).lower().encode()).decode()
            next_page = request.rel_url.update_query({"$skiptoken": token})
            answer["nextLink"] = f"{arm.lab.urls['arm']}{next_page.raw_path_qs}"
        return web.json_response(answer)

    return get


def _all(arm: Arm, managed: ManagedResources, after: str) -> Iterator[Resource]:
    """Yield the group's resources with an id after `after`, in the order of their ids."""
    others = sorted(((str(one["id"]).lower(), one) for one in arm.resources()), key=itemgetter(0))
    listings = (managed.listing(), others)
    parts = (islice(listing, position_after(listing, after), None) for listing in listings)
    return map(itemgetter(1), merge(*parts, key=itemgetter(0)))


def _require_version(request: web.Request) -> None:
    if request.query["api-version"] not in LISTING_API_VERSIONS:
        raise invalid_api_version(request.query["api-version"], LISTING_API_VERSIONS)


def _top(text: str | None, page_size: int) -> int:
    if text is None:
        return page_size
    if not re.fullmatch(r"[0-9]{1,9}", text) or not 1 <= int(text) <= MAX_TOP:
        raise ArmRefusal(400, "InvalidTopInQueryString", f"$top is '{text}'; it takes 1 to {MAX_TOP}.")
    return int(text)


def _filter(text: str | None) -> Callable[[Resource], bool]:
    if not text:
        return lambda _resource: True
    clauses = []
    for clause in text.split(" and "):
        found = FILTER.fullmatch(clause.strip())
        if found is None:
            raise ArmRefusal(
                400, "InvalidFilterInQueryString", f"Invalid $filter '{text}' specified in the query string."
            )
        clauses.append(("type" if found[1].lower() == "resourcetype" else "name", found[2].lower()))
    return lambda resource: all(str(resource[field]).lower() == value for field, value in clauses)


def _skipped(token: str | None) -> str:
    """Return the id that the page starts after."""
    try:
        return base64.urlsafe_b64decode(token or "").decode()
    except ValueError as error:
        raise ArmRefusal(400, "InvalidSkipToken", "The provided skip token is not valid.") from error


def _listed(resource: Resource, expanded: Iterable[str]) -> dict[str, Any]:
    shown = {key: resource[key] for key in LISTED if key in resource}
    for name in expanded:
        if name == "provisioningState":
            shown[name] = resource.get("properties", {}).get(name, "Succeeded")
        elif "createdTime" in resource:
            shown[name] = resource["createdTime"]
    return shown
