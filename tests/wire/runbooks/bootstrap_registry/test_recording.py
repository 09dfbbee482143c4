"""bootstrap_registry over the wire: what it records, which records change later, and what it does not touch."""

import json
from collections import Counter
from datetime import datetime, timedelta, timezone

import pytest
from azure.identity import ManagedIdentityCredential
from azure.keyvault.secrets import SecretClient

from runbook_lib.component_registry.schema import SCHEMA_VERSION, TABLES
from tests.support import automation as automation_helpers
from tests.support.bootstrap_rig import IMAGE, VERSION, World, component, table_writes
from tests.support.release_maker import digest_of
from tests.support.runbook_run import Run

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
    assert len(again.requests) < 35
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


def test_drift_is_recorded_and_reported_and_heals(world: World) -> None:
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


def test_a_bootstrap_does_not_change_health(world: World) -> None:
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
    [
        (30, "enabled", ""),
        (-1, "expired", "WARNING: VD-VAULT-003: a secret cannot be used now (publisher-acr-token): it is expired; the"),
        (30, "disabled", "it is disabled: `az keyvault secret set-attributes --id"),
    ],
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
    # The list of the secrets and the list of its versions have no value.
    reads = [entry["path"].split("?")[0] for entry in made.sent("key_vault", "GET", "/secrets/publisher-acr-token")]
    assert reads and all(path.endswith("/versions") for path in reads)
    assert not any("password" in str(value) for value in row.values())


def test_a_deleted_and_an_absent_credential_are_told_apart(world: World, credential: ManagedIdentityCredential) -> None:
    world.install(component("studio"))
    with SecretClient(world.lab.env["VIBEDATA_KEY_VAULT_ENDPOINT"], credential) as secrets:
        secrets.begin_delete_secret("publisher-acr-token").wait()
        deleted = world.bootstrap()
        secrets.purge_deleted_secret("publisher-acr-token")
        absent = world.bootstrap()
    assert (deleted.status, absent.status) == ("succeeded", "unchanged")
    assert "it is deleted and can be recovered: `az keyvault secret recover --id" in told(deleted)
    assert "it is absent; the publisher makes a new one: `vibedata rotate-acr-token`" in told(absent)
    assert world.rows("Credentials")["registry-token/publisher-acr-token"]["state"] == "absent"


def told(made: Run) -> str:
    (warning,) = [line for line in made.text.splitlines() if line.startswith("WARNING: VD-VAULT-001: a secret is miss")]
    return warning
