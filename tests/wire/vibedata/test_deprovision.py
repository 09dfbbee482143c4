"""`vibedata deprovision` over the wire: before the customer's deletion is certain, after that, and after a failed
deletion.
"""

import json
import os
import signal
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import requests
from azure.mgmt.dns.operations import RecordSetsOperations

from publisher.certificates.record import Issuance, Issuances
from publisher.dns_zone.record_sets import RecordSets
from publisher.instances.document import Instance, read, to_json
from publisher.instances.store import Instances
from publisher.session import operator_tables
from runbook_lib.basics.clock import SYSTEM_CLOCK
from tests.support import dns_zone
from tests.support.processes import interrupted
from tests.support.publisher_side import PublisherSide, publisher_side
from tests.support.release_maker import container_registry, document, push_release_manifest
from tests.support.running_lab import LabUnderTest
from vibedata import cli

SECRET = "publisher-acr-token"
APPLICATION, GROUP = "Microsoft.Solutions/applications/[^/]+$", "/resource[gG]roups/[^/]+$"


@pytest.fixture
def known(lab: LabUnderTest) -> Instances:
    return Instances(operator_tables({**os.environ, **lab.env}, SYSTEM_CLOCK))


@pytest.fixture
def instance(lab: LabUnderTest, known: Instances) -> Instance:
    """Record the lab's customer."""
    file = lab.directory / "instance.json"
    found = read(file.read_bytes(), source=str(file))
    known.add(found)
    return found


@pytest.fixture
def side(lab: LabUnderTest) -> Iterator[PublisherSide]:
    """Give the customer an HMAC key."""
    push_release_manifest(container_registry(lab, "publisher"), json.dumps(document()).encode())
    with publisher_side(lab) as opened:
        opened.succeed(opened.hmac_rotation())
        yield opened


def gone(lab: LabUnderTest) -> None:
    """Let Azure say that neither the application nor its group exists."""
    for path in (APPLICATION, GROUP):
        lab.fault("status", status=404, times=0, match={"service": "arm", "method": "GET", "path": path})


def works(side: PublisherSide) -> bool:
    """Return whether the customer's token works."""
    stored = json.loads(str(side.customer.secrets.get_secret(SECRET).value))
    host = side.lab.env["VIBEDATA_PUBLISHER_REGISTRY"]
    answer = requests.get(
        f"https://{host}/v2/vibedata/release-manifest/manifests/latest",
        auth=(stored["username"], stored["password"]),
        timeout=60,
    )
    return answer.status_code == 200


def states(side: PublisherSide) -> set[str]:
    return {key.state for key in side.keys.of_instance(side.settings.instance_id)}


class Typed:
    """The words that are typed after `vibedata deprovision --instance ID`."""

    def __init__(self, instance: Instance, capsys: pytest.CaptureFixture[str]) -> None:
        self._id, self._capsys = instance.id, capsys

    def result(self, *words: str, code: int = 0) -> dict[str, Any]:
        self._capsys.readouterr()
        assert cli.main(["deprovision", "--instance", self._id, *words, "--output", "json"]) == code
        told: dict[str, Any] = json.loads(self._capsys.readouterr().out)
        return told


@pytest.fixture
def typed(instance: Instance, capsys: pytest.CaptureFixture[str]) -> Typed:
    return Typed(instance, capsys)


def standing(known: Instances, instance: Instance) -> str:
    row = known.row(instance.id)
    assert row is not None
    return row.standing


def test_a_plan_changes_nothing_and_tells_what_waits(
    side: PublisherSide, known: Instances, instance: Instance, typed: Typed
) -> None:
    told = typed.result("--plan")
    assert (told["status"], told["application"]) == ("planned", "Succeeded")
    assert [each["action"] for each in told["changes"]] == ["mark", "switch"]
    assert "only after the managed application is gone" in {each["why"] for each in told["unchanged"]}
    assert (works(side), standing(known, instance)) == (True, "active")


