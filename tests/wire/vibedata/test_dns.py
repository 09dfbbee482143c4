"""`vibedata dns` over the wire: an instance's name leads to its gateway, and nobody else's record is lost."""

import json
from collections.abc import Iterator
from typing import Any

import pytest

from publisher.dns_zone.host_record import ADDRESS, INSTANCE
from publisher.dns_zone.name_servers import look
from publisher.dns_zone.record_sets import RecordSet, RecordSets
from publisher.instances.document import Instance, read
from publisher.instances.store import Instances
from publisher.session import operator_tables
from runbook_lib.basics.clock import SYSTEM_CLOCK
from tests.support import dns_zone
from tests.support.running_lab import LabUnderTest
from vibedata import cli

ZONE = "vibedata.ai"
ADDRESSES = "/publicIPAddresses/"


@pytest.fixture
def instance(lab: LabUnderTest) -> Instance:
    """Record the lab's customer."""
    file = lab.directory / "instance.json"
    found = read(file.read_bytes(), source=str(file))
    Instances(operator_tables(lab.env, SYSTEM_CLOCK)).add(found)
    return found


@pytest.fixture
def zone(lab: LabUnderTest) -> Iterator[RecordSets]:
    with dns_zone.record_sets(lab) as opened:
        yield opened


class Typed:
    """The words that are typed after `vibedata dns`."""

    def __init__(self, instance: Instance, capsys: pytest.CaptureFixture[str]) -> None:
        self._id, self._capsys = instance.id, capsys

    def point(self, *words: str, code: int = 0) -> dict[str, Any]:
        return self._told("point", "--instance", self._id, *words, code=code)

    def audit(self, *, code: int = 0) -> dict[str, Any]:
        return self._told("audit", code=code)

    def _told(self, *words: str, code: int) -> dict[str, Any]:
        self._capsys.readouterr()
        assert cli.main(["dns", *words, "--output", "json"]) == code
        told: dict[str, Any] = json.loads(self._capsys.readouterr().out)
        return told


@pytest.fixture
def typed(instance: Instance, capsys: pytest.CaptureFixture[str]) -> Typed:
    return Typed(instance, capsys)


def record(zone: RecordSets, instance: Instance) -> RecordSet:
    found = zone.read("A", instance.id)
    assert found is not None
    return found


def test_a_name_leads_to_the_gateway_and_stays(zone: RecordSets, instance: Instance, typed: Typed) -> None:
    planned = typed.point("--plan")
    assert (planned["status"], zone.read("A", instance.id)) == ("planned", None)
    told = typed.point()
    assert (told["status"], told["host"]) == ("succeeded", f"{instance.id}.{ZONE}")
    assert record(zone, instance).values == (told["address"],)
    assert look(zone.name_servers(), told["host"], "A", told["address"]).served
    assert typed.point()["status"] == "unchanged"


def test_its_own_record_gets_the_gateways_new_address(
    lab: LabUnderTest, zone: RecordSets, instance: Instance, typed: Typed
) -> None:
    typed.point()
    old = "192.0.2.99"  # where the gateway was before
    there = record(zone, instance)
    dns_zone.put(lab, "A", instance.id, ARecords=[{"ipv4Address": old}], metadata={**there.metadata, ADDRESS: old})
    told = typed.point()
    assert [(each["before"], each["after"]) for each in told["changes"]] == [(old, told["address"])]
    assert record(zone, instance).metadata == {INSTANCE: instance.id, ADDRESS: told["address"]}


def test_a_record_of_somebody_else_is_replaced_only_with_take_over(
    lab: LabUnderTest, zone: RecordSets, instance: Instance, typed: Typed
) -> None:
    dns_zone.put(lab, "CNAME", instance.id, CNAMERecord={"cname": "shop.example.com"})
    error = typed.point(code=1)["error"]
    assert error["code"] == "VD-DNS-002" and "CNAME shop.example.com" in error["message"]
    assert typed.point("--take-over", "--plan")["status"] == "planned"
    assert typed.point("--take-over", code=2)["error"]["code"] == "VD-INSTANCE-007"  # there is no terminal to ask on
    assert zone.read("CNAME", instance.id) is not None
    told = typed.point("--take-over", "--yes")
    assert [each["outcome"] for each in told["changes"]] == ["done", "done"]
    assert zone.read("CNAME", instance.id) is None
    assert record(zone, instance).values == (told["address"],)


