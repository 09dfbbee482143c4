"""Rows that somebody else wrote into the tables: of any type, size and depth. No reader fails because of them."""

from collections.abc import Mapping
from datetime import datetime, timezone
from typing import Any
from uuid import UUID

import pytest
from azure.data.tables import EdmType, EntityProperty
from hypothesis import given
from hypothesis import strategies as st

from publisher.custody.key_records import KeyRecord
from publisher.rotation.record import Rotation, _columns, _rotation
from runbook_lib.component_registry.health_states import STREAK_LIMIT
from runbook_lib.component_registry.registered import MAX_INT32, current_release, ill_columns, registered_component
from runbook_lib.component_registry.schema import (
    COLUMNS,
    COMPONENTS,
    SCHEMA_VERSION,
    Batch,
    Row,
    check_schema,
    digest_of_columns,
    is_key,
    key_of,
)
from runbook_lib.errors import RunbookError
from runbook_lib.health.columns import health_row, own_health, recorded_health
from runbook_lib.health.rules import HealthPolicy, Observation, next_own_health, roll_up
from vibedata.lines import plain
from vibedata.status.report import StatusReadings, report
from vibedata.status.runs import LastRuns
from vibedata.status.text import lines, tables

NOW = datetime(2026, 11, 29, tzinfo=timezone.utc)
LAST = datetime.max.replace(tzinfo=timezone.utc)
ODD: list[Any] = [
    None, True, False, 0, -1, MAX_INT32, -MAX_INT32 - 1, 1.5, float("nan"), float("inf"), b"bytes", UUID(int=7), NOW,
    LAST, EntityProperty(2**40, EdmType.INT64), "", "x" * 40_000, "\ud800", "\x1b[2J", "[" * 20_000, "null", "{}",
    '["a", 1]', '["a"', "0001-01-01T00:00:00+14:00", "9999-12-31T23:59:59-14:00", "2026-11-29", "tomorrow",
]  # fmt: skip
COMPONENT: dict[str, str | int] = {
    "PartitionKey": "application", "RowKey": "api", "version": "1.0", "dependsOn": '["db"]', "state": "registered",
    "healthKind": "http", "healthPath": "/", "healthExpectedStatus": 200, "healthTimeoutSeconds": 5,
    "health": "healthy", "healthReason": "", "healthProbed": "healthy", "healthStreak": 2,
    "checkedAt": "2026-11-29T00:00:00.000000Z", "endpoint": "https://a", "resourceId": "/a", "drift": "",
}  # fmt: skip
SETTABLE = sorted(set(COMPONENT) - {"PartitionKey", "RowKey"})


def row(**columns: Any) -> Mapping[str, Any]:
    return {**COMPONENT, **columns}


def test_a_row_of_ours_is_not_ill() -> None:
    assert ill_columns(COMPONENT) == ()
    assert ill_columns({"PartitionKey": "observability", "RowKey": "log"}) == ()


@pytest.mark.parametrize(
    ("column", "value"),
    [("dependsOn", "[" * 20_000), ("dependsOn", '{"a": 1}'), ("dependsOn", "[1]"), ("dependsOn", b"[]"),
     ("dependsOn", "[" + ", ".join(['"a"'] * 1001) + "]"), ("healthStreak", MAX_INT32), ("healthStreak", True),
     ("healthTimeoutSeconds", -1), ("healthTimeoutSeconds", True), ("healthExpectedStatus", "200"),
     ("health", "splendid"), ("healthProbed", 5), ("version", 1.5), ("checkedAt", NOW), ("state", b"x")],
)  # fmt: skip
def test_a_column_of_another_form_is_named_and_counts_as_not_there(column: str, value: Any) -> None:
    assert ill_columns(row(**{column: value})) == (column,)
    read = registered_component(row(**{column: value}))
    assert (read.depends_on == ()) == (column == "dependsOn")