def test_before_the_deletion_is_certain_what_is_taken_can_be_given_back(
    side: PublisherSide, known: Instances, instance: Instance, typed: Typed, capsys: pytest.CaptureFixture[str]
) -> None:
    assert typed.result("--yes")["status"] == "succeeded"
    assert (works(side), standing(known, instance), states(side)) == (False, "leaving", {"current"})
    assert typed.result("--yes")["status"] == "unchanged"
    assert cli.main(["instance", "list"]) == 0
    assert f"{instance.id} is leaving" in capsys.readouterr().out
    assert typed.result("--take-back")["status"] == "succeeded"
    assert (works(side), standing(known, instance), states(side)) == (True, "active", {"current"})
    assert typed.result("--take-back")["status"] == "unchanged"


def test_once_the_application_is_gone_everything_is_taken_and_a_tombstone_stays(
    side: PublisherSide, known: Instances, instance: Instance, typed: Typed, tmp_path: Path
) -> None:
    typed.result("--yes")
    gone(side.lab)
    told = typed.result("--yes")
    assert (told["status"], told["application"]) == ("succeeded", "gone")
    assert {each["outcome"] for each in told["changes"]} == {"done"}
    assert (works(side), states(side), standing(known, instance)) == (False, {"revoked"}, "ended")
    for key in side.keys.of_instance(instance.id):
        assert not side.custody.enabled(instance.id, key.key_id)
    assert side.token_rotation().facts.passwords == ()
    assert typed.result("--yes")["status"] == "unchanged"
    assert typed.result("--take-back", code=2)["error"]["code"] == "VD-INSTANCE-011"
    # No command works with it any more, no list shows it, and its id is not given again.
    assert list(known.all()) == []
    assert cli.main(["status", "--instance", instance.id, "--output", "json"]) == 2
    file = tmp_path / "again.json"
    file.write_text(to_json(instance))
    assert cli.main(["instance", "add", str(file), "--output", "json"]) == 1


@pytest.fixture
def named(lab: LabUnderTest, instance: Instance) -> Iterator[RecordSets]:
    """Give the instance a name with a record and a challenge's value."""
    name = instance.id
    dns_zone.put(lab, "A", name, ARecords=[{"ipv4Address": "203.0.113.40"}])
    dns_zone.put(lab, "TXT", f"_acme-challenge.{name}", TXTRecords=[{"value": ["x"]}])
    dns_zone.put(lab, "TXT", f"kept.{name}", TXTRecords=[{"value": ["x"]}], metadata={"vibedataPurpose": "a proof"})
    dns_zone.put(lab, "A", "other", ARecords=[{"ipv4Address": "203.0.113.41"}])
    with dns_zone.record_sets(lab) as opened:
        yield opened


def names(zone: RecordSets) -> set[str]:
    return {each.name for each in zone.all()} - {"@"}


def test_the_names_records_are_removed_after_the_application_is_gone(
    side: PublisherSide, instance: Instance, typed: Typed, named: RecordSets
) -> None:
    typed.result("--yes")
    everything = {instance.id, f"_acme-challenge.{instance.id}", f"kept.{instance.id}", "other"}
    assert names(named) == everything
    gone(side.lab)
    told = typed.result("--plan")
    targets = [each["target"] for each in told["changes"]]
    assert set(targets[:2]) == {f"TXT _acme-challenge.{instance.id}", f"A {instance.id}"}
    assert names(named) == everything
    assert typed.result("--yes")["status"] == "succeeded"
    assert names(named) == {f"kept.{instance.id}", "other"}


