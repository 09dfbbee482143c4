"""Values of a TXT record set in the lab's zone. Others write to the same set."""

from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace

import pytest
from azure.core.exceptions import ResourceNotFoundError

from publisher.dns_zone.name_servers import look
from publisher.dns_zone.record_sets import RecordSet, RecordSets
from publisher.dns_zone.txt_values import TRIES, TxtValue, TxtValues
from runbook_lib.errors import RunbookError
from tests.support import dns_zone
from tests.support.running_lab import LabUnderTest

NAME = "_acme-challenge.k3v9x2p7"
LONG = "x" * 700
RECORD_SET = r".*/dnsZones/vibedata\.ai/TXT/.*"


@pytest.fixture
def zone(lab: LabUnderTest) -> Iterator[RecordSets]:
    with dns_zone.record_sets(lab) as opened:
        yield opened


def value(text: str) -> TxtValue:
    return TxtValue(name=NAME, value=text)


def there(zone: RecordSets) -> set[str]:
    found = zone.read("TXT", NAME)
    return set() if found is None else set(found.values)


def test_a_value_comes_and_goes_and_the_name_server_answers_with_it(zone: RecordSets) -> None:
    values, servers, host = TxtValues(zone), zone.name_servers(), zone.zone.host(NAME)
    for text in ("one", LONG):
        assert values.see(value(text)) == "absent"
        values.add(value(text))
        assert values.see(value(text)) == "present"
        assert look(servers, host, "TXT", text).served
    assert there(zone) == {"one", LONG}
    values.remove(value("one"))
    assert there(zone) == {LONG}
    assert not look(servers, host, "TXT", "one").served
    values.remove(value(LONG))
    assert zone.read("TXT", NAME) is None


def test_values_of_somebody_else_stay(lab: LabUnderTest, zone: RecordSets) -> None:
    others = [{"value": ["two ", "strings"]}, {"value": ["other"]}]
    dns_zone.put(lab, "TXT", NAME, TXTRecords=others, metadata={"team": "web"})
    values = TxtValues(zone)
    values.add(value("ours"))
    values.remove(value("ours"))
    assert zone.read("TXT", NAME) == RecordSet(
        type="TXT", name=NAME, ttl=300, records=(("two ", "strings"), ("other",)), metadata={"team": "web"}
    )


def test_writers_at_the_same_time_lose_no_value(zone: RecordSets) -> None:
    values, texts = TxtValues(zone), [str(number) for number in range(4)]
    with ThreadPoolExecutor(4) as pool:
        list(pool.map(lambda text: values.add(value(text)), texts))
        assert there(zone) == set(texts)
        list(pool.map(lambda text: values.remove(value(text)), texts))
    assert zone.read("TXT", NAME) is None


@pytest.mark.parametrize("action", ["reset_after", "reset_before"])
def test_a_lost_answer_of_each_write_changes_nothing(lab: LabUnderTest, zone: RecordSets, action: str) -> None:
    values = TxtValues(zone)
    for text in ("one", "two"):
        lab.fault(action, match={"method": "PUT", "path": RECORD_SET})
        values.add(value(text))
    assert there(zone) == {"one", "two"}
    lab.fault(action, match={"method": "PUT", "path": RECORD_SET})
    values.remove(value("one"))
    lab.fault(action, match={"method": "DELETE", "path": RECORD_SET})
    values.remove(value("two"))
    assert zone.read("TXT", NAME) is None
    assert [one["status"] for one in lab.journal(method="DELETE")][-1] in (200, 412)


def test_a_change_gives_up_if_the_set_changes_again_and_again(lab: LabUnderTest, zone: RecordSets) -> None:
    values = TxtValues(zone)
    lab.fault("status", status=412, times=TRIES, match={"method": "PUT", "path": RECORD_SET})
    with pytest.raises(RunbookError) as caught:
        values.add(value("one"))
    assert caught.value.code == "VD-DNS-003"
    values.add(value("one"))
    lab.fault("status", status=412, times=TRIES, match={"method": "DELETE", "path": RECORD_SET})
    with pytest.raises(RunbookError) as caught:
        values.remove(value("one"))
    assert caught.value.code == "VD-DNS-003"


def test_a_full_set_raises_an_error_that_names_it(lab: LabUnderTest, zone: RecordSets) -> None:
    dns_zone.put(lab, "TXT", NAME, TXTRecords=[{"value": [str(number)]} for number in range(20)])
    with pytest.raises(RunbookError) as caught:
        TxtValues(zone).add(value("more"))
    assert caught.value.code == "VD-DNS-004"


def test_a_zone_that_is_not_there_does_not_look_like_an_empty_one(zone: RecordSets) -> None:
    absent = RecordSets(replace(zone.zone, name="other.example"), zone._client)
    with pytest.raises(ResourceNotFoundError):
        absent.read("TXT", NAME)
