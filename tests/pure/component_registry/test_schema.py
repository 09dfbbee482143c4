"""What the component registry holds and how it is cut into batches, within Table Storage's limits: pure functions."""

import json
from datetime import datetime, timedelta, timezone
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from runbook_lib.component_registry import schema as component_registry
from runbook_lib.component_registry.claims import RUNBOOKS, Claim, claims, found
from runbook_lib.component_registry.endpoints import endpoint_of
from runbook_lib.component_registry.managed_resources import Resource
from runbook_lib.component_registry.registered import registered_component
from runbook_lib.component_registry.rows import (
    GONE_RESOURCE,
    component_row,
    gone,
    resource_rows,
    retry_policy_row,
    schema_row,
)
from runbook_lib.component_registry.schema import (
    COMPONENTS,
    CUT_MARK,
    MAX_BATCH_BYTES,
    RESOURCES,
    Batch,
    Recorded,
    Row,
    batches,
    changed,
    check_schema,
    digest_of_columns,
    fit,
    key_of,
)
from runbook_lib.errors import RunbookError
from runbook_lib.release.model import ReleaseManifest
from runbook_lib.vault.credential_states import secret_state
from tests.support.component_maker import APP, IMAGE, VERSION, component, manifest, resource

OTHER = "sha256:" + "b" * 64
NOW = datetime(2026, 11, 23, tzinfo=timezone.utc)


def claimed(release: ReleaseManifest, *resources: Resource) -> tuple[Claim, ...]:
    return claims(release, resources, automation_account="auto")


def refusal(release: ReleaseManifest, *resources: Resource) -> RunbookError:
    with pytest.raises(RunbookError) as caught:
        claimed(release, *resources)
    return caught.value


def row(name: str, partition: str = "p", *, table: str = RESOURCES, **columns: Any) -> Row:
    return Row(table=table, partition=partition, name=name, columns=columns or {"state": "registered"})


def recorded(rows: list[Row]) -> dict[tuple[str, str], Recorded]:
    return {
        each.key: Recorded(
            etag="e",
            state="registered",
            content=digest_of_columns(each.columns, component_registry.COLUMNS[each.table]),
        )
        for each in rows
    }


# --- Keys and texts ---------------------------------------------------------------------------------------------------


def test_a_key_holds_nothing_that_table_storage_refuses() -> None:
    assert key_of("Microsoft.App/containerApps") == "Microsoft.App|containerApps"
    assert key_of("zone.net/link one") == "zone.net|link one"
    assert key_of("a\\b#c?d|e~f\n") == "a~5c.b~23.c~3f.d~7c.e~7e.f~a."


@given(st.text(), st.text())
def test_keys_are_ascii_and_no_two_names_have_the_same(one: str, other: str) -> None:
    key = key_of(one)
    assert key.isascii() and key.isprintable() and not set(key) & set("/\\#?")
    assert (key == key_of(other)) == (one == other)


@given(st.text(st.characters(), max_size=50))
def test_a_text_that_fits_stays_and_can_be_encoded(text: str) -> None:
    fit(text).encode()
    if not any("\ud800" <= character <= "\udfff" for character in text):
        assert fit(text) == text


@pytest.mark.parametrize("character", ["x", "é", "😀"])
def test_a_text_over_64_kib_is_cut_and_says_so(character: str) -> None:
    cut = fit(character * 70_000)
    assert cut.endswith(CUT_MARK)
    assert len(cut.encode("utf-16-le")) <= 64 * 1024


# --- Batches ----------------------------------------------------------------------------------------------------------


def test_a_batch_has_one_partition_of_one_table_and_at_most_100_rows() -> None:
    rows = [row(f"{number:04}", partition) for number in range(250) for partition in ("a", "b")]
    made = batches([*rows, row("x", "a", table=COMPONENTS)])
    assert [(each.target, len(each.rows)) for each in made] == [
        ("Components a 1/1", 1),
        ("Resources a 1/3", 100),
        ("Resources a 2/3", 100),
        ("Resources a 3/3", 50),
        ("Resources b 1/3", 100),
        ("Resources b 2/3", 100),
        ("Resources b 3/3", 50),
    ]
    for each in made:
        assert {one.partition for one in each.rows} == {each.partition}
        assert [one.name for one in each.rows] == sorted(one.name for one in each.rows)