@pytest.mark.slow
@given(st.dictionaries(st.sampled_from(SETTABLE), st.sampled_from(ODD), max_size=4))
def test_no_row_of_table_components_ends_a_reader(columns: dict[str, Any]) -> None:
    entity = row(**columns)
    ill_columns(entity)
    component = registered_component(entity)
    assert recorded_health(entity) in ("unknown", "healthy", "degraded", "unhealthy")
    for seen in (Observation("answers"), Observation("fails", "why")):
        own = next_own_health(own_health(entity), seen, HealthPolicy())
        (health,) = roll_up({"application/api": own}, {"application/api": component.depends_on}).values()
        written = health_row("application/api", health, "now")
        assert abs(int(written.columns["healthStreak"])) <= STREAK_LIMIT
    digest_of_columns(entity, COLUMNS[COMPONENTS])
    Batch(target="t", rows=(Row(table=COMPONENTS, partition="application", name="api", columns=COMPONENT),)).seen(
        {"api": entity}
    )
    shown = report(
        StatusReadings(at=NOW, name="n", scope="s", option="", runs=LastRuns(), entities={
            "Components": [entity, COMPONENT],
            "Releases": [{"PartitionKey": "release", "RowKey": "1.0.0", "state": "current", **columns}],
            "Credentials": [{"PartitionKey": "hmac", "RowKey": "k", "expires": columns.get("checkedAt"), **columns}],
        })
    )  # fmt: skip
    shown.as_json()
    plain(lines(shown))
    tables(shown)


@pytest.mark.parametrize("value", ODD, ids=lambda value: repr(value)[:20])
def test_what_a_table_gives_has_a_digest_and_is_no_value_of_ours(value: Any) -> None:
    assert digest_of_columns({"a": value}, ["a"]) != digest_of_columns({"a": "of ours"}, ["a"])


@pytest.mark.parametrize("value", ODD, ids=lambda value: repr(value)[:20])
def test_a_schema_that_is_no_number_is_refused(value: Any) -> None:
    check_schema({"schemaVersion": SCHEMA_VERSION})
    if type(value) is int and value <= SCHEMA_VERSION:
        return  # an older one
    with pytest.raises(RunbookError, match="schema") as caught:
        check_schema({"schemaVersion": value})
    assert caught.value.code == "VD-COMPONENT-003" and len(caught.value.message) < 500


@pytest.mark.parametrize(
    ("version", "digest"), [("../x", "a" * 64), ("1.0.0", "a" * 63), ("1.0.0", 5), ("1.0", "a" * 64), ("", "")]
)
def test_a_row_that_names_no_release_is_none_and_hides_none(version: str, digest: Any) -> None:
    good = {"RowKey": "1.0.0", "digest": "sha256:" + "b" * 64, "state": "current"}
    ill = {"RowKey": version, "digest": digest, "state": "current"}
    assert current_release([ill]) is None
    found = current_release([ill, good])
    assert found is not None and found.digest == "sha256:" + "b" * 64


@pytest.mark.parametrize("name", ["", "\N{GRINNING FACE}", "\N{FULLWIDTH TILDE}", "a\x7f", "a\n", "a" * 1025, None, 5])
def test_a_key_that_no_runbook_makes_is_none(name: Any) -> None:
    assert not is_key(name)


@given(st.text(min_size=1, max_size=60))
def test_a_key_that_a_runbook_makes_is_one(name: str) -> None:
    assert is_key(key_of(name))


class Entity(dict[str, Any]):
    """A row as the SDK returns it."""

    @property
    def metadata(self) -> Mapping[str, str]:
        return {"etag": "e"}


def rotation_row(**columns: Any) -> Entity:
    rotation = Rotation(
        instance_id="i", number=1, rotation_id="r", credential_id="c", started_at="2026-11-29T00:00:00Z"
    )
    return Entity({"PartitionKey": "i", "RowKey": "99999998", **_columns(rotation), **columns})


def test_a_rotations_row_of_another_form_is_refused_and_named() -> None:
    assert _rotation(rotation_row()).number == 1
    older = rotation_row()
    del older["overlapSeconds"]
    assert (_rotation(older).overlap_seconds, _rotation(rotation_row(overlapSeconds=600)).overlap_seconds) == (0, 600)
    for columns in (
        {"startedAt": 5},
        {"endedAt": "tomorrow"},
        {"promotedAt": "2026-11-29T00:00:00"},
        {"wrapped": b"x"},
        {"overlapSeconds": -1},
        {"overlapSeconds": 10**9},
        {"overlapSeconds": "600"},
    ):
        with pytest.raises(RunbookError, match=next(iter(columns))) as caught:
            _rotation(rotation_row(**columns))
        assert caught.value.code == "VD-ROTATION-040"


@pytest.mark.parametrize("until", ["tomorrow", "2027-11-29T00:00:00", "5"])
def test_a_key_whose_end_is_no_time_is_not_accepted(until: str) -> None:
    record = KeyRecord(
        instance_id="i", key_id="k", state="previous", rotation_id="r", created_at="", accept_until=until
    )
    assert not record.accepted(NOW)
