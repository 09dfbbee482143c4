"""bootstrap_registry over the wire: what it records, what it refuses, what it survives, and what it leaves alone."""

import json
import subprocess
import sys
from collections import Counter
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta, timezone
from typing import Any

import pytest
from azure.core.exceptions import HttpResponseError
from azure.data.tables import TableServiceClient
from azure.identity import ManagedIdentityCredential
from azure.keyvault.secrets import SecretClient

from runbook_lib.component_registry.schema import SCHEMA_VERSION, TABLES
from runbook_lib.run.parameters import encode
from runbooks.bootstrap_registry import RUNBOOK
from tests.support import automation as automation_helpers
from tests.support import release_maker, running_lab
from tests.support.release_maker import as_json, digest_of
from tests.support.runbook_run import MANIFEST, Run, run
from tests.support.running_lab import LabUnderTest

VERSION = "2026.11.0"
APP = "Microsoft.App/containerApps"
IMAGE = "sha256:" + "a" * 64
BATCH = {"service": "table", "method": "POST", "path": r"\$batch"}
HTTP = {"kind": "http", "path": "/healthz", "expected_status": 200, "timeout_seconds": 5}


def component(name: str, **fields: Any) -> dict[str, Any]:
    made = {"name": name, "type": "application", "version": VERSION, "resource_type": APP, "resource_name": name}
    return {**made, "artifact": name, "depends_on": [], "health": HTTP, **fields}


def image(name: str) -> dict[str, Any]:
    return {"name": name, "repository": f"vibedata/{name}", "tag": VERSION, "digest": IMAGE, "size": 1}


@dataclass(frozen=True, slots=True)
class World:
    """A customer with an installed release, and the tables as any other client sees them."""

    lab: LabUnderTest
    tables: TableServiceClient

    def install(self, *components: Mapping[str, Any], **fields: Any) -> None:
        """Install a release of these components; their images are pinned, and nothing here imports them."""
        images = [image(one["artifact"]) for one in components if one.get("artifact")]
        made = release_maker.document(**{"images": images, "runbooks": [], **fields, "components": list(components)})
        publisher = release_maker.container_registry(self.lab, "publisher")
        release_maker.push_release_manifest(publisher, as_json(made), made["version"], "latest")
        assert run(self.lab, MANIFEST).exit_code == 0

    def bootstrap(self, **given: Any) -> Run:
        return run(self.lab, RUNBOOK, **given)

    def resources(self, **body: object) -> dict[str, Any]:
        """Change the managed resource group (lab/resource_group/changes.py) and return what it is then."""
        changed: dict[str, Any] = self.lab.control("POST", "/resources", body)
        return changed

    def names(self) -> set[str]:
        return {str(table.name) for table in self.tables.list_tables()}

    def rows(self, table: str) -> dict[str, dict[str, Any]]:
        """Return a table's entities by partition/row."""
        listed = self.tables.get_table_client(table).list_entities()
        return {f"{one['PartitionKey']}/{one['RowKey']}": dict(one) for one in listed}


@pytest.fixture
def credential(lab: LabUnderTest) -> Iterator[ManagedIdentityCredential]:
    with ManagedIdentityCredential(client_id=lab.env["VIBEDATA_UAMI_CLIENT_ID"]) as made:
        yield made


@pytest.fixture
def world(lab: LabUnderTest, credential: ManagedIdentityCredential) -> Iterator[World]:
    with TableServiceClient(endpoint=lab.env["VIBEDATA_TABLE_ENDPOINT"], credential=credential) as tables:
        yield World(lab, tables)


def table_writes(made: Run) -> list[str]:
    return [write for write in made.writes() if write.startswith("table")]


# --- What it records --------------------------------------------------------------------------------------------------


