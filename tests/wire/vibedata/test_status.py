"""`vibedata status` with tables that the runbooks' own code wrote, and jobs that really ran."""

import json
from collections.abc import Iterator
from datetime import datetime, timedelta, timezone
from pathlib import Path
from typing import Any

import pytest

from runbook_lib.basics.clock import SYSTEM_CLOCK
from runbook_lib.component_registry.creation import create_table
from runbook_lib.component_registry.schema import CREDENTIALS, CURRENT, RELEASES, Row, batches
from runbook_lib.component_registry.tables import ComponentTables
from runbook_lib.network.retry import NetworkRetryPolicy
from runbook_lib.run.parameters import encode
from tests.support.automation import automation
from tests.support.health_rig import Rig, rig
from tests.support.rotation_rig import vault
from tests.support.running_lab import LabUnderTest
from vibedata import cli
from vibedata.session import open_session

DIGEST = "sha256:" + "ab" * 32


@pytest.fixture
def ready(lab: LabUnderTest) -> Iterator[Rig]:
    with rig(lab) as made:
        yield made


@pytest.fixture
def installed(ready: Rig) -> Rig:
    """A release of three applications, one of them ill, and a credential that will expire soon."""
    service = open_session().clients.table_service
    tables = ComponentTables(service, retry_policy=NetworkRetryPolicy, clock=SYSTEM_CLOCK)
    release = {"digest": DIGEST, "channel": "stable", "createdAt": "", "expiresAt": "", "state": CURRENT}
    expires = datetime.now(timezone.utc) + timedelta(days=12, hours=1)
    with vault(ready.lab) as customer:
        customer.secrets.update_secret_properties("publisher-acr-token", expires_on=expires)
    rows = (Row(table=RELEASES, partition="release", name="2026.11.0", columns=release),)
    for table in (RELEASES, CREDENTIALS):
        create_table(service, table)
    for batch in batches(rows):
        tables.write(batch, {})
    ready.register("control-panel", depends_on=["api-service"])
    ready.register("api-service")
    ready.register("studio", drift="the release has 2026.11.0, 2026.10.2 is there")
    ready.lab.control("POST", "/resources", {"delete": ["api-service"]})
    # The release is recorded, but no part of it is stored. Health is recorded all the same.
    assert ready.check().error_code == "VD-TRUST-032"
    return ready


def status(capsys: pytest.CaptureFixture[str], *arguments: str, code: int = 0) -> str:
    capsys.readouterr()
    assert cli.main(["status", *arguments]) == code
    return capsys.readouterr().out


def as_json(capsys: pytest.CaptureFixture[str], *, code: int = 0) -> dict[str, Any]:
    told: dict[str, Any] = json.loads(status(capsys, "--output", "json", code=code))
    return told


def test_before_the_first_run_it_says_what_to_run(lab: LabUnderTest, capsys: pytest.CaptureFixture[str]) -> None:
    shown = status(capsys)
    assert shown.startswith("Unknown: The component registry does not exist yet\n")
    assert "vibedata deploy DIR" in shown
    told = as_json(capsys)
    assert (told["registry_exists"], told["components"], told["runs"]) == (False, [], [])
    assert {entry["method"] for entry in lab.journal(service="table")} == {"GET"}


def test_it_shows_what_the_runbooks_recorded(installed: Rig, capsys: pytest.CaptureFixture[str]) -> None:
    told = as_json(capsys)
    assert told["verdict"]["level"] == "ill"
    assert told["release"]["version"] == "2026.11.0"
    assert (told["release"]["manifest_digest"], told["release"]["since"][:2]) == (DIGEST, "20")
    by_name = {component["name"]: component for component in told["components"]}
    assert set(by_name) == {"api-service", "control-panel", "studio"}
    assert by_name["studio"]["drift"] == "the release has 2026.11.0, 2026.10.2 is there"
    assert {component["health"] for component in told["components"]} <= {"healthy", "degraded", "unhealthy"}
    assert by_name["api-service"]["health"] == installed.health("api-service") != "healthy"
    assert by_name["api-service"]["reason"] == installed.reason("api-service")
    assert by_name["studio"]["endpoint"] == installed.addresses["studio"]
    assert {each["name"] for each in told["observability"]} >= {"operations-log", "alert-rules", "action-groups"}
    assert [credential["days_left"] for credential in told["credentials"]] == [12, None]