def test_a_batch_has_at_most_4_mib() -> None:
    rows = [row(f"{number:03}", **{f"c{part}": "é" * 30_000 for part in range(4)}) for number in range(20)]
    made = batches(rows)
    assert sum(len(each.rows) for each in made) == 20
    for each in made:
        assert sum(len(json.dumps(one.columns)) for one in each.rows) < MAX_BATCH_BYTES
    assert len(made) > 1


def test_an_entity_over_1_mib_and_a_key_over_1024_characters_are_refused() -> None:
    large = row("a", **{f"c{number}": "x" * 32_000 for number in range(17)})
    for refused in (large, row("n" * 1025), row("n", "p" * 1025)):
        with pytest.raises(RunbookError) as caught:
            batches([refused])
        assert caught.value.code == "VD-COMPONENT-004"
    assert batches([row("n" * 1024)])


def test_an_equal_row_is_not_written_and_a_changed_one_is() -> None:
    rows = list(resource_rows([resource("a"), resource("b")], []))
    assert list(changed(rows, recorded(rows))) == []
    moved = list(resource_rows([resource("a", location="northeurope"), resource("b")], []))
    assert [each.name for each in changed(moved, recorded(rows))] == ["a"]
    assert [each.name for each in changed(rows, recorded(rows[:1]))] == ["b"]


def test_what_is_no_longer_there_is_marked_once() -> None:
    rows = list(resource_rows([resource("a"), resource("b")], []))
    (marked,) = gone(RESOURCES, recorded(rows), [rows[0].key], GONE_RESOURCE)
    assert (marked.name, marked.columns) == ("b", {"state": "vanished"})
    known = {rows[1].key: Recorded(etag="e", state="vanished")}
    assert list(gone(RESOURCES, known, [], GONE_RESOURCE)) == []


def test_a_key_keeps_its_spelling_whatever_the_case_of_the_listing() -> None:
    rows = list(resource_rows([resource("App")], []))
    spelled = resource("aPP", "microsoft.app/CONTAINERAPPS")
    other = resource("new", "MICROSOFT.App/containerApps")
    again = list(resource_rows([spelled, other], [each.key for each in rows]))
    assert [each.key for each in again] == [
        ("Microsoft.App|containerApps", "App"),
        ("Microsoft.App|containerApps", "new"),
    ]


def test_what_is_seen_equals_what_is_wanted_only_when_every_column_does() -> None:
    batch = Batch(target="t", rows=(row("a", x="1", state="registered"), row("b", x="2", state="registered")))
    entities: dict[str, dict[str, object]] = {each.name: dict(each.columns) for each in batch.rows}
    assert batch.seen({}) is None
    assert batch.seen(entities) == batch.wanted
    assert batch.seen({name: {**entity, "health": "healthy"} for name, entity in entities.items()}) == batch.wanted
    assert batch.seen({"a": entities["a"]}) != batch.wanted
    entities["b"]["x"] = "3"
    assert batch.seen(entities) != batch.wanted
    assert [each.name for each in batch.unlike(entities)] == ["b"]


# --- Schema -----------------------------------------------------------------------------------------------------------


def test_a_newer_schema_is_refused_and_an_older_one_is_not() -> None:
    check_schema(schema_row().columns)
    check_schema({"schemaVersion": 0})
    for version in (component_registry.SCHEMA_VERSION + 1, "1", None):
        with pytest.raises(RunbookError) as caught:
            check_schema({"schemaVersion": version})
        assert caught.value.code == "VD-COMPONENT-003"


# --- Components and their resources -----------------------------------------------------------------------------------


def test_a_component_claims_its_resource_by_type_and_name_without_case() -> None:
    release = manifest(component("studio", artifact="studio", resource_name="STUDIO", resource_type=APP.lower()))
    (claim,) = claimed(release, resource("studio"), resource("other"))
    assert claim.resource == resource("studio")
    assert claim.pin is not None and claim.pin.digest == IMAGE


