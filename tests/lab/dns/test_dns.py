"""The publisher's DNS zone, through azure-mgmt-dns, and the answers of the real name server."""

import time
from pathlib import Path
from typing import Any

import pytest
from azure.core.exceptions import HttpResponseError, ResourceNotFoundError
from azure.core.rest import HttpResponse
from azure.mgmt.dns.models import RecordSet

from tests.support import running_lab
from tests.support.dns import dns_client, look_up
from tests.support.running_lab import LabUnderTest

ZONE = "vibedata.ai"


def where(lab: LabUnderTest) -> tuple[str, str]:
    return lab.env["VIBEDATA_PUBLISHER_RESOURCE_GROUP"], ZONE


def record_set(**properties: Any) -> RecordSet:
    made: RecordSet = RecordSet.deserialize({"properties": properties})
    return made


def a_record(address: str) -> RecordSet:
    return record_set(TTL=300, ARecords=[{"ipv4Address": address}])


def txt(*values: str) -> RecordSet:
    return record_set(TTL=60, TXTRecords=[{"value": [one]} for one in values])


def test_official_client_writes_and_a_real_name_server_answers(lab: LabUnderTest) -> None:
    group, zone = where(lab)
    with dns_client(lab) as client:
        server = (client.zones.get(group, zone).name_servers or [])[0]
        assert look_up(server, f"abc.{zone}", "A") == []
        made = client.record_sets.create_or_update(group, zone, "abc", "A", a_record("192.0.2.7"))
        assert (made.fqdn, made.ttl, made.provisioning_state) == (f"abc.{zone}.", 300, "Succeeded")
        assert look_up(server, f"abc.{zone}", "A") == ["192.0.2.7"]
        assert look_up(server, f"ABC.{zone}", "A", tcp=True) == ["192.0.2.7"]

        client.record_sets.create_or_update(
            group, zone, "_acme-challenge.abc", "TXT", txt('one "quoted" \\ text', "two")
        )
        assert look_up(server, f"_acme-challenge.abc.{zone}", "TXT") == ['"one \\"quoted\\" \\\\ text"', '"two"']
        caa = {"flags": 0, "tag": "issue", "value": "letsencrypt.org; validationmethods=dns-01"}
        client.record_sets.create_or_update(group, zone, "@", "CAA", record_set(TTL=60, caaRecords=[caa]))
        assert look_up(server, zone, "CAA") == ['0 issue "letsencrypt.org; validationmethods=dns-01"']
        alias = record_set(TTL=60, CNAMERecord={"cname": f"abc.{zone}"})
        client.record_sets.create_or_update(group, zone, "www", "CNAME", alias)
        assert look_up(server, f"www.{zone}", "CNAME") == [f"abc.{zone}."]

        listed = list(client.record_sets.list_by_dns_zone(group, zone))
        assert {(str(one.type).rpartition("/")[2], one.name) for one in listed} == {
            ("NS", "@"),
            ("SOA", "@"),
            ("A", "abc"),
            ("TXT", "_acme-challenge.abc"),
            ("CAA", "@"),
            ("CNAME", "www"),
        }
        assert [one.name for one in client.record_sets.list_by_type(group, zone, "A", top=1)] == ["abc"]
        client.record_sets.delete(group, zone, "abc", "A")
        client.record_sets.delete(group, zone, "abc", "A")  # a second time is 204
        assert look_up(server, f"abc.{zone}", "A") == []
        with pytest.raises(ResourceNotFoundError):
            client.record_sets.get(group, zone, "abc", "A")

    lab.reset()
    assert look_up(server, f"_acme-challenge.abc.{zone}", "TXT") == []
    assert look_up(server, zone, "NS") == [f"ns1.{zone}."]


def test_a_list_with_a_suffix_has_only_what_ends_with_a_dot_and_the_suffix(lab: LabUnderTest) -> None:
    group, zone = where(lab)
    with dns_client(lab) as client:
        for name in ("abc", "www.abc", "x.www.abc", "xabc"):
            client.record_sets.create_or_update(group, zone, name, "A", a_record("192.0.2.7"))
        for listed in (
            client.record_sets.list_by_dns_zone(group, zone, recordsetnamesuffix="abc"),
            client.record_sets.list_by_type(group, zone, "A", recordsetnamesuffix="abc"),
        ):
            assert [one.name for one in listed] == ["www.abc", "x.www.abc"]


def test_etags_keep_two_writers_apart(lab: LabUnderTest) -> None:
    group, zone = where(lab)
    with dns_client(lab) as client:
        made = client.record_sets.create_or_update(group, zone, "abc", "TXT", txt("one"), if_none_match="*")
        with pytest.raises(HttpResponseError) as there:
            client.record_sets.create_or_update(group, zone, "abc", "TXT", txt("two"), if_none_match="*")
        assert there.value.status_code == 412
        newer = client.record_sets.create_or_update(group, zone, "abc", "TXT", txt("one", "two"), if_match=made.etag)
        assert newer.etag != made.etag
        with pytest.raises(HttpResponseError) as stale:
            client.record_sets.create_or_update(group, zone, "abc", "TXT", txt("three"), if_match=made.etag)
        assert stale.value.status_code == 412
        with pytest.raises(HttpResponseError) as stale:
            client.record_sets.delete(group, zone, "abc", "TXT", if_match=made.etag)
        assert stale.value.status_code == 412
        client.record_sets.delete(group, zone, "abc", "TXT", if_match=newer.etag)


