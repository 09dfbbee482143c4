"""`vibedata fleet status` with tables that the publisher's own code wrote, and rows that somebody else wrote."""

import json
import os
import uuid
from dataclasses import replace
from datetime import datetime, timedelta, timezone
from pathlib import Path
from typing import Any

import pytest
from azure.data.tables import TableServiceClient

from publisher.callback_api.reports import TABLE, InstanceReport, InstanceReports
from publisher.custody.key_records import TABLE as KEYS
from publisher.custody.key_records import HmacKeys, KeyRecord
from publisher.instances.store import PARTITION, Instances
from publisher.rotation import acr_token_credential, hmac_key_credential
from publisher.rotation.record import Rotation, RotationRecords
from publisher.session import operator_tables
from runbook_lib.basics.clock import SYSTEM_CLOCK, rfc3339
from runbook_lib.callbacks.payloads import ComponentHealth, DeploymentProgress, HealthSummary, Payload, to_json
from tests.support.instance_documents import instance
from tests.support.running_lab import LabUnderTest
from vibedata import cli

CONTOSO, FABRIKAM = "contoso-1", "fabrikam-2"
NOW = datetime.now(timezone.utc)


@pytest.fixture
def tables(lab: LabUnderTest) -> TableServiceClient:
    return operator_tables({**os.environ, **lab.env}, SYSTEM_CLOCK)


def ago(**passed: float) -> str:
    return rfc3339(NOW - timedelta(**passed))


def health(at: str, *, healthy: int = 2, name: str = "studio") -> HealthSummary:
    part = ComponentHealth(name=name, type="application", version="2026.11.0", health="healthy")
    return HealthSummary(
        instance_id=CONTOSO,
        at=at,
        release_version="2026.11.0",
        healthy=healthy,
        degraded=0,
        unhealthy=0,
        unknown=0,
        components=(part,),
    )


def deployment(at: str, step: str, status: str) -> DeploymentProgress:
    return DeploymentProgress(
        instance_id=CONTOSO,
        at=at,
        correlation_id=str(uuid.UUID(int=7)),
        release_version="2026.11.0",
        step=step,
        status=status,
        error_code="",
        duration_ms=1,
    )


def report(tables: TableServiceClient, *payloads: Payload) -> None:
    reports = InstanceReports(tables, clock=SYSTEM_CLOCK)
    for payload in payloads:
        content = to_json(payload)
        kept = InstanceReport(
            instance_id=payload.instance_id,
            report_id=str(uuid.uuid4()),
            kind=payload.kind,
            key_id="hmac-1",
            content=content,
        )
        assert reports.keep(kept) == "kept"


def rotation(number: int, **fields: Any) -> Rotation:
    made = Rotation(
        instance_id=CONTOSO, number=number, rotation_id=f"r-{number}", credential_id="c", started_at=ago(days=1)
    )
    return replace(made, **fields)


@pytest.fixture
def fleet(tables: TableServiceClient) -> TableServiceClient:
    """One instance with all information, and one that has never reported."""
    for one, name in ((CONTOSO, "Contoso"), (FABRIKAM, "Fabrikam")):
        Instances(tables).add(replace(instance(), id=one, display_name=name))
    # The newest report by the instance's clock comes first. Reports that waited in a spool arrive after it.
    report(tables, health(ago(minutes=5), healthy=7), health(ago(hours=9)))
    report(tables, deployment(ago(hours=8), "check_health", "succeeded"), deployment(ago(hours=9), "x", "failed"))
    key = KeyRecord(instance_id=CONTOSO, key_id="hmac-1", state="current", rotation_id="r", created_at=ago(days=2))
    HmacKeys(tables).add(key)
    tokens = RotationRecords(tables, acr_token_credential.TABLE)
    expires = rfc3339(NOW + timedelta(days=100, hours=12))
    tokens.begin(rotation(1, promoted_at=ago(days=80), ended_at=ago(days=79), expires=expires))
    tokens.begin(rotation(2, expires=rfc3339(NOW + timedelta(days=180))))  # not in use yet
    RotationRecords(tables, hmac_key_credential.TABLE).begin(rotation(1, ended_at=ago(days=1)))
    return tables