def test_everything_is_registered_and_a_rerun_writes_nothing(world: World) -> None:
    vault = component("vault", type="infrastructure", resource_type="Microsoft.KeyVault/vaults", artifact=None)
    world.install(
        component("studio", depends_on=["vault"]),
        component("planner-agent", type="agent"),
        {**vault, "resource_name": "vibedata-kv", "version": "1", "health": {"kind": "arm"}},
    )
    planned = world.bootstrap(plan_only=True)
    assert (planned.status, table_writes(planned), world.names()) == ("planned", [], set())

    first = world.bootstrap()
    assert (first.exit_code, first.status) == (0, "succeeded"), first.text
    assert world.names() == set(TABLES)
    assert world.rows("Schema")["schema/version"]["schemaVersion"] == SCHEMA_VERSION
    resources = world.rows("Resources")
    group = world.lab.control("GET", "/resources")
    assert Counter(key.partition("/")[0].replace("|", "/") for key in resources) == group["types"]
    assert {one["state"] for one in resources.values()} == {"registered"}
    storage = resources["Microsoft.Storage|storageAccounts/vibedatastorage"]
    assert (storage["kind"], storage["sku"], storage["provisioningState"]) == ("StorageV2", "Standard_ZRS", "Succeeded")
    assert storage["resourceId"].endswith("/providers/Microsoft.Storage/storageAccounts/vibedatastorage")

    components = world.rows("Components")
    assert set(components) == {"application/studio", "agent/planner-agent", "infrastructure/vault"}
    studio = components["application/studio"]
    assert (studio["version"], studio["artifactDigest"], studio["discoveredVersion"]) == (VERSION, IMAGE, VERSION)
    assert (studio["drift"], studio["state"], json.loads(studio["dependsOn"])) == ("", "registered", ["vault"])
    assert studio["endpoint"].startswith("https://127.0.0.1:")
    assert (studio["health"], studio["healthReason"], studio["healthStreak"]) == ("unknown", "not probed yet", 0)
    assert (studio["healthKind"], studio["healthPath"], studio["healthExpectedStatus"]) == ("http", "/healthz", 200)
    assert components["infrastructure/vault"]["discoveredVersion"] == ""

    release = world.rows("Releases")[f"release/{VERSION}"]
    assert (release["state"], release["channel"], release["digest"][:7]) == ("current", "stable", "sha256:")
    policy = world.rows("Policies")["policy/networkRetryPolicies"]
    assert (policy["max_retries"], policy["delay_seconds"]) == (3, 2.0)
    assert first.result["report"] == {
        "release": VERSION,
        "resources": group["count"],
        "components": 3,
        "drift": [],
        "vanished": [],
        "credentials": ["publisher-acr-token: enabled", "hmac-key: not provisioned"],
    }

    again = world.bootstrap()
    assert (again.status, again.result["changed"], again.writes()) == ("unchanged", 0, []), again.text
    assert len(again.requests) < 30
    assert world.rows("Resources") == resources


def test_the_recorded_policy_is_the_one_that_runs_obey(world: World) -> None:
    world.install(policies={"networkRetryPolicies": {"max_retries": 1, "delay_seconds": 0.5}})
    assert world.bootstrap().status == "succeeded"
    world.lab.fault("status", status=500, times=0, match={"service": "arm", "path": r"/resources\?"})
    made = world.bootstrap()
    assert (made.error_code, len(made.sent("arm", "GET", "/resources?"))) == ("VD-NET-002", 2)


