"""The build refuses a definition if the runbooks could not use the result."""

import json
from dataclasses import asdict
from datetime import datetime, timezone
from typing import Any

import pytest

from oci.layout.writer import canonical
from oci.release.definition import BuiltRunbook, manifest_of, parse_definition
from runbook_lib.basics.digest import digest_of
from runbook_lib.errors import RunbookError

APP = {"name": "app", "type": "application", "version": "1", "resource_type": "Microsoft.App/containerApps"}
RUNBOOK = BuiltRunbook(name="one", digest=f"sha256:{1:064x}", script_sha256=f"{2:064x}")
CREATED = datetime(2026, 11, 1, tzinfo=timezone.utc)


def text(*components: dict[str, Any], **fields: Any) -> bytes:
    definition = {
        "version": "2026.11.0",
        "channel": "stable",
        "valid_days": 30,
        "images": [],
        "components": list(components),
        "policies": {"networkRetryPolicies": {"max_retries": 3, "delay_seconds": 2}},
    }
    return json.dumps({**definition, **fields}).encode()


def made(content: bytes) -> bytes:
    definition = parse_definition(content)
    digest = f"sha256:{3:064x}"
    return manifest_of(definition, created_at=CREATED, runbooks=[RUNBOOK], packages_digest=digest, documents=[])


def refusal(content: bytes) -> str:
    with pytest.raises(RunbookError) as caught:
        made(content)
    assert caught.value.code == "VD-BUILD-001"
    return caught.value.message


@pytest.mark.parametrize(
    ("health", "resource"),
    [
        ({"kind": "http", "path": "/healthz", "expected_status": 204}, {}),
        ({"kind": "tcp", "timeout_seconds": 5}, {"resource_type": "microsoft.web/SITES"}),
        ({"kind": "arm"}, {"resource_type": "Microsoft.Sql/servers/databases", "resource_name": "one/two"}),
        ({"kind": "arm"}, {"type": "runbook", "artifact": "one", "resource_type": None}),
        ({"kind": "none"}, {"resource_type": None}),
    ],
)
def test_what_can_be_probed_is_taken(health: dict[str, Any], resource: dict[str, Any]) -> None:
    assert made(text({**APP, **resource, "health": health}))


@pytest.mark.parametrize(
    ("changed", "said"),
    [
        ({"health": {"kind": "http", "path": "healthz"}}, "health.path takes a text"),
        ({"health": {"kind": "http", "path": "/healthz#ready"}}, "health.path takes a text"),
        ({"health": {"kind": "http", "path": "https://app.example/healthz"}}, "health.path takes a text"),
        ({"health": {"kind": "http", "expected_status": 102}}, "expected_status takes a whole number from 200"),
        ({"health": {"kind": "http"}, "resource_type": None}, "a resource of no type with an address"),
        ({"health": {"kind": "tcp"}, "resource_type": "Microsoft.KeyVault/vaults"}, "no type with an address"),
        ({"health": {"kind": "arm"}, "resource_type": None}, "health kind arm, and no resource"),
        ({"health": {"kind": "arm", "path": "/healthz"}}, "which health kind arm does not use"),
        ({"health": {"kind": "tcp", "expected_status": 200}}, "which health kind tcp does not use"),
        ({"resource_name": "one/two"}, "has 2 for resource type Microsoft.App/containerApps, which takes 1"),
        ({"resource_type": "Microsoft.Sql/servers/databases"}, "which takes 2"),
    ],
)
def test_what_cannot_be_probed_or_found_is_refused(changed: dict[str, Any], said: str) -> None:
    assert said in refusal(text({**APP, **changed}))


def test_two_components_of_one_resource_are_refused() -> None:
    assert "VD-COMPONENT-002" in refusal(text(APP, {**APP, "name": "second", "resource_name": "APP"}))


def test_a_policy_that_runbooks_do_not_obey_is_refused() -> None:
    for delay in (0, 61, -1, True, "2"):
        policies = {"networkRetryPolicies": {"max_retries": 3, "delay_seconds": delay}}
        assert "delay_seconds takes a number over 0" in refusal(text(policies=policies))


@pytest.mark.parametrize("number", ["2", "2.0", "20e-1", "2E0", "0.2e1", "200e-2"])
def test_equal_definitions_give_equal_releases(number: str) -> None:
    plain = text(APP).decode()
    written = plain.replace('"delay_seconds": 2', f'"delay_seconds": {number}').replace(": 3,", ": 3.0,")
    written = written.replace('"valid_days": 30', '"valid_days": 3e1')
    assert json.loads(written) == json.loads(plain)
    assert made(written.encode()) == made(plain.encode())
    definitions = {digest_of(canonical(asdict(parse_definition(each.encode())))) for each in (written, plain)}
    assert len(definitions) == 1


def test_numbers_have_one_form() -> None:
    assert canonical([1.0, -0.0, 1e15, 0.5, 5e-1, 1.5e-7, True]) == b"[1,0,1000000000000000,0.5,0.5,1.5e-07,true]"
    with pytest.raises(ValueError, match="not JSON compliant"):
        canonical(float("nan"))


@pytest.mark.parametrize("days", ["30.5", "0", "3661", "true", '"30"', "1e999", "1" * 400])
def test_days_are_a_whole_number_within_bounds(days: str) -> None:
    refusal(text().replace(b'"valid_days": 30', f'"valid_days": {days}'.encode()))


@pytest.mark.parametrize("depth", [300, 450, 500, 700, 900, 990, 100_000])
def test_what_is_nested_deeply_is_refused_with_its_code(depth: int) -> None:
    nested = b'"images": ' + b"[" * depth + b"]" * depth
    refusal(text().replace(b'"images": []', nested))


def test_a_field_that_does_not_show_is_shown() -> None:
    assert r"'ver\xadsion'" in refusal(text(**{"ver\u00adsion": 1}))