def test_each_watched_type_at_the_name_is_removed_whether_or_not_the_list_below_the_name_has_it(
    side: PublisherSide, instance: Instance, typed: Typed, named: RecordSets, monkeypatch: pytest.MonkeyPatch
) -> None:
    gone(side.lab)
    name = instance.id
    dns_zone.put(side.lab, "AAAA", name, AAAARecords=[{"ipv6Address": "2001:db8::40"}])
    dns_zone.put(side.lab, "TXT", name, TXTRecords=[{"value": ["x"]}])
    dns_zone.put(side.lab, "NS", name, NSRecords=[{"nsdname": "ns.example"}])
    dns_zone.put(side.lab, "CNAME", f"www.{name}", CNAMERecord={"cname": "a.example"})
    wanted = [*(f"{kind} {name}" for kind in ("A", "AAAA", "NS", "TXT")), f"CNAME www.{name}"]
    wanted.append(f"TXT _acme-challenge.{name}")

    def planned() -> list[str]:
        return [each["target"] for each in typed.result("--plan")["changes"] if each["target"].endswith(name)]

    assert sorted(planned()) == sorted(wanted)
    listed = RecordSetsOperations.list_by_dns_zone

    def with_those_at_the_name(group: RecordSetsOperations, *where: Any, recordsetnamesuffix: str) -> Any:
        every = listed(group, *where)
        return (each for each in every if f".{each.name}".endswith(f".{recordsetnamesuffix}"))

    with monkeypatch.context() as patch:
        patch.setattr(RecordSetsOperations, "list_by_dns_zone", with_those_at_the_name)
        assert sorted(planned()) == sorted(wanted)
    assert typed.result("--yes")["status"] == "succeeded"
    assert names(named) == {f"kept.{name}", "other"}


@pytest.mark.parametrize("method", ["GET", "PATCH"])
def test_the_names_records_are_removed_even_if_something_else_fails(
    side: PublisherSide, instance: Instance, typed: Typed, named: RecordSets, method: str
) -> None:
    gone(side.lab)
    side.lab.fault("status", status=403, times=0, match={"service": "table", "method": method, "path": "HmacKeys"})
    assert typed.result("--yes", code=1)["error"]["code"] == "VD-NET-003"
    assert names(named) == {f"kept.{instance.id}", "other"}
    side.lab.clear_faults()
    assert states(side) == {"current"}


@pytest.mark.parametrize("deleted", [False, True], ids=["it is there", "it is deleted"])
def test_a_zone_that_cannot_be_read_stops_nothing_else(  # noqa: PLR0917 - fixtures
    side: PublisherSide, known: Instances, instance: Instance, typed: Typed, named: RecordSets, deleted: bool
) -> None:
    if deleted:
        gone(side.lab)
    side.lab.fault("status", status=403, times=0, match={"service": "arm", "method": "GET", "path": "/dnsZones/"})
    told = typed.result("--yes", code=1)
    assert (told["status"], told["error"]["code"], told["further_errors"]) == ("failed", "VD-NET-003", [])
    reached = ("ended", {"revoked"}) if deleted else ("leaving", {"current"})
    assert (standing(known, instance), states(side)) == reached and not works(side)
    side.lab.clear_faults()
    assert instance.id in names(named)


def test_a_setting_that_is_missing_does_not_keep_the_names_records(
    side: PublisherSide, instance: Instance, typed: Typed, named: RecordSets, monkeypatch: pytest.MonkeyPatch
) -> None:
    gone(side.lab)
    monkeypatch.delenv("VIBEDATA_PUBLISHER_KEY_VAULT_ENDPOINT")
    told = typed.result("--yes", code=2)
    assert (told["status"], told["error"]["code"]) == ("failed", "VD-SETTINGS-005")
    assert names(named) == {f"kept.{instance.id}", "other"}


def test_everything_that_has_failed_is_reported(
    side: PublisherSide, typed: Typed, instance: Instance, capsys: pytest.CaptureFixture[str]
) -> None:
    gone(side.lab)
    for match in ({"service": "arm", "path": "/dnsZones/"}, {"service": "table", "path": "HmacKeys"}):
        side.lab.fault("status", status=403, times=0, match={"method": "GET", **match})
    told = typed.result("--yes", code=1)
    assert [each["code"] for each in (told["error"], *told["further_errors"])] == ["VD-NET-003"] * 2
    assert cli.main(["deprovision", "--instance", instance.id, "--yes"]) == 1
    assert capsys.readouterr().out.count("VD-NET-003") == 2


