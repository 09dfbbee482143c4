"""The address ranges that may reach the instance: the customer's and the publisher's. Pure.

Source: learn azure-subscription-service-limits, Application Gateway (at most 600 ranges in a condition of a rule).
"""

import hashlib
import ipaddress
import re
from collections.abc import Iterable
from dataclasses import dataclass

from runbook_lib.basics import strict_json
from runbook_lib.basics.redaction import whole_words
from runbook_lib.errors import azure

MAX_RANGES = 600
# No customer has a range with a shorter prefix, so such a range is nearly always a mistake. The form of the Marketplace
# offer has the same limit for IPv4.
SHORTEST_PREFIX = {4: 8, 6: 16}
# IPv6's form of all IPv4 addresses (RFC 4291, 2.5.5.2). A range in it could let in every IPv4 address.
_IPV4_MAPPED = ipaddress.IPv6Network("::ffff:0:0/96")
# The module ipaddress also accepts masks such as /255.0.0.0, and scopes of IPv6. The firewall accepts neither.
_FORM = re.compile(r"[0-9A-Fa-f.:]{2,45}(/[0-9]{1,3})?")
_SHOWN_CHARACTERS = 60
_OWNERS = ("customer", "publisher")


@dataclass(frozen=True, slots=True, kw_only=True)
class AddressRanges:
    """Both lists of ranges. Each is in CIDR form, sorted, and without duplicates.

    Attributes:
        customer: The ranges from which the customer uses the instance.
        publisher: The ranges from which the publisher reaches it.
    """

    customer: tuple[str, ...]
    publisher: tuple[str, ...]

    def __str__(self) -> str:
        """Return the lists' text for a plan: their lengths, and a digest that changes with each range."""
        digest = hashlib.sha256("\n".join((*self.customer, "", *self.publisher)).encode()).hexdigest()
        return f"{len(self.customer)} of the customer, {len(self.publisher)} of the publisher, sha256:{digest}"


def read_ranges(text: str) -> AddressRanges:
    """Return the ranges in a JSON text.

    Args:
        text: A JSON object with the members customer and publisher. Each member is a list of texts.

    Raises:
        RunbookError: VD-GATEWAY-007 if a range is malformed or too wide, VD-GATEWAY-008 if there are more than
            MAX_RANGES.
    """
    try:
        lists = strict_json.loads(text)
    except strict_json.NotStrictJsonError as error:
        raise azure.UNFIT_RANGE.error(f"the variable's text is no JSON: {error}") from error
    if not isinstance(lists, dict) or sorted(lists) != sorted(_OWNERS):
        raise azure.UNFIT_RANGE.error(f"the variable's text takes an object with {' and '.join(_OWNERS)}")
    customer, publisher = (_list(lists[owner], owner) for owner in _OWNERS)
    return AddressRanges(customer=customer, publisher=publisher)


def in_order(texts: Iterable[str]) -> tuple[str, ...]:
    """Return the firewall's ranges in the order of AddressRanges. A text that is no range stays as it is."""
    ranges, others = set(), set()
    for text in texts:
        try:
            ranges.add(ipaddress.ip_network(text, strict=False))
        except ValueError:
            others.add(text)
    return (*map(str, sorted(ranges, key=_place)), *sorted(others))


def _list(texts: object, owner: str) -> tuple[str, ...]:
    if not isinstance(texts, list) or not texts:
        raise azure.UNFIT_RANGE.error("takes a list of at least one range", target=owner)
    found = {_range(text, owner) for text in texts}
    if len(found) > MAX_RANGES:
        raise azure.TOO_MANY_RANGES.error(f"{len(found)} ranges, at most {MAX_RANGES}", target=owner)
    return tuple(map(str, sorted(found, key=_place)))


def _range(text: object, owner: str) -> ipaddress.IPv4Network | ipaddress.IPv6Network:
    shown = whole_words(str(text), _SHOWN_CHARACTERS)
    try:
        if not isinstance(text, str) or not _FORM.fullmatch(text):
            raise ValueError("it has another form")
        # The bits after the prefix have no meaning: 203.0.113.7/24 is the same range as 203.0.113.0/24.
        network = ipaddress.ip_network(text, strict=False)
    except ValueError as error:
        raise azure.UNFIT_RANGE.error(f"{shown!r} is no address or range in CIDR form", target=owner) from error
    if network.prefixlen < SHORTEST_PREFIX[network.version]:
        least = f"the shortest prefix is /{SHORTEST_PREFIX[network.version]}"
        raise azure.UNFIT_RANGE.error(f"{network} is too wide: {least}", target=owner)
    if network.overlaps(_IPV4_MAPPED):
        raise azure.UNFIT_RANGE.error(
            f"{network} has IPv4 addresses in the form of IPv6: write them as IPv4", target=owner
        )
    return network


def _place(network: ipaddress.IPv4Network | ipaddress.IPv6Network) -> tuple[int, int, int]:
    return network.version, int(network.network_address), network.prefixlen
