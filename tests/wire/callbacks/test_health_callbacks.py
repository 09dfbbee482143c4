"""check_health's report to the publisher: only the components of the signed release manifest have names in it."""

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from runbook_lib.basics.clock import SYSTEM_CLOCK
from runbooks import check_health
from tests.support import callback_rig, health_rig
from tests.support.callback_rig import DEPLOYMENT, TAKEN
from tests.support.installed import customer, sha256_of
from tests.support.release_maker import as_json, document
from tests.support.running_lab import LabUnderTest
from tests.support.scripted_server import ScriptedServer

COMPONENTS = [
    {"name": "scheduler", "type": "application", "version": "1.4.2"},
    {"name": "studio", "type": "application", "version": "1.4.2"},
]


class World:
    def __init__(self, lab: LabUnderTest, callbacks: callback_rig.Rig, health: health_rig.Rig) -> None:
        self.lab = lab
        self.callbacks = callbacks
        self.health = health

    def install(self, **fields: Any) -> None:
        """Make a release the installed one, and record it as a bootstrap does."""
        made = document(components=COMPONENTS, **fields)
        with customer(self.lab) as one:
            one.put_manifest(made)
        self.health.tables.create_table_if_not_exists("Releases")
        row = {"PartitionKey": "release", "RowKey": made["version"], "state": "current"}
        row["digest"] = f"sha256:{sha256_of(as_json(made))}"
        self.health.tables.get_table_client("Releases").upsert_entity(row)

    def check(self, *, refused: str = "", **given: Any) -> list[dict[str, Any]]:
        """Run check_health and return what the publisher received, with each report's kind.

        `refused` is the run's error.
        """
        made = self.callbacks.run(TAKEN, TAKEN, runbook=check_health.RUNBOOK, clock=SYSTEM_CLOCK, **given)
        assert (made.exit_code, made.error_code) == (1 if refused else 0, refused), made.text
        self.text = made.text
        return [
            {"kind": request.path.rpartition("/")[2], **json.loads(request.body)}
            for request in self.callbacks.publisher.requests
        ]


@pytest.fixture
def world(
    lab: LabUnderTest, publisher: ScriptedServer, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> Iterator[World]:
    with (
        callback_rig.rig(lab, publisher, tmp_path, monkeypatch) as callbacks,
        health_rig.rig(lab) as health,
    ):
        callbacks.provision()
        for name in ("scheduler", "studio", "contosos-own"):
            health.register(name, endpoint=health.addresses.get(name, ""))
        yield World(lab, callbacks, health)


def test_the_summary_names_what_the_release_names(world: World) -> None:
    world.install()
    world.health.ill("studio", "status", status=500)
    step, summary = world.check()
    assert (step["kind"], step["correlation_id"], step["step"]) == ("deployment", DEPLOYMENT, "check_health")
    assert step["release_version"] == "2026.11.0"
    assert summary.pop("at") == world.health.entity("studio")["checkedAt"]
    assert {key: value for key, value in summary.items() if key not in ("kind", "instance_id")} == {
        "release_version": "2026.11.0",
        "unknown": 0,
        "healthy": 1,
        "degraded": 1,
        "unhealthy": 0,
        "components": [
            {"name": "scheduler", "type": "application", "version": "1.4.2", "health": "healthy"},
            {"name": "studio", "type": "application", "version": "1.4.2", "health": "degraded"},
        ],
        "certificate_not_after": "",
    }
    sent = b"".join(request.body for request in world.callbacks.publisher.requests)
    for theirs in ("contosos-own", world.health.addresses["studio"], world.health.resource_id("", ""), "answered"):
        assert theirs.encode() not in sent


def test_a_scheduled_check_reports_only_health(world: World) -> None:
    world.install()
    assert [report["kind"] for report in world.check(correlation_id="")] == ["health"]


def test_without_a_release_components_are_counted_and_not_named(world: World) -> None:
    (summary,) = world.check(correlation_id="")
    assert (summary["release_version"], summary["components"]) == ("", [])
    assert summary["healthy"] + summary["degraded"] + summary["unhealthy"] + summary["unknown"] == 3


def test_an_altered_manifest_names_nothing_and_fails_the_check_at_its_end(world: World) -> None:
    world.install()
    row = {"PartitionKey": "release", "RowKey": "2026.11.0", "digest": f"sha256:{'0' * 64}"}
    world.health.tables.get_table_client("Releases").update_entity(row)
    world.health.ill("studio", "status", status=500)
    (summary,) = world.check(refused="VD-TRUST-032", correlation_id="")
    assert (summary["release_version"], summary["components"]) == ("", [])
    assert "WARNING: the report to the publisher names no component" in world.text
    assert (world.health.health("scheduler"), world.health.health("studio")) == ("healthy", "degraded")


def test_a_manifest_that_cannot_be_read_fails_no_check(world: World) -> None:
    world.install()
    world.lab.fault("status", status=403, times=0, match={"service": "blob", "path": "release-manifests"})
    (summary,) = world.check(correlation_id="")
    assert (summary["release_version"], summary["components"]) == ("", [])
    assert "the release manifest cannot be read: VD-NET-003" in world.text


def test_a_plan_does_not_even_read_the_manifest(world: World) -> None:
    world.install()
    before = len(world.lab.journal(service="blob"))
    assert world.check(plan_only=True) == []
    assert not any("release-manifests" in entry["path"] for entry in world.lab.journal(service="blob")[before:])
