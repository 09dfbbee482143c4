"""The identity of the instance: recorded once, and compared by every runbook before it changes, logs or reports
anything.
"""

import threading
import time
import uuid
from typing import Any

import pytest

from runbook_lib.component_registry.identity import Identity, identity_row
from runbooks import check_health, import_images, rotate_hmac
from tests.support.bootstrap_rig import World, component, table_writes
from tests.support.runbook_run import MANIFEST, run

OTHER_SUBSCRIPTION = "9e4cfa0e-6b0d-4a4e-8a67-6f9f1b8a7c99"
ROW = "schema/identity"


@pytest.fixture
def recorded(world: World) -> World:
    """A customer whose component registry records the identity."""
    world.install(component("studio"))
    made = world.bootstrap()
    assert made.status == "succeeded", made.text
    return world


def rewrite(world: World, **columns: Any) -> None:
    row = {"PartitionKey": "schema", "RowKey": "identity", **columns}
    world.tables.get_table_client("Schema").upsert_entity(row)


def test_a_bootstrap_says_whose_instance_it_is(recorded: World) -> None:
    row = recorded.rows("Schema")[ROW]
    assert (row["instanceId"], row["subscriptionId"], row["managedResourceGroup"]) == (
        recorded.lab.env["VIBEDATA_SUBSCRIPTION_ID"],
        recorded.lab.env["VIBEDATA_SUBSCRIPTION_ID"],
        recorded.lab.env["VIBEDATA_RESOURCE_GROUP"],
    )
    again = recorded.bootstrap()
    assert (again.status, again.writes()) == ("unchanged", [])
    assert len(again.sent("table", "GET", "RowKey='identity'")) == 1


@pytest.mark.parametrize("runbook", [MANIFEST, import_images.RUNBOOK, check_health.RUNBOOK, rotate_hmac.RUNBOOK])
@pytest.mark.parametrize("plan_only", [False, True])
def test_one_customers_subscription_and_another_ones_storage(recorded: World, runbook: Any, plan_only: bool) -> None:
    environ = {"VIBEDATA_SUBSCRIPTION_ID": OTHER_SUBSCRIPTION}
    given = {"correlation_id": str(uuid.uuid4()), "plan_only": plan_only}
    if runbook is rotate_hmac.RUNBOOK:
        given |= {"rotation_id": str(uuid.uuid4()), "phase": "prepare"}
    made = run(recorded.lab, runbook, environ=environ, **given)
    assert (made.exit_code, made.error_code) == (1, "VD-COMPONENT-008")
    for told in (OTHER_SUBSCRIPTION, recorded.lab.env["VIBEDATA_SUBSCRIPTION_ID"]):
        assert told in made.result["error"]["message"]
    # There is neither log nor report, because they would belong to the wrong instance. Only one row was read.
    assert {entry["service"] for entry in made.requests} <= {"identity", "table"}
    assert len(made.sent("table", "GET")) == 1


def test_a_bootstrap_never_overwrites_another_instances_row(recorded: World) -> None:
    before = recorded.rows("Schema")
    made = recorded.bootstrap(settings={"resource_group": "somebody-elses"})
    assert (made.error_code, table_writes(made)) == ("VD-COMPONENT-008", [])
    assert recorded.rows("Schema") == before


@pytest.mark.parametrize("columns", [{"instanceId": "x"}, {"instanceId": 7, "subscriptionId": "", "p": "x" * 9000}])
def test_a_row_that_somebody_else_wrote_is_refused(recorded: World, columns: dict[str, Any]) -> None:
    recorded.tables.get_table_client("Schema").delete_entity("schema", "identity")
    rewrite(recorded, **columns)
    made = recorded.bootstrap()
    assert (made.error_code, table_writes(made)) == ("VD-COMPONENT-009", [])
    recorded.tables.get_table_client("Schema").delete_entity("schema", "identity")
    mended = recorded.bootstrap()
    assert mended.status == "succeeded", mended.text
    assert ROW in recorded.rows("Schema")


def test_of_two_instances_that_begin_together_one_gets_the_tables(world: World) -> None:
    """The other one writes its row after this run has looked, and before this run writes."""
    world.install(component("studio"))
    world.tables.create_table("Schema")
    world.lab.latency(service="table", method="POST", path=r"\$batch", seconds=3)
    other = identity_row(Identity(instance_id="p7w4m1", subscription_id=OTHER_SUBSCRIPTION, resource_group="b"))

    def write_when_the_batch_is_on_its_way() -> None:
        deadline = time.monotonic() + 60
        while time.monotonic() < deadline:
            if any(entry["path"].endswith("$batch") for entry in world.lab.journal(service="table")):
                break
            time.sleep(0.05)
        rewrite(world, **other.columns)

    writer = threading.Thread(target=write_when_the_batch_is_on_its_way)
    writer.start()
    made = world.bootstrap()
    writer.join()
    assert made.error_code == "VD-COMPONENT-008", made.text
    rows = world.rows("Schema")
    assert set(rows) == {ROW}
    assert rows[ROW]["instanceId"] == "p7w4m1"


def test_if_the_tables_cannot_be_read_it_is_reported_and_the_run_goes_on(recorded: World) -> None:
    recorded.lab.fault(
        "status", status=403, code="AuthorizationPermissionMismatch", times=0, match={"service": "table"}
    )
    made = run(recorded.lab, import_images.RUNBOOK)
    assert made.error_code != "VD-COMPONENT-008"
    assert "the identity of the instance was not compared" in made.text
    # The second table is not read, because that would only take the retries' time again.
    assert len(made.sent("table", "GET")) == 1