def test_an_open_order_is_closed_and_its_certificate_is_reported(
    side: PublisherSide, instance: Instance, typed: Typed
) -> None:
    issuances, until = Issuances(side.clients.table_service), "2027-02-01T00:00:00.000000Z"
    first = Issuance(instance_id=instance.id, number=1, rotation_id="r1", host="h", not_before=until, not_after=until)
    assert issuances.begin(replace(first, ended_at=until))
    assert issuances.begin(Issuance(instance_id=instance.id, number=2, rotation_id="r2", host="h", order="o"))
    valid = f"it is valid until {until}. It is not revoked, because its key is in the customer's vault"
    told = {each["target"]: each["why"] for each in typed.result("--yes")["unchanged"]}
    assert told["certificate"] == valid
    assert told["certificate rotation 2 (r2)"] == "it is closed only after the managed application is gone"
    gone(side.lab)
    side.lab.fault("reset_after", match={"service": "table", "method": "PATCH", "path": "CertificateRotations"})
    told = typed.result("--yes")
    assert [each["outcome"] for each in told["changes"] if each["action"] == "close"] == ["done"]
    newest = issuances.newest(instance.id)
    assert newest is not None and newest.number == 2 and newest.ended_at
    assert {each["target"]: each["why"] for each in typed.result("--yes")["unchanged"]}["certificate"] == valid


def test_an_order_that_cannot_be_read_keeps_nothing_else(
    side: PublisherSide, known: Instances, instance: Instance, typed: Typed, named: RecordSets
) -> None:
    gone(side.lab)
    match = {"service": "table", "method": "GET", "path": "CertificateRotations"}
    side.lab.fault("status", status=403, times=0, match=match)
    assert typed.result("--yes", code=1)["error"]["code"] == "VD-NET-003"
    assert (states(side), standing(known, instance)) == ({"revoked"}, "ended")
    assert names(named) == {f"kept.{instance.id}", "other"}


def test_a_record_that_was_not_removed_is_removed_by_the_next_run_although_the_row_is_closed(
    side: PublisherSide, known: Instances, instance: Instance, typed: Typed, named: RecordSets
) -> None:
    gone(side.lab)
    side.lab.fault("status", status=403, times=0, match={"service": "arm", "method": "DELETE", "path": "/dnsZones/"})
    told = typed.result("--yes", code=1)
    assert (told["status"], states(side), standing(known, instance)) == ("failed", {"revoked"}, "ended")
    side.lab.clear_faults()
    gone(side.lab)
    assert typed.result("--yes")["status"] == "succeeded"
    assert names(named) == {f"kept.{instance.id}", "other"}
    assert typed.result("--yes")["status"] == "unchanged"