@pytest.mark.parametrize(
    ("kind", "name", "properties"),
    [
        ("A", "abc", {"TTL": 0, "ARecords": [{"ipv4Address": "192.0.2.7"}]}),
        ("A", "abc", {"TTL": 60, "ARecords": [{"ipv4Address": "192.0.2"}]}),
        ("A", "abc", {"TTL": 60, "ARecords": [{"ipv4Address": "192.0.2.7"}, {"ipv4Address": "192.0.2.7"}]}),
        ("A", "abc", {"ARecords": [{"ipv4Address": "192.0.2.7"}]}),
        ("A", "a b", {"TTL": 60, "ARecords": [{"ipv4Address": "192.0.2.7"}]}),
        ("TXT", "abc", {"TTL": 60, "TXTRecords": [{"value": ["x" * 256]}]}),
        ("TXT", "abc", {"TTL": 60, "TXTRecords": [{"value": [f"{n:02}" + "x" * 250]} for n in range(17)]}),
        ("TXT", "abc", {"TTL": 60, "TXTRecords": [{"value": [str(n)]} for n in range(21)]}),
        ("CAA", "@", {"TTL": 60, "caaRecords": [{"flags": 0, "tag": "other", "value": "x"}]}),
        ("CNAME", "@", {"TTL": 60, "CNAMERecord": {"cname": "elsewhere.example"}}),
        ("SOA", "abc", {"TTL": 60}),
    ],
)
def test_what_azure_dns_does_not_take_is_refused(
    lab: LabUnderTest, kind: str, name: str, properties: dict[str, Any]
) -> None:
    group, zone = where(lab)
    with dns_client(lab) as client:
        with pytest.raises(HttpResponseError) as refused:
            client.record_sets.create_or_update(group, zone, name, kind, record_set(**properties))
        assert refused.value.status_code == 400
        assert {str(one.type).rpartition("/")[2] for one in client.record_sets.list_by_dns_zone(group, zone)} == {
            "NS",
            "SOA",
        }


def test_the_zones_own_records_stay_and_a_cname_has_its_name_alone(lab: LabUnderTest) -> None:
    group, zone = where(lab)
    with dns_client(lab) as client:
        for kind in ("NS", "SOA"):
            with pytest.raises(HttpResponseError):
                client.record_sets.delete(group, zone, "@", kind)
        client.record_sets.create_or_update(group, zone, "abc", "A", a_record("192.0.2.7"))
        with pytest.raises(HttpResponseError) as refused:
            client.record_sets.create_or_update(
                group, zone, "abc", "CNAME", record_set(TTL=60, CNAMERecord={"cname": "x.example"})
            )
        assert refused.value.status_code == 400
        with pytest.raises(ResourceNotFoundError):
            client.zones.get(group, "other.example")


def test_more_than_200_new_record_sets_a_minute_are_throttled(lab: LabUnderTest) -> None:
    group, zone = where(lab)
    with dns_client(lab, retry_total=0) as client:
        for number in range(200):
            if number % 100 == 99:
                lab.control("POST", "/clock", {"advance_seconds": 10})  # ARM's own bucket refills at 10 writes a second
            client.record_sets.create_or_update(group, zone, f"n{number}", "A", a_record("192.0.2.7"))
        assert len(list(client.record_sets.list_by_type(group, zone, "A"))) == 200  # more than one page
        with pytest.raises(HttpResponseError) as refused:
            client.record_sets.create_or_update(group, zone, "n200", "A", a_record("192.0.2.7"))
        assert refused.value.status_code == 429
        assert isinstance(refused.value.response, HttpResponse)
        assert 1 <= int(refused.value.response.headers["Retry-After"]) <= 60
        lab.control("POST", "/clock", {"advance_seconds": 60})
        client.record_sets.create_or_update(group, zone, "n200", "A", a_record("192.0.2.7"))


def test_the_name_server_learns_later_if_a_latency_says_so(lab: LabUnderTest) -> None:
    group, zone = where(lab)
    lab.latency(operation="dnsPropagation", seconds=1.0)
    with dns_client(lab) as client:
        server = (client.zones.get(group, zone).name_servers or [])[0]
        client.record_sets.create_or_update(group, zone, "abc", "A", a_record("192.0.2.7"))
        assert look_up(server, f"abc.{zone}", "A") == []
        assert client.record_sets.get(group, zone, "abc", "A").ttl == 300
        deadline = time.monotonic() + 30
        while look_up(server, f"abc.{zone}", "A") != ["192.0.2.7"]:
            assert time.monotonic() < deadline
            time.sleep(0.05)


def test_a_lab_may_lie_deeper_than_a_sockets_path_is_long(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with running_lab.running(tmp_path / ("deep" * 30)) as lab, dns_client(lab) as client:
        for name, value in lab.env.items():
            monkeypatch.setenv(name, value)
        server = (client.zones.get(*where(lab)).name_servers or [])[0]
        assert look_up(server, ZONE, "NS") == [f"ns1.{ZONE}."]
