"""Rows that somebody else wrote into the tables, over the wire: check_health, `vibedata status` and rotations go on."""

import json
from collections.abc import Iterator
from datetime import datetime, timezone
from typing import Any
from uuid import UUID

import pytest
from azure.data.tables import EdmType, EntityProperty

from publisher.rotation.hmac_key_credential import TABLE as ROTATIONS
from runbook_lib.errors import RunbookError
from tests.support.health_rig import Rig, rig
from tests.support.publisher_side import PublisherSide, publisher_side
from tests.support.running_lab import LabUnderTest
from vibedata import cli

NOW = datetime(2026, 11, 29, tzinfo=timezone.utc)
ILL: dict[str, Any] = {
    "depth": {"dependsOn": "[" * 20_000},
    "largest": {"healthStreak": 2**31 - 1, "health": "healthy"},
    "smallest": {"healthStreak": -(2**31), "health": "unhealthy"},
    "types": {"version": 1.5, "state": 5, "health": True, "checkedAt": b"bytes", "drift": UUID(int=7)},
    "odder": {"checkedAt": NOW, "healthStreak": EntityProperty(2**40, EdmType.INT64), "healthReason": float("nan")},
    "long": {"endpoint": "x" * 32_000, "healthReason": "y" * 32_000, "dependsOn": json.dumps(["z" * 60] * 400)},
    "words": {"health": "splendid", "healthProbed": "splendid", "healthKind": "prayer", "state": "lost"},
    "dates": {"checkedAt": "0001-01-01T00:00:00+14:00"},
}


@pytest.fixture
def ready(lab: LabUnderTest) -> Iterator[Rig]:
    with rig(lab) as made:
        yield made


@pytest.fixture
def side(lab: LabUnderTest) -> Iterator[PublisherSide]:
    with publisher_side(lab) as opened:
        yield opened


def status(capsys: pytest.CaptureFixture[str]) -> Any:
    capsys.readouterr()
    assert cli.main(["status", "--output", "json"]) == 0
    return json.loads(capsys.readouterr().out)


def test_malformed_rows_are_reported_and_the_others_are_checked(ready: Rig, capsys: pytest.CaptureFixture[str]) -> None:
    ready.register("api-gateway")
    for name, columns in ILL.items():
        ready.register(name, kind="none", **columns)
    ready.register("API-GATEWAY", component_type="Application", kind="none")
    assert len(status(capsys)["components"]) == len(ILL) + 2
    made = ready.check()
    assert (made.exit_code, made.status) == (0, "succeeded"), made.text
    assert ready.health("api-gateway") == "healthy"
    (told,) = [line for line in made.text.splitlines() if "malformed columns" in line]
    assert "table Components" in told
    # The rows that check_health itself writes have the right form again.
    assert {name: ready.entity(name)["healthStreak"] for name in ("largest", "odder")} == {"largest": -1, "odder": -1}
    assert ready.entity("words")["health"] == "unhealthy"
    assert len(status(capsys)["components"]) == len(ILL) + 2


def test_a_streak_of_the_largest_number_counts_no_further(ready: Rig) -> None:
    ready.register("api-gateway", healthStreak=2**31 - 1, health="healthy")
    ready.register("api-service", healthStreak=-(2**31), health="unhealthy")
    ready.ill("api-service", "status", status=500)
    made = ready.check()
    assert (made.exit_code, made.status) == (0, "succeeded"), made.text
    assert (ready.health("api-gateway"), ready.health("api-service")) == ("healthy", "unhealthy")


def test_keys_that_no_runbook_makes_are_passed_over(ready: Rig, capsys: pytest.CaptureFixture[str]) -> None:
    ready.register("api-gateway")
    for name in ("\N{GRINNING FACE}", "\N{FULLWIDTH TILDE}", "a'b\N{LATIN SMALL LETTER E WITH ACUTE}"):
        ready.register(name, kind="none")
    made = ready.check()
    assert (made.exit_code, made.status) == (0, "succeeded"), made.text
    assert made.text.count("keys that no runbook makes") == 1
    assert ready.health("api-gateway") == "healthy"
    assert ready.health("\N{GRINNING FACE}") == "unknown"
    assert [each["name"] for each in status(capsys)["components"]] == ["api-gateway"]


def test_a_strangers_row_in_table_schema_does_not_count_as_the_schema(ready: Rig) -> None:
    ready.register("api-gateway")
    schema = ready.tables.create_table_if_not_exists("Schema")
    schema.upsert_entity({"PartitionKey": "schema", "RowKey": "note", "schemaVersion": 99})
    assert ready.check().exit_code == 0


def test_strangers_rows_hide_no_rotation_and_a_malformed_rotation_is_refused(side: PublisherSide) -> None:
    side.drive(side.hmac_rotation(overlap_seconds=600), wait=False)
    table = side.clients.table_service.get_table_client(ROTATIONS)
    (ours,) = list(table.list_entities())
    for key in ("00000000x", "!", "0000000a"):
        table.upsert_entity({"PartitionKey": ours["PartitionKey"], "RowKey": key})
    rotating = side.hmac_rotation()
    rotating.next_step()
    assert rotating.newest is not None and rotating.newest.rotation_id == ours["rotationId"]
    table.upsert_entity({"PartitionKey": ours["PartitionKey"], "RowKey": "00000001", "startedAt": "tomorrow"})
    with pytest.raises(RunbookError) as caught:
        side.hmac_rotation().next_step()
    assert caught.value.code == "VD-ROTATION-040"
    assert "00000001" in caught.value.target