def status(capsys: pytest.CaptureFixture[str], *words: object, code: int = 0) -> str:
    capsys.readouterr()
    assert cli.main(["fleet", "status", *map(str, words)]) == code
    return capsys.readouterr().out


def as_json(capsys: pytest.CaptureFixture[str], *, code: int = 0) -> dict[str, Any]:
    told: dict[str, Any] = json.loads(status(capsys, "--output", "json", code=code))
    return {**told, **{each["id"]: each for each in told["instances"]}}


def test_before_the_first_instance(lab: LabUnderTest, capsys: pytest.CaptureFixture[str]) -> None:
    assert status(capsys) == "No instance is recorded\n"
    assert {entry["method"] for entry in lab.journal(service="table")} == {"GET"}


def test_a_report_of_a_time_to_come_hides_no_later_one(
    fleet: TableServiceClient, capsys: pytest.CaptureFixture[str]
) -> None:
    report(fleet, deployment("8999-12-31T23:59:59.000000Z", "check_health", "succeeded"))
    report(fleet, deployment(rfc3339(SYSTEM_CLOCK.now()), "import_images", "failed"))
    report(fleet, health("8999-12-31T23:59:59.000000Z"))
    contoso = as_json(capsys)[CONTOSO]
    assert (contoso["deployment"]["step"], contoso["deployment"]["status"]) == ("import_images", "failed")
    assert any("dated in the future" in concern["text"] for concern in contoso["concerns"])