def test_a_right_record_that_somebody_made_by_hand_becomes_the_suites(
    lab: LabUnderTest, zone: RecordSets, instance: Instance, typed: Typed
) -> None:
    address = typed.point("--plan")["address"]
    dns_zone.put(lab, "A", instance.id, ARecords=[{"ipv4Address": address}])
    assert [each["name"] for each in typed.audit(code=1)["findings"]] == [instance.id]
    assert typed.point()["status"] == "unchanged"
    lab.fault("status", status=200, match={"method": "PUT", "path": "/dnsZones/"})
    lost = typed.point("--take-over", "--yes", code=1)
    assert [each["outcome"] for each in lost["changes"]] == ["failed"], "the former record is not taken for the new one"
    told = typed.point("--take-over", "--yes")
    assert [(each["action"], each["outcome"]) for each in told["changes"]] == [("point", "done")]
    assert record(zone, instance).metadata == {INSTANCE: instance.id, ADDRESS: address}
    assert typed.audit()["findings"] == []
    assert typed.point("--take-over", "--yes")["status"] == "unchanged"


@pytest.mark.parametrize("action", ["reset_after", "reset_before"])
def test_a_lost_answer_costs_nothing(lab: LabUnderTest, typed: Typed, action: str) -> None:
    lab.fault(action, match={"method": "PUT", "path": "/dnsZones/"})
    assert typed.point()["status"] == "succeeded"


def test_a_change_in_between_is_reported_and_kept(
    lab: LabUnderTest, zone: RecordSets, instance: Instance, typed: Typed
) -> None:
    lab.fault("status", status=412, match={"method": "PUT", "path": "/dnsZones/"})
    assert typed.point(code=1)["error"]["code"] == "VD-DNS-003"
    assert zone.read("A", instance.id) is None


def test_a_gateway_without_a_usable_address_gets_no_record(
    lab: LabUnderTest, zone: RecordSets, instance: Instance, typed: Typed
) -> None:
    lab.fault("status", status=404, match={"service": "arm", "method": "GET", "path": ADDRESSES})
    assert typed.point(code=1)["error"]["code"] == "VD-DNS-006"
    assert zone.read("A", instance.id) is None


def test_a_host_outside_the_zone_is_refused(typed: Typed, monkeypatch: pytest.MonkeyPatch) -> None:
    zone = "/subscriptions/3e5dfb1f-7a1e-4b5f-9b78-7a8e0c9d8a0a/resourceGroups/x/providers/Microsoft.Network/dnsZones/"
    monkeypatch.setenv("VIBEDATA_PUBLISHER_DNS_ZONE", f"{zone}example.com")
    assert typed.point(code=2)["error"]["code"] == "VD-DNS-001"
    monkeypatch.setenv("VIBEDATA_PUBLISHER_DNS_ZONE", f"{zone}..")
    assert typed.point(code=2)["error"]["code"] == "VD-SETTINGS-002"
    monkeypatch.delenv("VIBEDATA_PUBLISHER_DNS_ZONE")
    assert typed.point(code=2)["error"]["code"] == "VD-SETTINGS-005"


def test_the_audit_finds_records_that_no_instance_owns(
    lab: LabUnderTest, instance: Instance, typed: Typed, capsys: pytest.CaptureFixture[str]
) -> None:
    typed.point()
    assert typed.audit()["findings"] == []
    dns_zone.put(lab, "TXT", f"_acme-challenge.{instance.id}", TXTRecords=[{"value": ["x"]}])
    dns_zone.put(
        lab, "CNAME", "www", CNAMERecord={"cname": "web.example"}, metadata={"vibedataPurpose": "the web site"}
    )
    dns_zone.put(lab, "A", "gone", ARecords=[{"ipv4Address": "192.0.2.9"}])
    dns_zone.put(lab, "TXT", "gone", TXTRecords=[{"value": ["v=spf1"]}])
    told = typed.audit(code=1)
    assert [(each["type"], each["name"]) for each in told["findings"]] == [("A", "gone"), ("TXT", "gone")]
    assert (told["status"], told["owned"]) == ("findings", 2)
    assert told["marked"] == [{"type": "CNAME", "name": "www", "purpose": "the web site"}]
    assert cli.main(["dns", "audit"]) == 1
    assert "no instance has this name" in " ".join(capsys.readouterr().out.split())


def test_the_audit_reports_a_row_that_it_cannot_read(lab: LabUnderTest, typed: Typed, instance: Instance) -> None:
    typed.point()
    table = operator_tables(lab.env, SYSTEM_CLOCK).get_table_client("Instances")
    table.upsert_entity({"PartitionKey": "instance", "RowKey": instance.id, "document": "{}"})
    told = typed.audit(code=1)
    assert (told["status"], told["findings"]) == ("failed", [])
    assert [each["code"] for each in told["troubles"]] == ["VD-INSTANCE-006"]
