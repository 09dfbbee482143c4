"""A subscription's resources: their listing with paging, the groups, the providers, and GET of each resource.

Faithful: `resources` lists every resource of a group or of the subscription, also runbooks, which are resources of
their own; `$top`, `$filter` on name, resourceType, resourceGroup and location, `$expand`, `nextLink` with
`$skiptoken` (learn rest/api/resources, resources/list-by-resource-group, resources/list). GET of a resource is answered
by its provider, if the lab has it; otherwise in the shape of its REST reference. A page has 1,000 resources, as in
Azure. `POST /resources` of the control API makes it smaller, so that tests meet a `nextLink`. Left out: filters on
tags, `or`, `ne` and functions in filters, writes.
"""

import base64
import re
from collections.abc import Awaitable, Callable, Iterable, Iterator, Mapping
from heapq import merge
from itertools import islice
from operator import itemgetter
from typing import Any

from aiohttp import web

from lab.arm import providers as arm_providers
from lab.arm.access import split_path
from lab.arm.dispatch import Arm, ArmRefusal, Handler
from lab.arm.requests import invalid_api_version, resource_not_found
from lab.arm.resources import ManagedResources, Resource, of_provider, position_after
from lab.arm.types import known_version
from lab.resource_group import groups as arm_groups
from lab.resource_group import type_listing as arm_type_listing

LISTING_API_VERSIONS = (
    "2025-04-01",
    "2025-03-01",
    "2024-11-01",
    "2024-07-01",
    "2024-03-01",
    "2022-09-01",
    "2021-04-01",
    "2020-10-01",
    "2020-06-01",
    "2019-10-01",
    "2015-11-01",
)
MAX_TOP = 1000
PARAMETERS = {"api-version", "$top", "$filter", "$expand", "$skiptoken"}
EXPANSIONS = {"createdTime", "changedTime", "provisioningState"}
FILTER = re.compile(r"(name|resourceType|resourceGroup|location) eq '([^']*)'", re.IGNORECASE | re.ASCII)
# Types that their own provider spells differently from everybody else (recorded answers of 2021).
SPELT = {"Microsoft.Automation/automationAccounts": "Microsoft.Automation/AutomationAccounts"}
# The fields that the listing shows. Only GET by id shows `properties`.
LISTED = ("id", "name", "type", "kind", "location", "sku", "identity", "managedBy", "tags")


def register(arm: Arm) -> None:
    """Serve the resources of a subscription. Call it after the services, whose own GET goes first."""
    managed = arm.managed

    def check(request: web.Request) -> None:
        version = request.query["api-version"]
        if not known_version(version, LISTING_API_VERSIONS, now=arm.lab.clock.now()):
            raise invalid_api_version(version, LISTING_API_VERSIONS)

    lister = _lister(arm, managed, check)
    arm.scoped(("resourcegroups", "*", "resources"), {"GET": lister})
    arm.scoped(("resources",), {"GET": lister})
    for resource_type, versions in managed.api_versions.items():
        if not arm.answers_get(resource_type):
            namespace, *types = resource_type.split("/")
            pattern = "/".join(f"{kind}/{{name{number}}}" for number, kind in enumerate(types))
            arm.provider(namespace, pattern, versions, {"GET": _getter(arm, managed, resource_type)})
    arm_type_listing.register(arm, managed)
    arm_groups.register(arm, check)
    arm_providers.register(arm, check)


def _getter(arm: Arm, managed: ManagedResources, resource_type: str) -> Handler:
    async def get(request: web.Request, names: Mapping[str, str]) -> web.Response:
        found = managed.get("/" + "/".join(split_path(request)))
        if found is None:
            raise resource_not_found(resource_type, "/".join(names.values()), arm.home.resource_group)
        shown = {key: found[key] for key in (*LISTED, "properties") if key in of_provider(found)}
        # The listing names a child with its parent (`zone/link`). The child's provider leaves the parent out.
        own = {"name": str(found["name"]).rpartition("/")[2], "type": SPELT.get(resource_type, resource_type)}
        return web.json_response({**shown, **own})

    return get


def _lister(
    arm: Arm, managed: ManagedResources, check: Callable[[web.Request], None]
) -> Callable[[web.Request], Awaitable[web.Response]]:
    async def get(request: web.Request) -> web.Response:
        check(request)
        query = request.query
        unknown = sorted(set(query) - PARAMETERS)
        if unknown:
            message = f"The query parameter '{unknown[0]}' is not valid; it takes {', '.join(sorted(PARAMETERS))}."
            raise ArmRefusal(400, "InvalidQueryParameter", message)
        size = _top(query.get("$top"), managed.page_size)
        expanded = [part.strip() for part in query.get("$expand", "").split(",") if part.strip()]
        if not set(expanded) <= EXPANSIONS:
            raise ArmRefusal(400, "InvalidExpandInQueryString", f"The expand '{query['$expand']}' is not supported.")
        wanted = _filter(query.get("$filter"), group=_group_of(request.path))
        after = _skipped(query.get("$skiptoken"))
        found = list(islice(filter(wanted, _all(arm, managed, after)), size + 1))
        answer: dict[str, Any] = {"value": [_listed(resource, expanded) for resource in found[:size]]}
        if len(found) > size:
            # The token is the page's last id, not an offset. So a new or deleted resource does not move the others.
            token = base64.urlsafe_b64encode(str(found[size - 1]["id"]).lower().encode()).decode()
            next_page = request.rel_url.update_query({"$skiptoken": token})
            answer["nextLink"] = f"{arm.lab.urls['arm']}{next_page.raw_path_qs}"
        return web.json_response(answer)

    return get


def _all(arm: Arm, managed: ManagedResources, after: str) -> Iterator[Resource]:
    """Yield the resources with an id after `after`, in the order of their ids."""
    others = sorted(((str(one["id"]).lower(), one) for one in arm.resources()), key=itemgetter(0))
    listings = (managed.listing(), others)
    parts = (islice(listing, position_after(listing, after), None) for listing in listings)
    return map(itemgetter(1), merge(*parts, key=itemgetter(0)))


def _top(text: str | None, page_size: int) -> int:
    if text is None:
        return page_size
    if not re.fullmatch(r"[0-9]{1,9}", text) or not 1 <= int(text) <= MAX_TOP:
        raise ArmRefusal(400, "InvalidTopInQueryString", f"$top is '{text}'; it takes 1 to {MAX_TOP}.")
    return int(text)


def _filter(text: str | None, *, group: str) -> Callable[[Resource], bool]:
    """Return a function that tells whether the `$filter` and the listed group ("": all) want a resource."""
    clauses = [("resourcegroup", group)] if group else []
    for clause in text.split(" and ") if text else ():
        found = FILTER.fullmatch(clause.strip())
        if found is None:
            raise ArmRefusal(
                400, "InvalidFilterInQueryString", f"Invalid $filter '{text}' specified in the query string."
            )
        clauses.append((found[1].lower(), found[2].lower()))
    return lambda resource: all(_value(resource, field) == value for field, value in clauses)


def _value(resource: Resource, field: str) -> str:
    """Return a resource's lower-cased value of a filter's field."""
    if field == "resourcegroup":
        return _group_of(str(resource["id"]))
    return str(resource["type" if field == "resourcetype" else field]).lower()


def _group_of(path: str) -> str:
    """Return the lower-cased resource group in an id or a path, "" if there is none."""
    found = re.search(r"/resourcegroups/([^/]+)", path.lower())
    return found[1] if found else ""


def _skipped(token: str | None) -> str:
    """Return the id after which the page starts."""
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