def test_what_instances_reported_and_what_the_publisher_recorded(
    fleet: TableServiceClient, capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    assert fleet is not None
    told = as_json(capsys)
    contoso = told[CONTOSO]
    assert contoso["health"] == {
        "at": ago(minutes=5),
        "components": {"healthy": 7, "degraded": 0, "unhealthy": 0, "unknown": 0},
    }
    assert (contoso["deployment"]["step"], contoso["deployment"]["status"]) == ("check_health", "succeeded")
    assert contoso["release"] == {"wanted": "2026.11.0", "reported": "2026.11.0"}
    assert contoso["credentials"]["hmac_key_in_use"] is True
    assert contoso["credentials"]["registry_token_expires"] == rfc3339(NOW + timedelta(days=100, hours=12))
    waits = {"command": "rotate-acr-token", "rotation_id": "r-2", "customer": "none"}
    assert (contoso["rotations"], contoso["level"]) == ([waits], "attention")
    fabrikam = told[FABRIKAM]
    assert (fabrikam["level"], fabrikam["health"], fabrikam["deployment"]) == ("unknown", None, None)
    shown = status(capsys, "--html", tmp_path / "fleet.html")
    content = (tmp_path / "fleet.html").read_text()
    for expected in ("Contoso", "Fabrikam", "7 healthy", "token 100 d left", "never reported"):
        assert expected in shown and expected in content
    assert [line.split()[0] for line in shown.splitlines() if line.startswith(("Contoso", "Fabrikam"))] == [
        "Contoso",
        "Fabrikam",
    ]


@pytest.mark.parametrize(
    "columns",
    [
        {"content0": "{"},
        {"content0": 7, "receivedAt": "9"},
        {"receivedAt": "2999-01-01T00:00:00.000000Z", "content0": "x"},
        {"receivedAt": "2999-01-01T00:00:00.000000Z", "content0": to_json(health(ago(minutes=1))).decode()},
        {"receivedAt": "9", "content0": to_json(health(ago(minutes=1))).decode()},
        {"receivedAt": "0001-01-01T00:00:00Z", "kind": "deployment"},
        {"receivedAt": ago(minutes=1), "content0": "[]" * 15_000, "content1": "x" * 30_000},
        {"receivedAt": ago(minutes=1), "content0": to_json(replace(health(ago(minutes=1)), instance_id="x")).decode()},
    ],
)
def test_reports_that_somebody_else_wrote_do_not_count(
    fleet: TableServiceClient, capsys: pytest.CaptureFixture[str], columns: dict[str, Any]
) -> None:
    strange = {"PartitionKey": CONTOSO, "RowKey": "strange", "kind": "health", "receivedAt": ago(), **columns}
    fleet.get_table_client(TABLE).create_entity(strange)
    assert as_json(capsys)[CONTOSO]["health"]["components"]["healthy"] == 7


def test_rows_and_records_that_are_malformed_hide_nothing_else(
    fleet: TableServiceClient, capsys: pytest.CaptureFixture[str]
) -> None:
    fleet.get_table_client("Instances").create_entity({"PartitionKey": PARTITION, "RowKey": "hostile", "document": "{"})
    strange = {"PartitionKey": CONTOSO, "RowKey": "00000000", "rotationId": 7}
    fleet.get_table_client(hmac_key_credential.TABLE).create_entity(strange)
    told = as_json(capsys, code=1)
    assert [trouble["code"] for trouble in told["troubles"]] == ["VD-INSTANCE-006"]
    assert any("VD-ROTATION-040" in concern["text"] for concern in told[CONTOSO]["concerns"])
    assert told[CONTOSO]["health"]["components"]["healthy"] == 7


def test_rows_with_times_at_the_edge_of_the_calendar_hide_nothing_else(
    fleet: TableServiceClient, capsys: pytest.CaptureFixture[str]
) -> None:
    early, late = "0001-01-01T00:00:00Z", "9999-12-31T23:59:59Z"
    for moment in (early, late):
        row = {"PartitionKey": FABRIKAM, "RowKey": moment, "kind": HealthSummary.kind, "receivedAt": moment}
        fleet.get_table_client(TABLE).create_entity(row)
    keys = fleet.get_table_client(KEYS)
    keys.create_entity({"PartitionKey": FABRIKAM, "RowKey": "k", "state": "previous", "acceptUntil": late})
    for table, moment in ((acr_token_credential.TABLE, late), (hmac_key_credential.TABLE, early)):
        rotations = RotationRecords(fleet, table)
        rotations.begin(replace(rotation(1, customer="promoted", promoted_at=moment), instance_id=FABRIKAM))
    told = as_json(capsys, code=1)
    assert told[CONTOSO]["health"]["components"]["healthy"] == 7
    assert (told[FABRIKAM]["health"], told[FABRIKAM]["rotations"]) == (None, [])
    concerns = " ".join(concern["text"] for concern in told[FABRIKAM]["concerns"])
    assert concerns.count("VD-ROTATION-040") == 2 and concerns.count("promotedAt") == 2


def test_one_table_that_cannot_be_read_hides_no_other(
    lab: LabUnderTest, fleet: TableServiceClient, capsys: pytest.CaptureFixture[str]
) -> None:
    assert fleet is not None
    lab.fault("status", status=403, times=0, match={"service": "table", "path": f"/{TABLE}"})
    told = as_json(capsys, code=1)
    assert told[CONTOSO]["credentials"]["hmac_key_in_use"] is True
    assert told[CONTOSO]["level"] == "unknown"
    assert any("VD-NET-003" in concern["text"] for concern in told[CONTOSO]["concerns"])


def test_without_the_table_of_instances_nothing_is_reported(
    lab: LabUnderTest, fleet: TableServiceClient, capsys: pytest.CaptureFixture[str]
) -> None:
    assert fleet is not None
    lab.fault("status", status=403, times=0, match={"service": "table", "path": "/Instances"})
    assert json.loads(status(capsys, "--output", "json", code=1))["error"]["code"] == "VD-NET-003"
