"""`vibedata rotate --due` finishes the waiting rotations of all instances.

If one fails, the others are still finished.
"""

import json
import signal
from collections.abc import Iterator
from dataclasses import replace
from datetime import datetime, timedelta, timezone
from typing import Any

import pytest

from publisher.instances.document import read
from publisher.instances.store import Instances
from publisher.rotation import acr_token_credential, hmac_key_credential
from publisher.rotation.record import Rotation, RotationRecords
from runbook_lib.basics.clock import rfc3339
from runbook_lib.rotation.versions import OVERLAP_SECONDS
from tests.support.instance_documents import instance
from tests.support.processes import interrupted
from tests.support.publisher_side import Interrupted, PublisherSide, publisher_side
from tests.support.running_lab import LabUnderTest
from tests.support.token_rotation import token_rotations
from vibedata import cli

# The request at which a test interrupts a rotation.
WAITS = {"method": "GET", "path": "/tokens/"}
LONG_AGO = datetime.now(timezone.utc) - timedelta(seconds=OVERLAP_SECONDS + 60)


@pytest.fixture
def side(lab: LabUnderTest) -> Iterator[PublisherSide]:
    """The lab's instance, whose token rotation only has to be ended, and an instance that the lab's shell cannot
    reach.
    """
    token_rotations(lab)  # the publisher's container registry has a release to pull
    with publisher_side(lab) as opened:
        own = read((lab.directory / "instance.json").read_text(), source="the lab")
        for one in (own, instance()):
            Instances(opened.clients.table_service).add(one)
        opened.succeed(opened.token_rotation())
        changes = len(opened.token_rotation().preview().changes)
        killed = opened.drive(Interrupted(opened.token_rotation(), at=changes, made=False))
        assert killed.failed is not None and killed.failed.change.after == "over"
        yield opened


def due(capsys: pytest.CaptureFixture[str], *words: str, code: int = 0) -> dict[str, Any]:
    capsys.readouterr()
    assert cli.main(["rotate", "--due", "--output", "json", *words]) == code
    told: dict[str, Any] = json.loads(capsys.readouterr().out)
    return {**told, **{each["instance"]: each for each in told["rotations"]}}


def test_what_waits_is_finished_once_its_time_has_come(side: PublisherSide, capsys: pytest.CaptureFixture[str]) -> None:
    id_ = side.settings.instance_id
    records = RotationRecords(side.clients.table_service, acr_token_credential.TABLE)
    newest = records.newest(id_)
    assert newest is not None and newest.open
    early = due(capsys)
    assert (early["status"], early[id_]["status"], early[id_]["command"]) == ("succeeded", "waits", "rotate-acr-token")
    assert records.change(replace(newest, promoted_at=rfc3339(LONG_AGO)))
    planned = due(capsys, "--plan")
    assert (planned["status"], planned[id_]["status"]) == ("planned", "planned")
    # Another instance comes first, and fails, because the environment belongs to the lab's instance.
    begun = rfc3339(LONG_AGO)
    other = Rotation(instance_id="k3v9x2p7", number=1, rotation_id="r-1", credential_id="c", started_at=begun)
    assert RotationRecords(side.clients.table_service, hmac_key_credential.TABLE).begin(other)
    # A time from which no end of the overlap can be reckoned.
    table = side.clients.table_service.get_table_client(acr_token_credential.TABLE)
    row = next(table.query_entities("PartitionKey eq @id", parameters={"id": id_}))
    table.create_entity({**row, "PartitionKey": "k3v9x2p7", "promotedAt": "9999-12-31T23:59:59Z"})
    told = due(capsys, code=1)
    assert (told["status"], [each["code"] for each in told["troubles"]]) == ("failed", ["VD-ROTATION-040"])
    assert (told["k3v9x2p7"]["status"], told["k3v9x2p7"]["error"]["code"]) == ("failed", "VD-INSTANCE-003")
    assert (told[id_]["status"], told[id_]["error"]) == ("finished", None)
    ended = records.newest(id_)
    assert ended is not None and not ended.open and ended.rotation_id == newest.rotation_id
    assert due(capsys, "--instance", id_)["rotations"] == [], "nothing waits, and none was begun"


def test_one_rotation_that_is_interrupted_names_its_own_command(side: PublisherSide) -> None:
    line = ("rotate-acr-token", "--instance", side.settings.instance_id, "--overlap-seconds", "600", "--wait")
    told, err = interrupted(side.lab, *line, **WAITS, number=signal.SIGHUP)
    assert (told["status"], told["resume"]) == ("interrupted", " ".join(("vibedata", *line)))
    assert told["instance"]["id"] == side.settings.instance_id
    assert "interrupted. No job runs in Azure." in err


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGHUP], ids=["TERM", "HUP"])
def test_an_interruption_says_what_is_done_what_is_not_and_what_to_type(
    side: PublisherSide, number: signal.Signals, capsys: pytest.CaptureFixture[str]
) -> None:
    id_ = side.settings.instance_id
    tables = side.clients.table_service
    # The first instance fails, because the environment is another instance's. The lab's own instance is interrupted. A
    # third instance comes after it.
    Instances(tables).add(instance(id="zz9plural", display_name="The last one"))
    for name in ("k3v9x2p7", "zz9plural"):
        begun = rfc3339(LONG_AGO)
        other = Rotation(instance_id=name, number=1, rotation_id=f"r-{name}", credential_id="c", started_at=begun)
        assert RotationRecords(tables, acr_token_credential.TABLE).begin(other)
    records = RotationRecords(tables, acr_token_credential.TABLE)
    newest = records.newest(id_)
    assert newest is not None and records.change(replace(newest, promoted_at=rfc3339(LONG_AGO)))
    order = [row["instance"] for row in due(capsys, "--plan")["rotations"]]
    assert order == sorted(order)
    told, err = interrupted(side.lab, "rotate", "--due", **WAITS, number=number)
    assert told["status"] == "interrupted" and told["resume"] == "vibedata rotate --due"
    assert told["goes_on"] == "No job runs in Azure."
    ends = {each["instance"]: each["status"] for each in told["rotations"]}
    assert ends == {
        id_: "interrupted",
        **dict.fromkeys(order[order.index(id_) + 1 :], "not begun"),
        **dict.fromkeys(order[: order.index(id_)], "failed"),
    }
    assert f"interrupted. {told['goes_on']}" in err
    assert due(capsys, code=1)[id_]["status"] == "finished"


def test_without_a_rotation_it_says_so(lab: LabUnderTest, capsys: pytest.CaptureFixture[str]) -> None:
    assert lab.pid
    assert cli.main(["rotate", "--due"]) == 0
    assert capsys.readouterr().out.endswith("No rotation waits.\n")