def test_its_tables_and_its_page_say_the_same(
    installed: Rig, capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    page = tmp_path / "status.html"
    shown = status(capsys, "--all", "--html", str(page))
    content = page.read_text(encoding="utf-8")
    headline = shown.partition("\n")[0].removeprefix("Ill: ")
    assert "components" in headline and "ill: api-service" in headline
    assert f": {headline} - Vibedata</title>" in content
    for expected in ("2026.11.0", "control-panel", "publisher-acr-token", installed.health("api-service")):
        assert expected in shown
        assert expected in content
    assert f'href="{installed.addresses["studio"]}"' in content
    assert [file.name for file in tmp_path.iterdir()] == ["status.html"]


def test_runs_are_the_accounts_jobs(lab: LabUnderTest, capsys: pytest.CaptureFixture[str]) -> None:
    with automation(lab) as account:
        account.environment()
        good, _ = account.run("print('well')")
        bad, _ = account.run("raise SystemExit(1)")
    told = as_json(capsys)
    assert [(run["job_id"], run["status"]) for run in told["runs"]] == [(bad, "Failed"), (good, "Completed")]
    assert all(run["runbook"] == "probe" and 0 <= run["seconds"] < 600 for run in told["runs"])
    assert "The last run of probe ended as failed" in " ".join(note["text"] for note in told["verdict"]["notes"])


def test_a_trial_is_no_last_run(lab: LabUnderTest, capsys: pytest.CaptureFixture[str]) -> None:
    with automation(lab) as account:
        account.environment()
        real, _ = account.run("print('well')")
        trial, _ = account.run("raise SystemExit(1)", {"parameters": encode({"plan_only": True, "trial": True})})
    assert trial != real
    told = as_json(capsys)
    assert [run["job_id"] for run in told["runs"]] == [real]
    assert "ended as failed" not in " ".join(note["text"] for note in told["verdict"]["notes"])


def test_a_job_that_is_removed_after_it_was_listed_hides_no_other(
    lab: LabUnderTest, capsys: pytest.CaptureFixture[str]
) -> None:
    with automation(lab) as account:
        account.environment()
        there, gone = (account.run("print('well')")[0] for _ in range(2))
    lab.fault("status", status=404, times=0, match={"service": "arm", "method": "GET", "path": f"/jobs/{gone}"})
    told = as_json(capsys)
    assert ([run["job_id"] for run in told["runs"]], told["troubles"]) == ([there], [])


def test_one_source_that_is_down_hides_no_other(installed: Rig, capsys: pytest.CaptureFixture[str]) -> None:
    installed.lab.fault("status", status=403, times=0, match={"service": "arm", "path": "/jobs"})
    told = as_json(capsys, code=1)
    assert [(trouble["source"], trouble["code"]) for trouble in told["troubles"]] == [("list of runs", "VD-NET-003")]
    assert len(told["components"]) == 3
    installed.lab.clear_faults()
    installed.lab.fault("status", status=403, times=0, match={"service": "table"})
    told = as_json(capsys, code=1)
    assert told["verdict"]["headline"] == "Health cannot be read"
    assert [trouble["code"] for trouble in told["troubles"]] == ["VD-NET-003"]


def test_nothing_that_can_be_read_is_a_failure(lab: LabUnderTest, capsys: pytest.CaptureFixture[str]) -> None:
    for service in ("table", "arm"):
        lab.fault("status", status=403, times=0, match={"service": service})
    told = as_json(capsys, code=1)
    assert (told["status"], told["error"]["code"]) == ("failed", "VD-NET-003")


def test_an_account_that_is_not_there(
    lab: LabUnderTest, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("VIBEDATA_AUTOMATION_ACCOUNT", "nosuch")
    assert lab.env["VIBEDATA_AUTOMATION_ACCOUNT"] != "nosuch"
    assert [trouble["code"] for trouble in as_json(capsys, code=1)["troubles"]] == ["VD-AUTOMATION-001"]


def test_a_page_that_cannot_be_written(lab: LabUnderTest, capsys: pytest.CaptureFixture[str], tmp_path: Path) -> None:
    assert lab.pid
    assert cli.main(["status", "--html", str(tmp_path / "nowhere" / "status.html")]) == 1
    assert "the page cannot be written" in capsys.readouterr().err