def test_without_a_name_its_own_counts_and_without_a_type_there_is_no_resource() -> None:
    release = manifest(component("studio", resource_name=None), component("idea", resource_type=None))
    studio, idea = claimed(release, resource("studio"))
    assert studio.resource == resource("studio")
    assert idea.resource is None
    columns = component_row(idea, found(idea, {}, "")).columns
    assert (columns["resourceId"], columns["endpoint"], columns["drift"]) == ("", "", "")


def test_all_that_is_lacking_is_told_at_once() -> None:
    release = manifest(*(component(f"c{number}") for number in range(5)))
    error = refusal(release, resource("c3"))
    assert error.code == "VD-COMPONENT-001"
    for number in (0, 1, 2, 4):
        assert f"{APP} c{number} (c{number})" in error.message
    assert "(c3)" not in error.message


def test_a_resource_that_is_named_twice_is_refused_before_all() -> None:
    release = manifest(component("one", resource_name="same"), component("two", resource_name="SAME"))
    error = refusal(release)
    assert error.code == "VD-COMPONENT-002"
    assert "one and two" in error.message


def test_every_runbook_is_a_component_but_an_optional_one_that_is_not_published() -> None:
    pins = [
        {
            "name": name,
            "repository": f"vibedata/runbooks/{name}",
            "tag": VERSION,
            "digest": IMAGE,
            "script_sha256": "c" * 64,
            "mandatory": name != "optional",
        }
        for name in ("named", "unnamed", "optional")
    ]
    own = component("the-named", type="runbook", artifact="named", resource_type=None, resource_name=None)
    release = manifest(own, runbooks=pins)
    there = [resource(f"auto/{name}", RUNBOOKS) for name in ("named", "unnamed")]
    assert [each.component.name for each in claimed(release, *there)] == ["the-named", "unnamed"]
    with_optional = claimed(release, *there, resource("auto/optional", RUNBOOKS))
    assert [each.component.name for each in with_optional] == ["the-named", "unnamed", "optional"]
    assert "unnamed" in refusal(release, there[0]).message
    same, other, never = (found(with_optional[1], {}, text) for text in ("c" * 64, "d" * 64, ""))
    assert (same.version, same.drift) == (VERSION, "")
    assert other.version == "sha256:" + "d" * 64 and VERSION in other.drift
    assert (never.version, never.drift) == ("", "")


HOST = "vibedataacr.azurecr.io"


@pytest.mark.parametrize(
    ("image", "version"),
    [
        (f"{HOST}/vibedata/studio:{VERSION}", VERSION),
        (f"{HOST}/vibedata/studio@{IMAGE}", VERSION),
        (f"127.0.0.1:5000/vibedata/studio:{VERSION}@{IMAGE}", VERSION),
        (f"{HOST}/vibedata/studio:2026.10.0", "2026.10.0"),
        (f"{HOST}/vibedata/studio@{OTHER}", OTHER),
        (f"{HOST}/vibedata/studio:{VERSION}@{OTHER}", OTHER),
        (f"{HOST}/vibedata/studio", "latest"),
        ("mcr.microsoft.com/k8se/quickstart:latest", "mcr.microsoft.com/k8se/quickstart:latest"),
    ],
)
def test_a_container_apps_version_is_its_images(image: str, version: str) -> None:
    (claim,) = claimed(manifest(component("studio", artifact="studio")), resource("studio"))
    helper = {"image": f"{HOST}/others/proxy:9"}
    properties = {"template": {"containers": [{"image": image}, helper]}}
    there = found(claim, properties, "")
    assert there.version == version
    assert there.drift == ("" if version == VERSION else f"the release has {VERSION}, {version} is there")


@pytest.mark.parametrize("properties", [{}, {"template": None}, {"template": {"containers": [{}, "x"]}}])
def test_what_cannot_be_found_out_is_no_drift(properties: dict[str, Any]) -> None:
    (claim,) = claimed(manifest(component("studio", artifact="studio")), resource("studio"))
    assert (found(claim, properties, "").version, found(claim, properties, "").drift) == ("", "")