@pytest.mark.parametrize("page_size", [1, 7])
def test_every_page_is_read(world: World, page_size: int) -> None:
    world.install(component("studio"))
    count = world.resources(page_size=page_size)["count"]
    made = world.bootstrap()
    assert made.status == "succeeded", made.text
    assert len(world.rows("Resources")) == count
    assert len(made.sent("arm", "GET", "/resources?")) == -(-count // page_size)
    assert world.rows("Components")["application/studio"]["discoveredVersion"] == VERSION


def test_thousands_are_recorded_in_batches_and_a_rerun_asks_for_pages_only(world: World) -> None:
    world.install(component("studio"))
    count = world.resources(count=2500)["count"]
    first = world.bootstrap()
    assert first.status == "succeeded", first.text
    assert len(world.rows("Resources")) == count
    assert len(first.sent("table", "POST", "$batch")) < 70
    again = world.bootstrap()
    assert (again.status, again.writes()) == ("unchanged", [])
    assert len(again.requests) < count / 50


def test_every_runbook_is_a_component_by_its_text(world: World) -> None:
    text = "print('hello')\n"
    pin = {
        "name": automation_helpers.RUNBOOK,
        "repository": "vibedata/runbooks/probe",
        "tag": VERSION,
        "digest": IMAGE,
        "script_sha256": digest_of(text.encode()).removeprefix("sha256:"),
        "mandatory": True,
    }
    world.install(runbooks=[pin])
    missing = world.bootstrap()
    assert (missing.error_code, world.names()) == ("VD-COMPONENT-001", set())
    with automation_helpers.automation(world.lab) as automation:
        automation.environment()
        automation.publish(text)
        assert world.bootstrap().status == "succeeded"
        row = world.rows("Components")["runbook/probe"]
        assert (row["version"], row["discoveredVersion"], row["drift"]) == (VERSION, VERSION, "")
        assert row["artifactDigest"] == IMAGE
        assert row["resourceId"].endswith("/automationAccounts/vibedata-automation/runbooks/probe")
        automation.publish("print('another')\n")
    changed = world.bootstrap()
    assert "WARNING: VD-COMPONENT-005" in changed.text
    row = world.rows("Components")["runbook/probe"]
    assert row["discoveredVersion"] == digest_of(b"print('another')\n")


# --- Drift, what vanishes, what others write --------------------------------------------------------------------------


def test_drift_is_recorded_and_told_and_heals(world: World) -> None:
    world.install(component("studio"), component("scheduler"))
    assert world.bootstrap().status == "succeeded"
    world.resources(version={"studio": "2026.10.0"})
    drifted = world.bootstrap()
    assert drifted.status == "succeeded"
    told = f"the release has {VERSION}, 2026.10.0 is there"
    assert f"WARNING: VD-COMPONENT-005: a component drifts from the release (studio): {told}" in drifted.text
    assert drifted.result["report"]["drift"] == [f"studio: {told}"]
    rows = world.rows("Components")
    assert (rows["application/studio"]["drift"], rows["application/scheduler"]["drift"]) == (told, "")
    assert rows["application/studio"]["discoveredVersion"] == "2026.10.0"
    still = world.bootstrap()
    assert (still.status, still.result["report"]["drift"]) == ("unchanged", [f"studio: {told}"])
    world.resources(version={"studio": VERSION})
    assert world.bootstrap().result["report"]["drift"] == []
    assert world.rows("Components")["application/studio"]["drift"] == ""


def test_what_vanishes_is_marked_and_comes_back_as_it_was(world: World) -> None:
    world.install(component("studio"))
    world.resources(count=3, type="Microsoft.Compute/disks", prefix="disk")
    assert world.bootstrap().status == "succeeded"
    key = "Microsoft.Compute|disks/disk-00002"
    before = world.rows("Resources")[key]
    world.resources(delete=["disk-00002"])
    gone = world.bootstrap()
    assert gone.result["report"]["vanished"] == ["Resources Microsoft.Compute|disks disk-00002"]
    marked = world.rows("Resources")[key]
    assert marked == {**before, "state": "vanished", "updatedAt": marked["updatedAt"]}
    assert marked["updatedAt"] > before["updatedAt"]
    assert world.bootstrap().status == "unchanged"
    world.resources(count=3, type="Microsoft.Compute/disks", prefix="disk")
    assert world.bootstrap().status == "succeeded"
    back = world.rows("Resources")[key]
    assert (back["state"], back["registeredAt"]) == ("registered", before["registeredAt"])


def test_a_new_release_marks_what_it_no_longer_has(world: World) -> None:
    world.install(component("studio"), component("scheduler"))
    assert world.bootstrap().status == "succeeded"
    before = world.rows("Components")["application/studio"]
    world.install(component("studio", version="2026.12.0"), version="2026.12.0")
    assert world.bootstrap().status == "succeeded"
    rows = world.rows("Components")
    assert rows["application/scheduler"]["state"] == "vanished"
    assert rows["application/scheduler"]["healthReason"] == "no longer part of the release"
    studio = rows["application/studio"]
    assert (studio["version"], studio["registeredAt"]) == ("2026.12.0", before["registeredAt"])
    states = {name: row["state"] for name, row in world.rows("Releases").items()}
    assert states == {f"release/{VERSION}": "former", "release/2026.12.0": "current"}


def test_health_is_left_to_who_probes(world: World) -> None:
    world.install(component("studio"))
    assert world.bootstrap().status == "succeeded"
    probed = {"health": "healthy", "healthReason": "", "checkedAt": "2026-11-23T10:00:00Z", "healthStreak": 4}
    key = {"PartitionKey": "application", "RowKey": "studio"}
    world.tables.get_table_client("Components").update_entity({**key, **probed})
    assert world.bootstrap().status == "unchanged"
    world.resources(version={"studio": "2026.10.0"})
    assert world.bootstrap().status == "succeeded"
    row = world.rows("Components")["application/studio"]
    assert row["drift"] and {name: row[name] for name in probed} == probed


@pytest.mark.parametrize(
    ("days", "state", "warning"),
    [(30, "enabled", ""), (-1, "expired", "WARNING: VD-VAULT-003"), (30, "disabled", "WARNING: VD-VAULT-001")],
)
def test_a_credentials_state_is_recorded_and_its_value_never_read(
    world: World, credential: ManagedIdentityCredential, days: int, state: str, warning: str
) -> None:
    world.install(component("studio"))
    at = datetime.now(timezone.utc).replace(microsecond=0) + timedelta(days=days)
    with SecretClient(world.lab.env["VIBEDATA_KEY_VAULT_ENDPOINT"], credential) as secrets:
        secrets.update_secret_properties(
            "publisher-acr-token", expires_on=at, not_before=at - timedelta(days=60), enabled=state != "disabled"
        )
    made = world.bootstrap()
    assert made.status == "succeeded", made.text
    row = world.rows("Credentials")["registry-token/publisher-acr-token"]
    assert (row["state"], row["expires"]) == (state, at.strftime("%Y-%m-%dT%H:%M:%S.000000Z"))
    assert row["notBefore"] < row["expires"]
    assert warning in made.text and ("WARNING" in made.text) == bool(warning)
    assert made.sent("key_vault", "GET", "/secrets/publisher-acr-token") == []
    assert not any("password" in str(value) for value in row.values())


def test_an_absent_credential_is_recorded_as_absent(world: World, credential: ManagedIdentityCredential) -> None:
    world.install(component("studio"))
    with SecretClient(world.lab.env["VIBEDATA_KEY_VAULT_ENDPOINT"], credential) as secrets:
        secrets.begin_delete_secret("publisher-acr-token").wait()
    made = world.bootstrap()
    assert (made.status, "WARNING: VD-VAULT-001" in made.text) == ("succeeded", True)
    assert world.rows("Credentials")["registry-token/publisher-acr-token"]["state"] == "absent"


# --- What it refuses --------------------------------------------------------------------------------------------------


def test_all_that_is_lacking_is_one_error_and_nothing_is_written(world: World) -> None:
    world.install(component("studio"), component("one"), component("two", resource_name="nobody"))
    made = world.bootstrap()
    assert (made.exit_code, made.error_code, world.names()) == (1, "VD-COMPONENT-001", set())
    message = made.result["error"]["message"]
    assert "one" in message and "nobody (two)" in message and "studio" not in message
    assert table_writes(made) == []


def test_a_resource_that_is_named_twice_is_refused(world: World) -> None:
    world.install(component("studio"), component("second", resource_name="Studio"))
    made = world.bootstrap()
    assert (made.error_code, world.names()) == ("VD-COMPONENT-002", set())


def test_a_newer_schema_is_refused_and_nothing_is_touched(world: World) -> None:
    world.install(component("studio"))
    assert world.bootstrap().status == "succeeded"
    client = world.tables.get_table_client("Schema")
    version = {"PartitionKey": "schema", "RowKey": "version", "schemaVersion": SCHEMA_VERSION + 1}
    client.update_entity(version)
    world.resources(version={"studio": "2026.10.0"})
    refused = world.bootstrap()
    assert (refused.error_code, table_writes(refused)) == ("VD-COMPONENT-003", [])
    client.update_entity({**version, "schemaVersion": SCHEMA_VERSION - 1})
    assert world.bootstrap().status == "succeeded"
    assert world.rows("Schema")["schema/version"]["schemaVersion"] == SCHEMA_VERSION


def test_a_name_that_no_key_can_hold_is_refused_before_anything_is_written(world: World) -> None:
    world.install(component("studio"))
    world.resources(count=1, prefix="n" * 1100)
    made = world.bootstrap()
    assert (made.error_code, world.names()) == ("VD-COMPONENT-004", set())


def test_an_unknown_resource_group_is_named(world: World) -> None:
    world.install(component("studio"))
    made = world.bootstrap(settings={"resource_group": "nowhere"})
    assert made.error_code == "VD-ARM-002"
    assert "nowhere" in made.result["error"]["message"]


def test_a_version_that_is_none_is_a_bad_parameter(world: World) -> None:
    made = world.bootstrap(release_version="newest")
    assert (made.exit_code, made.error_code) == (2, "VD-PARAM-002")


# --- What it survives -------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("action", ["status", "reset_before", "reset_after"])
def test_a_page_that_fails_half_way_is_asked_for_again(world: World, action: str) -> None:
    world.install(component("studio"))
    count = world.resources(page_size=20)["count"]
    fields = {"status": 502} if action == "status" else {}
    world.lab.fault(action, match={"service": "arm", "path": "skiptoken", "nth": 2}, **fields)
    assert world.bootstrap().status == "succeeded"
    assert len(world.rows("Resources")) == count


def test_a_page_that_fails_for_good_ends_the_run_and_nothing_is_written(world: World) -> None:
    world.install(component("studio"))
    world.resources(page_size=20)
    world.lab.fault("status", status=502, times=0, match={"service": "arm", "path": "skiptoken", "nth": 2})
    made = world.bootstrap()
    assert (made.exit_code, made.error_code, world.names()) == (1, "VD-NET-002", set())


@pytest.mark.parametrize("match", [BATCH, {"service": "table", "method": "GET", "path": "Resources"}])
def test_throttling_is_waited_out(world: World, match: dict[str, object]) -> None:
    world.install(component("studio"))
    world.lab.fault("status", status=503, code="ServerBusy", times=3, match=match)
    made = world.bootstrap()
    assert made.status == "succeeded", made.text
    assert len(world.rows("Resources")) == made.result["report"]["resources"]


@pytest.mark.parametrize("action", ["reset_before", "reset_after"])
def test_a_batch_whose_answer_is_lost_is_recorded_once(world: World, action: str) -> None:
    world.install(component("studio"))
    world.lab.fault(action, times=3, match=BATCH)
    made = world.bootstrap()
    assert made.status == "succeeded", made.text
    assert len(world.rows("Resources")) == made.result["report"]["resources"]
    assert world.bootstrap().status == "unchanged"


def test_what_throttling_for_good_leaves_undone_the_next_run_does(world: World) -> None:
    world.install(component("studio"))
    world.lab.fault("status", status=503, code="ServerBusy", times=0, match={**BATCH, "nth": 9})
    failed = world.bootstrap()
    assert (failed.exit_code, failed.error_code) == (1, "VD-NET-002")
    outcomes = Counter(failed.outcomes().values())
    assert outcomes["done"] and outcomes["failed"]
    world.lab.control("DELETE", "/faults")
    second = world.bootstrap()
    assert second.status == "succeeded"
    assert set(second.outcomes()) == {target for target, outcome in failed.outcomes().items() if outcome == "failed"}
    assert world.bootstrap().status == "unchanged"


def test_entities_that_never_hold_still_are_given_up(world: World) -> None:
    world.install(component("studio"))
    assert world.bootstrap().status == "succeeded"
    world.resources(version={"studio": "2026.10.0"})
    world.lab.fault("status", status=412, code="UpdateConditionNotSatisfied", times=0, match=BATCH)
    made = world.bootstrap()
    assert made.error_code == "VD-COMPONENT-006"
    assert world.rows("Components")["application/studio"]["drift"] == ""


def test_a_table_that_is_being_deleted_is_named(world: World) -> None:
    world.install(component("studio"))
    world.lab.fault(
        "status", status=409, code="TableBeingDeleted", match={"service": "table", "method": "POST", "path": "/Tables"}
    )
    made = world.bootstrap()
    assert made.error_code == "VD-COMPONENT-007"
    assert Counter(made.outcomes().values()) == {"done": 5, "failed": 1, "skipped": len(made.outcomes()) - 6}
    assert world.bootstrap().status == "succeeded"


# --- Side by side -----------------------------------------------------------------------------------------------------


def started(lab: LabUnderTest) -> "subprocess.Popen[str]":
    return subprocess.Popen(
        [sys.executable, "-m", "runbooks.bootstrap_registry", encode({})],
        env=running_lab.environment(lab),
        stdout=subprocess.PIPE,
        text=True,
    )


@pytest.mark.parametrize("change", ["everything is new", "everything has changed"])
def test_two_runs_at_once_leave_one_table(world: World, change: str) -> None:
    world.install(component("studio"), component("scheduler"))
    count = world.resources(count=600)["count"]
    if change == "everything has changed":
        assert world.bootstrap().status == "succeeded"
        listed = world.rows("Resources").values()
        names = [str(one["resourceId"]) for one in listed if "/runbooks/" not in one["resourceId"]]
        world.resources(provisioningState=dict.fromkeys(names, "Failed"))
    # Both have looked before either writes, and each batch is under way long enough for the other's.
    world.lab.latency(service="table", method="POST", seconds=0.3)
    since = world.lab.journal()[-1]["sequence"]
    runs = [started(world.lab) for _ in range(2)]
    printed = [one.communicate(timeout=240)[0] for one in runs]
    results = [json.loads(text.splitlines()[-1]) for text in printed]
    assert [result["status"] for result in results] == ["succeeded"] * 2, printed
    sent = [one for one in world.lab.journal(since=since) if "$batch" in one["path"] and one["method"] == "POST"]
    assert len(sent) > len(world.rows("Resources")) / 100 * 1.5, "the runs did not meet"
    rows = world.rows("Resources")
    assert len(rows) == count
    assert {row["state"] for row in rows.values()} == {"registered"}
    if change == "everything has changed":
        assert Counter(row["provisioningState"] for row in rows.values())["Failed"] >= len(names)
    assert world.bootstrap().status == "unchanged"


def test_somebody_elses_change_between_look_and_write_is_seen(world: World) -> None:
    """The batch is held back; meanwhile the entity changes. The write must not go through on what was seen before."""
    world.install(component("studio"))
    assert world.bootstrap().status == "succeeded"
    world.resources(version={"studio": "2026.10.0"})
    world.lab.fault("delay", seconds=3.0, match=BATCH)
    one = started(world.lab)
    client = world.tables.get_table_client("Components")
    key = {"PartitionKey": "application", "RowKey": "studio"}
    while not [entry for entry in world.lab.control("GET", "/faults")["faults"] if entry["applied"]]:
        assert one.poll() is None
    client.update_entity({**key, "health": "healthy"})
    assert json.loads(one.communicate(timeout=120)[0].splitlines()[-1])["status"] == "succeeded"
    row = world.rows("Components")["application/studio"]
    assert (row["health"], row["discoveredVersion"]) == ("healthy", "2026.10.0")
    assert row["drift"]


def test_without_a_role_on_the_tables_the_refusal_is_named(world: World) -> None:
    world.install(component("studio"))
    world.lab.fault("status", status=403, code="AuthorizationPermissionMismatch", times=0, match={"service": "table"})
    made = world.bootstrap()
    assert made.error_code == "VD-NET-003"
    world.lab.control("DELETE", "/faults")
    with pytest.raises(HttpResponseError):
        world.rows("Components")
