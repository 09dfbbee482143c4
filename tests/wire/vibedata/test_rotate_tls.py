"""`vibedata rotate-tls` does what is due at all instances. A failure at one instance does not stop the others."""

import json
import signal
from collections.abc import Iterator
from dataclasses import replace
from datetime import datetime, timedelta, timezone
from typing import Any

import pytest

from publisher.certificates.record import TABLE, Issuance, Issuances
from publisher.instances.document import read
from publisher.instances.store import Instances
from runbook_lib.basics.clock import rfc3339
from tests.support.automation import automation
from tests.support.instance_documents import instance
from tests.support.probe_jobs import LONG
from tests.support.processes import interrupted
from tests.support.publisher_side import PublisherSide, publisher_side
from tests.support.running_lab import LabUnderTest
from vibedata import cli

NOW, DAY = datetime.now(timezone.utc), timedelta(days=1)


@pytest.fixture
def side(lab: LabUnderTest) -> Iterator[PublisherSide]:
    """Record the lab's instance, and an instance that no shell of the lab may reach."""
    with publisher_side(lab) as opened:
        own = read((lab.directory / "instance.json").read_text(), source="the lab")
        for one in (own, instance()):
            Instances(opened.clients.table_service).add(one)
        yield opened


def issued(side: PublisherSide, **columns: Any) -> Issuance:
    """Record a certificate of the lab's instance. Nothing is due for it."""
    made = Issuance(
        instance_id=side.settings.instance_id,
        number=1,
        rotation_id="6f9f1b8a-7c02-4a4e-8a67-2f4cfa0e6b0d",
        host=side.settings.public_host,
        customer="retired",
        chain="c",
        certificate_id="a.b",
        not_before=rfc3339(NOW - DAY),
        not_after=rfc3339(NOW + 89 * DAY),
        ask_after=rfc3339(NOW + DAY / 4),
        started_at=rfc3339(NOW - DAY),
        ended_at=rfc3339(NOW - DAY),
    )
    made = replace(made, **columns)
    assert Issuances(side.clients.table_service).begin(made)
    return made


def run(capsys: pytest.CaptureFixture[str], *words: str, code: int = 0) -> dict[str, Any]:
    capsys.readouterr()
    assert cli.main(["rotate-tls", "--output", "json", *words]) == code
    told: dict[str, Any] = json.loads(capsys.readouterr().out)
    return {**told, **{each["instance"]: each for each in told.get("certificates", ())}}


def test_if_nothing_is_due_only_the_publishers_table_is_read(
    side: PublisherSide, capsys: pytest.CaptureFixture[str]
) -> None:
    newest, id_ = issued(side), side.settings.instance_id
    since = side.lab.last_request()
    told = run(capsys, "--due", "--instance", id_)
    assert (told["status"], told[id_]["status"], told[id_]["next"]) == ("succeeded", "waits", newest.ask_after)
    services = {entry["service"] for entry in side.lab.journal(since=since)}
    assert not services & {"acme", "arm", "key_vault", "publisher_key_vault"}, services