def test_another_resources_version_is_its_tag() -> None:
    release = manifest(component("vault", type="infrastructure", resource_type="Microsoft.KeyVault/vaults"))
    for version, drifts in (("", False), (VERSION, False), ("1", True)):
        (claim,) = claimed(release, resource("vault", "Microsoft.KeyVault/vaults", version=version))
        there = found(claim, {}, "")
        assert (there.version, bool(there.drift)) == (version, drifts)


def test_a_component_is_read_back_as_it_was_recorded() -> None:
    health = {"kind": "http", "path": "/healthz", "expected_status": 200, "timeout_seconds": 5}
    release = manifest(
        component("studio", artifact="studio", depends_on=["api"], health=health), component("api", resource_type=None)
    )
    (studio, _) = claimed(release, resource("studio"))
    properties = {"configuration": {"ingress": {"fqdn": "studio.example.net"}}}
    made = component_row(studio, found(studio, properties, ""))
    entity = {"PartitionKey": made.partition, "RowKey": made.name, **made.columns, **made.at_first}
    read = registered_component(entity)
    assert (read.type, read.name, read.version, entity["artifactDigest"]) == ("application", "studio", VERSION, IMAGE)
    assert (read.endpoint, read.depends_on, read.state) == ("https://studio.example.net", ("api",), "registered")
    assert (read.health, read.health_reason, entity["healthStreak"]) == ("unknown", "not probed yet", 0)
    assert (read.health_kind, read.health_path, read.health_expected_status, read.health_timeout_seconds) == (
        "http",
        "/healthz",
        200,
        5,
    )


def test_an_entity_of_somebody_else_is_read_without_harm() -> None:
    read = registered_component(
        {"PartitionKey": "agent", "RowKey": "x", "dependsOn": "{", "healthTimeoutSeconds": "many"}
    )
    assert (read.depends_on, read.health, read.health_timeout_seconds, read.endpoint) == ((), "unknown", 0, "")


def test_the_policy_is_recorded_as_the_network_policy_reads_it() -> None:
    made = retry_policy_row(manifest())
    assert (made.table, made.partition, made.name) == ("Policies", "policy", "networkRetryPolicies")
    assert made.columns == {"max_retries": 3, "delay_seconds": 2.0}
    assert isinstance(made.columns["delay_seconds"], float)


# --- Endpoints and credentials ----------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("kind", "properties", "endpoint"),
    [
        (APP, {"configuration": {"ingress": {"fqdn": "a.example.net"}}}, "https://a.example.net"),
        (APP.upper(), {"configuration": {"ingress": {"fqdn": "127.0.0.1:8443"}}}, "https://127.0.0.1:8443"),
        (APP, {"configuration": {"ingress": None}}, ""),
        (APP, {"configuration": {"ingress": {"fqdn": "a.net/path@evil"}}}, ""),
        (APP, {"configuration": {"ingress": {"fqdn": "user@evil.net"}}}, ""),
        (APP, {"configuration": {"ingress": {"fqdn": "a.net?x"}}}, ""),
        (APP, {"configuration": {"ingress": {"fqdn": "a.net\nb"}}}, ""),
        (APP, {"configuration": {"ingress": {"fqdn": 7}}}, ""),
        (APP, {"defaultHostName": "a.net"}, ""),
        ("Microsoft.Web/sites", {"defaultHostName": "f.azurewebsites.net"}, "https://f.azurewebsites.net"),
        ("Microsoft.KeyVault/vaults", {"vaultUri": "https://v.vault.azure.net/"}, ""),
    ],
)
def test_an_endpoint_is_a_host_that_the_resource_itself_names(
    kind: str, properties: dict[str, Any], endpoint: str
) -> None:
    assert endpoint_of(kind, properties) == endpoint


def test_a_credentials_state_is_what_it_is_good_for_now() -> None:
    hour = timedelta(hours=1)
    assert secret_state(enabled=True, not_before=None, expires=None, now=NOW) == "enabled"
    assert secret_state(enabled=True, not_before=NOW, expires=NOW + hour, now=NOW) == "enabled"
    assert secret_state(enabled=True, not_before=NOW + hour, expires=None, now=NOW) == "not yet valid"
    assert secret_state(enabled=True, not_before=None, expires=NOW, now=NOW) == "expired"
    assert secret_state(enabled=False, not_before=None, expires=NOW, now=NOW) == "disabled"
