"""Which address ranges are accepted, and in which form they are compared."""

import ipaddress
import json
from collections.abc import Sequence

import pytest
from hypothesis import given
from hypothesis import strategies as st

from runbook_lib.application_gateway.address_ranges import MAX_RANGES, in_order, read_ranges
from runbook_lib.errors import RunbookError


def text(customer: Sequence[object], publisher: Sequence[object] = ("198.51.100.0/24",)) -> str:
    return json.dumps({"customer": customer, "publisher": publisher})


def refused(given_text: str) -> RunbookError:
    with pytest.raises(RunbookError) as caught:
        read_ranges(given_text)
    assert caught.value.exit_code == 2
    return caught.value


@pytest.mark.parametrize(
    ("given_ones", "taken"),
    [
        (["203.0.113.0/24"], ("203.0.113.0/24",)),
        (["203.0.113.7"], ("203.0.113.7/32",)),
        (["203.0.113.7/24", "203.0.113.0/24"], ("203.0.113.0/24",)),
        (["10.0.0.0/8", "9.0.0.0/8"], ("9.0.0.0/8", "10.0.0.0/8")),
        (["2001:DB8:0::/32", "203.0.113.0/24"], ("203.0.113.0/24", "2001:db8::/32")),
        (["2001:db8::1"], ("2001:db8::1/128",)),
    ],
)
def test_ranges_are_normalised_in_order_and_without_duplicates(given_ones: list[str], taken: tuple[str, ...]) -> None:
    assert read_ranges(text(given_ones)).customer == taken
    assert in_order(given_ones) == taken


@pytest.mark.parametrize(
    "unfit",
    [
        "",
        "0.0.0.0/0",
        "::/0",
        "10.0.0.0/7",
        "2000::/3",
        "::ffff:0:0/96",
        "::ffff:203.0.113.7",
        "::/16",
        "203.0.113.0/33",
        "203.0.113.0/255.255.255.0",
        "203.0.113.0/24 ",
        "203.0.113.0-203.0.113.9",
        "fe80::1%eth0",
        "example.com",
        "203.0.113",
        "\u0662\u0660\u0663.0.113.1",
        "203.0.113.0/\u0662",
        "\x1b[31m",
        7,
        None,
        ["203.0.113.0/24"],
    ],
)
def test_an_invalid_or_too_wide_range_is_refused_with_its_list(unfit: object) -> None:
    for given_text, owner in ((text([unfit]), "customer"), (text(["203.0.113.0/24"], [unfit]), "publisher")):
        error = refused(given_text)
        assert (error.code, error.target) == ("VD-GATEWAY-007", owner)
        assert "\x1b" not in error.message


@pytest.mark.parametrize(
    "unfit",
    [
        "",
        "[]",
        "{}",
        '{"customer": ["203.0.113.0/24"]}',
        '{"customer": ["203.0.113.0/24"], "publisher": []}',
        '{"customer": "203.0.113.0/24", "publisher": ["203.0.113.0/24"]}',
        '{"customer": ["203.0.113.0/24"], "publisher": ["203.0.113.0/24"], "other": []}',
        '{"customer": ["203.0.113.0/24"], "customer": ["203.0.113.0/24"], "publisher": ["203.0.113.0/24"]}',
    ],
)
def test_a_text_of_another_form_is_refused(unfit: str) -> None:
    assert refused(unfit).code == "VD-GATEWAY-007"


def test_a_list_holds_600_ranges_and_no_more() -> None:
    ranges = [f"10.{number // 256}.{number % 256}.0/24" for number in range(MAX_RANGES + 1)]
    assert len(read_ranges(text(ranges[:-1], ranges[:-1])).publisher) == 600
    error = refused(text(ranges))
    assert (error.code, error.target) == ("VD-GATEWAY-008", "customer")
    assert "601 ranges, at most 600" in error.message
    # A range that is there twice counts once.
    assert len(read_ranges(text([*ranges[:-1], "10.0.0.0/24"])).customer) == 600


ADDRESSES = st.ip_addresses().filter(lambda each: getattr(each, "ipv4_mapped", None) is None).map(str)


@given(st.lists(ADDRESSES, min_size=1, max_size=9), st.randoms())
def test_the_text_of_a_plan_depends_on_the_ranges_and_not_on_their_order(addresses: list[str], random: object) -> None:
    shuffled = [*addresses]
    random.shuffle(shuffled)  # type: ignore[attr-defined] # a random.Random
    one = read_ranges(text(addresses))
    assert str(read_ranges(text(shuffled))) == str(one)
    assert {ipaddress.ip_network(each) for each in one.customer} == {ipaddress.ip_network(each) for each in addresses}
    more = read_ranges(text([*addresses, "192.0.2.0/25"]))
    assert (str(more) == str(one)) is (more == one)


def test_ranges_of_another_form_in_the_firewall_stay_visible() -> None:
    assert in_order(["Internet", "203.0.113.7"]) == ("203.0.113.7/32", "Internet")