def test_the_first_line_says_whether_it_looks_at_one_instance_only(
    side: PublisherSide, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    id_ = issued(side).instance_id
    for variable, words, said in (
        (id_, (), f"VIBEDATA_INSTANCE names one instance. The command looks only at {id_}."),
        ("k3v9x2p7", ("--instance", id_), f"--instance names one instance. The command looks only at {id_}."),
        ("", (), "rotate-tls: begins"),
    ):
        monkeypatch.setenv("VIBEDATA_INSTANCE", variable)
        capsys.readouterr()
        assert cli.main(["rotate-tls", "--due", "--plan", *words]) == (0 if id_ in said else 1)
        assert capsys.readouterr().out.splitlines()[0] == said


def test_open_rotations_are_finished_even_if_another_instance_fails(
    side: PublisherSide, capsys: pytest.CaptureFixture[str]
) -> None:
    id_ = side.settings.instance_id
    issued(side, ended_at="")
    planned = run(capsys, "--due", "--plan", code=1)
    assert [change["action"] for change in planned[id_]["changes"]] == ["end"]
    told = run(capsys, "--due", code=1)
    assert (told["k3v9x2p7"]["status"], told["k3v9x2p7"]["error"]["code"]) == ("failed", "VD-INSTANCE-003")
    assert (told[id_]["status"], told[id_]["error"]) == ("done", None)
    newest = Issuances(side.clients.table_service).newest(id_)
    assert newest is not None and newest.ended_at
    assert cli.main(["rotate-tls", "--due"]) == 1
    text = capsys.readouterr().out
    assert "waits" in text and "what to do" in text


def test_an_interruption_says_what_is_done_and_names_the_instance_of_the_job(side: PublisherSide) -> None:
    id_ = side.settings.instance_id
    # The first instance fails, because the environment is another instance's. The lab's own instance is interrupted. A
    # third instance comes after it.
    Instances(side.clients.table_service).add(instance(id="zz9plural", display_name="The last one"))
    begun = dict.fromkeys(("ended_at", "chain", "certificate_id", "not_before", "not_after", "ask_after"), "")
    issued(side, customer="none", **begun)
    with automation(side.lab) as account:
        account.environment()
        account.publish(LONG, name="rotate_tls_certificate")
    order = sorted((id_, "k3v9x2p7", "zz9plural"))
    told, err = interrupted(side.lab, "rotate-tls", "--due", method="PUT", path="/jobs/", number=signal.SIGTERM)
    assert (told["status"], told["resume"]) == ("interrupted", "vibedata rotate-tls --due")
    assert f"`vibedata jobs --instance {id_}` shows it" in told["goes_on"] and told["goes_on"] in err
    place = order.index(id_)
    assert [(each["instance"], each["status"]) for each in told["certificates"]] == [
        *((other, "failed") for other in order[:place]),
        (id_, "interrupted"),
        *((other, "not begun") for other in order[place + 1 :]),
    ]


def test_a_request_to_renew_now_is_repeated_until_the_rotation_has_begun(
    side: PublisherSide, capsys: pytest.CaptureFixture[str]
) -> None:
    id_ = issued(side).instance_id
    side.lab.fault("status", status=403, match={"method": "POST", "path": TABLE})
    assert cli.main(["rotate-tls", "--instance", id_, "--now"]) == 1
    assert "Nothing was begun. Correct the cause, then run the same command again." in capsys.readouterr().out
    newest = Issuances(side.clients.table_service).newest(id_)
    assert newest is not None and newest.number == 1
    # The second run begins the rotation. Its first phase then fails, because no runbook is published.
    assert cli.main(["rotate-tls", "--instance", id_, "--now"]) == 1
    told = capsys.readouterr().out
    assert "VD-AUTOMATION-021: the runbook is not published yet" in told
    assert f"`vibedata rotate-tls --instance {id_}` goes on where this run ended." in told
    newest = Issuances(side.clients.table_service).newest(id_)
    assert newest is not None and (newest.number, newest.open) == (2, True)


def test_an_open_rotation_that_waits_is_not_listed_as_due(
    side: PublisherSide, capsys: pytest.CaptureFixture[str]
) -> None:
    until = rfc3339(NOW + DAY)
    id_ = side.settings.instance_id
    issued(
        side, customer="prepared", chain="", certificate_id="", not_before="", not_after="", ended_at="",
        wait_until=until,
    )  # fmt: skip
    for words in (("--due", "--plan"), ("--due",)):
        told = run(capsys, *words, "--instance", id_)[id_]
        assert (told["status"], told["next"], told["changes"]) == ("waits", until, [])
        assert told["why"] == "the authority takes no order before"


def test_a_first_certificate_is_planned_in_all_its_steps(
    side: PublisherSide, capsys: pytest.CaptureFixture[str]
) -> None:
    id_ = side.settings.instance_id
    told = run(capsys, "--plan", "--instance", id_)
    actions = [change["action"] for change in told["changes"]]
    assert actions[:3] == ["begin", "prepare", "order"] and actions[-1] == "end"
    assert Issuances(side.clients.table_service).newest(id_) is None
    issued(side)
    assert run(capsys, "--plan", "--instance", id_)["changes"] == []
    assert cli.main(["rotate-tls", "--plan"]) == 0
    assert capsys.readouterr().out.endswith("Nothing is due.\n")
    waits = run(capsys, "--instance", id_)
    assert (waits["status"], waits["state"], waits["error"]) == ("waiting", "retired", None)
    assert cli.main(["rotate-tls"]) == 0
    assert "There is nothing to do before" in capsys.readouterr().out


@pytest.mark.parametrize("asked", ["", rfc3339(NOW - DAY)], ids=["never", "a day ago"])
def test_the_plan_shows_that_only_the_renewal_window_is_asked_for(
    side: PublisherSide, capsys: pytest.CaptureFixture[str], asked: str
) -> None:
    id_ = issued(side, ask_after=asked).instance_id
    due = run(capsys, "--due", "--plan", "--instance", id_)[id_]
    for told in (due, run(capsys, "--plan", "--instance", id_)):
        assert [change["action"] for change in told["changes"]] == ["ask"]


def test_a_malformed_row_is_reported(side: PublisherSide, capsys: pytest.CaptureFixture[str]) -> None:
    newest = issued(side)
    table = side.clients.table_service.get_table_client(TABLE)
    (row,) = list(table.list_entities())
    table.update_entity({**row, "notAfter": "tomorrow", "customer": "happy"})
    told = run(capsys, "--due", "--instance", newest.instance_id, code=1)
    error = told[newest.instance_id]["error"]
    assert error["code"] == "VD-ROTATION-040" and "notAfter, customer" in error["message"]


def test_without_an_instance_it_says_so(lab: LabUnderTest, capsys: pytest.CaptureFixture[str]) -> None:
    assert lab.pid
    assert cli.main(["rotate-tls", "--due"]) == 0
    assert capsys.readouterr().out.endswith("There is no instance.\n")
