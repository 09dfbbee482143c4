"""Things that a bootstrap refuses before it writes anything."""

import pytest
from azure.core.exceptions import HttpResponseError

from runbook_lib.component_registry.schema import SCHEMA_VERSION
from tests.support.bootstrap_rig import World, component, table_writes


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


def test_a_malformed_version_is_a_bad_parameter(world: World) -> None:
    made = world.bootstrap(release_version="newest")
    assert (made.exit_code, made.error_code) == (2, "VD-PARAM-002")


def test_without_a_role_on_the_tables_the_refusal_is_named(world: World) -> None:
    world.install(component("studio"))
    world.lab.fault("status", status=403, code="AuthorizationPermissionMismatch", times=0, match={"service": "table"})
    made = world.bootstrap()
    assert made.error_code == "VD-NET-003"
    world.lab.clear_faults()
    with pytest.raises(HttpResponseError):
        world.rows("Components")
