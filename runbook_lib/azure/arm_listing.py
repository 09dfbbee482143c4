"""Read a listing of ARM for which no SDK has a method: every page, with limits, and only from ARM."""

from collections.abc import Iterator, Mapping
from typing import TYPE_CHECKING, Any

from runbook_lib.azure.settings import Settings
from runbook_lib.basics import addresses
from runbook_lib.basics.strict_json import member
from runbook_lib.errors import azure

if TYPE_CHECKING:
    from azure.mgmt.resource.resources import ResourceManagementClient

# A group holds 800 resources of a type, and there are 980 types (learn
# resource-providers-without-resource-group-limits). A page has 1,000 resources. If a listing has more pages, it runs in
# a circle.
MAX_PAGES = 1000


def items_of(client: "ResourceManagementClient", settings: Settings, address: str) -> Iterator[Mapping[str, Any]]:
    """Yield the items of a listing.

    Args:
        client: The client of ARM.
        settings: The settings of the instance.
        address: The path of the first page, quoted, with its query.

    Raises:
        RunbookError: VD-ARM-001 (an answer that cannot be understood), VD-ARM-002 (404).
        azure.core's errors: ARM cannot be reached, fails, throttles, or refuses the identity.
    """
    from azure.core.exceptions import DecodeError
    from azure.core.rest import HttpRequest

    for _ in range(MAX_PAGES):
        try:
            response = client.send_request(HttpRequest("GET", address))
        except (DecodeError, RecursionError) as error:  # the client itself reads the JSON
            raise azure.ARM_ANSWER_UNCLEAR.error("a page is no JSON") from error
        if response.status_code == 404:
            raise azure.NO_SUCH_RESOURCE_GROUP.error(target=settings.resource_group)
        response.raise_for_status()
        items, address = _page(response)
        del response
        yield from items
        if not address:
            return
        address = _at_arm(settings, address)
    raise azure.ARM_ANSWER_UNCLEAR.error(f"the listing has more than {MAX_PAGES} pages")


def _at_arm(settings: Settings, link: str) -> str:
    """Return the address of the next page. It must be at ARM, because the request carries ARM's token."""
    arm = addresses.read(settings.arm_endpoint)
    try:
        there = addresses.follow(arm, link)
    except addresses.NotAnAddressError as error:
        raise azure.ARM_ANSWER_UNCLEAR.error(f"a page leads to no address: {error}") from error
    if there.origin != arm.origin:
        raise azure.ARM_ANSWER_UNCLEAR.error("a page leads elsewhere", target=there.origin)
    return str(there)


def _page(response: Any) -> tuple[list[Mapping[str, Any]], str]:
    """Return a page's items, and the address of the next page, "" if there is none."""
    try:
        page = response.json()
    except (ValueError, RecursionError) as error:
        raise azure.ARM_ANSWER_UNCLEAR.error("a page is no JSON") from error
    items = member(page, "value")
    link = member(page, "nextLink")
    if not isinstance(items, list) or not all(isinstance(item, Mapping) for item in items):
        raise azure.ARM_ANSWER_UNCLEAR.error("a page has no list of resources")
    if link is not None and not isinstance(link, str):
        raise azure.ARM_ANSWER_UNCLEAR.error("a page's link is no text")
    return items, link or ""
