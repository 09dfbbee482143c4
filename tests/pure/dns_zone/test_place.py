"""The setting that names the publisher's zone, and the hosts that are in the zone."""

import pytest

from publisher.dns_zone.place import VARIABLE, DnsZone, zone_if_any, zone_of
from runbook_lib.errors import RunbookError, azure, publisher

GUID = "3e5dfb1f-7a1e-4b5f-9b78-7a8e0c9d8a0a"
ID = f"/subscriptions/{GUID}/resourceGroups/vd-dns/providers/Microsoft.Network/dnsZones/vibedata.ai"
ZONE = DnsZone(subscription_id=GUID, resource_group="vd-dns", name="vibedata.ai")


@pytest.mark.parametrize("text", [ID, ID.replace("Microsoft.Network/dnsZones", "microsoft.network/dnszones"), f"{ID}/"])
def test_a_zone_is_read_from_its_id(text: str) -> None:
    assert zone_of({VARIABLE: text}) == ZONE
    assert ZONE.resource_id == ID


def test_capitals_of_the_name_do_not_count() -> None:
    assert zone_of({VARIABLE: ID.replace("vibedata.ai", "Vibedata.AI")}) == ZONE


@pytest.mark.parametrize(
    "text",
    ["vibedata.ai", f"{ID}/A/x", ID.replace(GUID, "x"), ID.replace("vd-dns", "vd."), ID.replace("vibedata.ai", "..")],
)
def test_another_form_is_refused(text: str) -> None:
    with pytest.raises(RunbookError) as caught:
        zone_if_any({VARIABLE: text})
    assert caught.value.is_(azure.MALFORMED_SETTING)


def test_an_absent_zone_is_no_error_if_it_may_be_absent() -> None:
    assert zone_if_any({}) is None
    with pytest.raises(RunbookError) as caught:
        zone_of({})
    assert caught.value.is_(azure.MISSING_PUBLISHER_SETTING)


@pytest.mark.parametrize(("host", "name"), [("k3.vibedata.ai", "k3"), ("a.b.vibedata.ai", "a.b")])
def test_a_host_has_a_name_below_the_zone(host: str, name: str) -> None:
    assert ZONE.relative(host) == name
    assert ZONE.host(name) == host
    assert ZONE.host("@") == "vibedata.ai"


@pytest.mark.parametrize("host", ["vibedata.ai", "k3.example.com", "k3vibedata.ai"])
def test_a_host_elsewhere_is_refused(host: str) -> None:
    with pytest.raises(RunbookError) as caught:
        ZONE.relative(host)
    assert caught.value.is_(publisher.NOT_IN_ZONE)
