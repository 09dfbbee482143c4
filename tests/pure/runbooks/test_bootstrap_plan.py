"""The plan of bootstrap_registry, as a pure function of facts."""

import dataclasses
from collections.abc import Mapping
from typing import Any

from runbook_lib.component_registry.claims import Claim, Found, claims, found
from runbook_lib.component_registry.identity import Identity
from runbook_lib.component_registry.managed_resources import Resource
from runbook_lib.component_registry.schema import (
    COLUMNS,
    COMPONENTS,
    RELEASES,
    RESOURCES,
    SCHEMA,
    TABLES,
    Key,
    Recorded,
    digest_of_columns,
)
from runbook_lib.component_registry.tables import ComponentTables
from runbook_lib.rotation.credentials import FoundCredential
from runbook_lib.rotation.versions import Secret, VaultFacts
from runbook_lib.vault.credential_states import CredentialState
from runbooks.bootstrap_registry import Facts, plan, report
from tests.support.component_maker import component, manifest, resource

# The plan never uses them.
UNTOUCHED: Any = ComponentTables.__new__(ComponentTables)
CREDENTIAL = CredentialState(kind="registry-token", id="publisher-acr-token", state="enabled")
NO_VERSION = VaultFacts(current=Secret(), pending=Secret())


def facts(*resources: Resource, recorded: Mapping[str, Mapping[Key, Recorded]] | None = None, **fields: Any) -> Facts:
    release = manifest(component("studio", artifact="studio"))
    claimed = claims(release, [*resources, resource("studio")], automation_account="auto")
    made = Facts(
        manifest=release,
        release_digest="sha256:" + "f" * 64,
        identity=Identity(instance_id="k3v9x2", subscription_id="s", resource_group="g"),
        resources=[*resources, resource("studio")],
        components=[(claim, found(claim, {}, "")) for claim in claimed],
        credentials=(FoundCredential(state=CREDENTIAL, versions=NO_VERSION),),
        recorded=recorded or {},
        tables=UNTOUCHED,
    )
    return dataclasses.replace(made, **fields)


def as_recorded(known: Facts) -> dict[str, dict[Key, Recorded]]:
    """Return the content of the tables after everything in `known` is written."""
    tables: dict[str, dict[Key, Recorded]] = {table: {} for table in TABLES}
    for batch in known.batches:
        for row in batch.rows:
            content = digest_of_columns(row.columns, COLUMNS[row.table])
            state = str(row.columns.get("state", ""))
            tables[row.table][row.key] = Recorded(etag="e", state=state, content=content)
    return tables


def test_a_first_run_makes_tables_then_the_schema_then_everything_else() -> None:
    planned = plan(facts())
    assert [(change.stage, change.target) for change in planned.changes if change.stage < 3] == [
        *((1, f"table {table}") for table in TABLES),
        (2, "Schema schema 1/1"),
    ]
    assert sorted(change.target for change in planned.changes if change.stage == 3) == [
        "Components application 1/1",
        "Credentials registry-token 1/1",
        "Policies policy 1/1",
        "Releases release 1/1",
        "Resources Microsoft.App|containerApps 1/1",
    ]
    assert {change.before for change in planned.changes} == {None}
    assert planned.unchanged == ()


def test_a_rerun_has_nothing_to_do() -> None:
    planned = plan(facts(recorded=as_recorded(facts())))
    assert planned.changes == ()
    assert [item.target for item in planned.unchanged] == list(TABLES)


def test_a_table_that_is_missing_is_made_and_filled() -> None:
    recorded = as_recorded(facts())
    del recorded[RESOURCES]
    assert [change.target for change in plan(facts(recorded=recorded)).changes] == [
        "table Resources",
        "Resources Microsoft.App|containerApps 1/1",
    ]


def test_an_older_schema_is_taken_forward() -> None:
    recorded = as_recorded(facts())
    key = next(iter(recorded[SCHEMA]))
    recorded[SCHEMA][key] = Recorded(
        etag="e", state="", content=digest_of_columns({"schemaVersion": 0}, COLUMNS[SCHEMA])
    )
    (change,) = plan(facts(recorded=recorded)).changes
    assert (change.stage, change.target, change.before) == (2, "Schema schema 1/1", "1 rows")


def test_what_vanished_is_marked_and_what_comes_back_is_registered_again() -> None:
    before = as_recorded(facts(resource("old")))
    without = facts(recorded=before)
    (change,) = plan(without).changes
    assert (change.target, change.before) == ("Resources Microsoft.App|containerApps 1/1", "1 rows")
    (row,) = change.subject.rows
    assert (row.name, row.columns) == ("old", {"state": "vanished"})
    assert report(without, ())["vanished"] == ["Resources Microsoft.App|containerApps old"]
    marked = as_recorded(facts())
    marked[RESOURCES][row.key] = Recorded(etag="e", state="vanished")
    assert plan(facts(recorded=marked)).changes == ()
    back = facts(resource("old"), recorded=marked)
    assert [each.name for batch in back.batches for each in batch.rows] == ["old"]


def test_a_component_that_the_release_no_longer_has_is_marked_with_its_health() -> None:
    recorded = as_recorded(facts())
    gone = Recorded(etag="e", state="registered")
    recorded[COMPONENTS]["agent", "former"] = gone
    known = facts(recorded=recorded)
    (change,) = plan(known).changes
    (row,) = change.subject.rows
    assert (row.partition, row.columns["state"], row.columns["health"]) == ("agent", "vanished", "unknown")


def test_another_release_makes_the_one_before_a_former_one() -> None:
    recorded = as_recorded(facts())
    recorded[RELEASES]["release", "2026.10.0"] = Recorded(etag="e", state="current")
    known = facts(recorded=recorded)
    (change,) = plan(known).changes
    (row,) = change.subject.rows
    assert (row.name, row.columns) == ("2026.10.0", {"state": "former"})
    recorded[RELEASES]["release", "2026.10.0"] = Recorded(etag="e", state="former")
    assert plan(facts(recorded=recorded)).changes == ()


def test_ten_thousand_resources_are_a_hundred_batches_and_one_that_changed_is_one() -> None:
    many = [resource(f"r{number:05}") for number in range(10_000)]
    first = facts(*many)
    assert sum(batch.table == RESOURCES for batch in first.batches) == 101
    many[7] = resource("r00007", location="northeurope")
    (change,) = plan(facts(*many, recorded=as_recorded(first))).changes
    assert change.after.startswith("1 rows, sha256:")


def test_the_report_names_drift_and_credentials() -> None:
    (claim,) = (claim for claim, _ in facts().components)
    drifted: tuple[tuple[Claim, Found], ...] = ((claim, Found(endpoint="", version="1", drift="another one is there")),)
    expired = FoundCredential(state=dataclasses.replace(CREDENTIAL, state="expired"), versions=NO_VERSION)
    assert report(facts(components=drifted, credentials=(expired,)), ()) == {
        "release": "2026.11.0",
        "resources": 1,
        "components": 1,
        "drift": ["studio: another one is there"],
        "vanished": [],
        "credentials": ["publisher-acr-token: expired"],
    }