@pytest.mark.usefixtures("side")
def test_without_a_zone_the_plan_says_so(typed: Typed, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("VIBEDATA_PUBLISHER_DNS_ZONE")
    told = {each["target"]: each["why"] for each in typed.result("--plan")["unchanged"]}
    assert told["name"] == "VIBEDATA_PUBLISHER_DNS_ZONE names no DNS zone"


def test_a_tombstone_is_reported_by_its_code(
    side: PublisherSide, instance: Instance, typed: Typed, capsys: pytest.CaptureFixture[str]
) -> None:
    gone(side.lab)
    typed.result("--yes")
    assert cli.main(["instance", "show", instance.id, "--output", "json"]) == 2
    assert json.loads(capsys.readouterr().out)["error"]["code"] == "VD-INSTANCE-010"


def test_an_application_that_a_wrong_document_names_does_not_count_as_gone(
    side: PublisherSide, known: Instances, instance: Instance, typed: Typed
) -> None:
    side.lab.fault("status", status=404, times=0, match={"service": "arm", "method": "GET", "path": APPLICATION})
    told = typed.result("--yes")
    assert told["application"] == f"not there, but resource group {instance.managed_resource_group} is"
    assert (states(side), standing(known, instance)) == ({"current"}, "leaving")


@pytest.mark.parametrize("path", [APPLICATION, GROUP])
def test_if_azure_does_not_say_whether_it_is_there_nothing_is_taken(
    side: PublisherSide, known: Instances, instance: Instance, typed: Typed, path: str
) -> None:
    if path == GROUP:
        side.lab.fault("status", status=404, times=0, match={"service": "arm", "method": "GET", "path": APPLICATION})
    side.lab.fault("status", status=403, times=0, match={"service": "arm", "method": "GET", "path": path})
    assert typed.result("--yes", code=1)["error"]["code"] == "VD-NET-003"
    assert (works(side), states(side), standing(known, instance)) == (True, {"current"}, "active")


def test_a_run_that_fails_is_finished_by_the_next(
    side: PublisherSide, known: Instances, instance: Instance, typed: Typed
) -> None:
    gone(side.lab)
    side.lab.fault("status", status=403, times=1, match={"service": "table", "method": "PATCH", "path": "HmacKeys"})
    told = typed.result("--yes", code=1)
    assert (told["status"], standing(known, instance)) == ("failed", "leaving")
    assert "skipped" in {each["outcome"] for each in told["changes"]}
    assert typed.result("--yes")["status"] == "succeeded"
    assert (states(side), standing(known, instance)) == ({"revoked"}, "ended")


@pytest.mark.parametrize("deleted", [False, True], ids=["the deletion has failed", "it is deleted"])
def test_a_run_that_is_interrupted_says_how_it_goes_on(
    side: PublisherSide, known: Instances, instance: Instance, typed: Typed, deleted: bool
) -> None:
    if deleted:
        gone(side.lab)
    line = ["deprovision", "--instance", instance.id]
    # By then it has marked the instance.
    told, _err = interrupted(side.lab, *line, "--yes", method="PATCH", path="/tokens/", number=signal.SIGHUP)
    assert (told["status"], told["resume"]) == ("interrupted", f"vibedata {' '.join(line)}")
    assert [each["outcome"] for each in told["changes"]][:2] == ["done", None]
    assert standing(known, instance) == "leaving"
    if deleted:
        gone(side.lab)
        assert typed.result("--yes")["status"] == "succeeded"
        assert (states(side), standing(known, instance)) == ({"revoked"}, "ended")
    else:
        assert typed.result("--take-back")["status"] == "succeeded"
        assert (works(side), states(side), standing(known, instance)) == (True, {"current"}, "active")


def test_a_lost_answer_costs_nothing(side: PublisherSide, known: Instances, instance: Instance, typed: Typed) -> None:
    gone(side.lab)
    side.lab.fault("reset_after", match={"service": "arm", "method": "PATCH", "path": "/tokens/"})
    side.lab.fault("reset_after", match={"service": "table", "path": "Instances"})
    assert typed.result("--yes")["status"] == "succeeded"
    assert (states(side), standing(known, instance)) == ({"revoked"}, "ended")


def test_without_a_terminal_it_takes_yes(side: PublisherSide, typed: Typed) -> None:
    assert typed.result(code=2)["error"]["code"] == "VD-INSTANCE-007"
    assert works(side)


def test_an_unknown_instance_is_refused(side: PublisherSide, capsys: pytest.CaptureFixture[str]) -> None:
    assert side.lab.pid
    assert cli.main(["deprovision", "--instance", "nobody", "--output", "json"]) == 2
    assert json.loads(capsys.readouterr().out)["error"]["code"] == "VD-INSTANCE-002"
