"""`vibedata preflight` from here: each bad state is found, with the command that repairs it."""

import json
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from runbook_lib.azure.session import AzureSession
from runbook_lib.errors import RunbookError
from runbook_lib.permissions.credentials import USE_WRAPPING_KEY
from runbook_lib.preflight.log_checks import check_rule, check_table
from runbooks.preflight import NEEDED
from tests.support.arm import group, scope_map, send
from tests.support.pushed_release import make_release, push_now
from tests.support.running_lab import LabUnderTest
from tests.support.scripted_server import ScriptedServer, json_answer
from vibedata import cli
from vibedata.preflight.provider_checks import check_providers
from vibedata.preflight.quota_checks import check_quotas
from vibedata.session import open_session

# Besides the permissions: services that answer, their contents, networks, providers, quota, identity, name.
GOOD_ROWS = 8 + 8 + 1 + 4 + 3 + 1 + 1 + 1 + 4


def preflight(capsys: pytest.CaptureFixture[str], *arguments: str, code: int = 0) -> str:
    capsys.readouterr()
    assert cli.main(["preflight", "--only-here", *arguments]) == code, capsys.readouterr()
    return capsys.readouterr().out


def as_json(capsys: pytest.CaptureFixture[str], *, code: int = 0) -> dict[str, Any]:
    told: dict[str, Any] = json.loads(preflight(capsys, "--output", "json", code=code))
    return told


def test_if_all_is_well_it_says_so_and_only_reads(lab: LabUnderTest, capsys: pytest.CaptureFixture[str]) -> None:
    told = as_json(capsys)
    assert (told["status"], told["bad"], told["unknown"]) == ("good", 0, 0), told
    assert told["good"] == GOOD_ROWS + len({f"{each.on}: {each.purpose}" for each in NEEDED})
    assert {row["seen_from"][0] for row in told["rows"]} == {"here"}
    asked = {entry["method"] for entry in lab.journal() if entry["service"] not in ("entra", "identity")}
    assert asked <= {"GET", "HEAD"}


def test_a_resource_that_is_gone_is_reported(lab: LabUnderTest, capsys: pytest.CaptureFixture[str]) -> None:
    lab.control("POST", "/resources", {"delete": ["vibedata-kv"]})
    told = as_json(capsys, code=1)
    assert [(row["code"], row["subject"]) for row in told["rows"] if row["state"] == "bad"] == [
        ("VD-PREFLIGHT-012", "way of a cloud sandbox to the Key Vault")
    ]
    assert {row["subject"].partition(":")[0] for row in told["rows"] if row["state"] == "unknown"} == {"Key Vault"}


@pytest.mark.parametrize(
    ("path", "subjects"),
    [
        ("/providers\\?", {"resource providers"}),
        ("/usages", {"quota of the Automation account"}),
        ("Microsoft.KeyVault/vaults\\?", {"way of a cloud sandbox to the Key Vault"}),
        ("userAssignedIdentities", {"identity of the runbooks", "permissions of the identity"}),
        ("roleAssignments", {f"{each.on}: {each.purpose}" for each in NEEDED}),
        ("denyAssignments", {f"{each.on}: {each.purpose}" for each in NEEDED}),
        ("workspaces/.*/tables", {"table of the log"}),
        ("applicationGateways/vibedata-gateway\\?", {"Application Gateway"}),
        ("ApplicationGatewayWebApplicationFirewallPolicies/vibedata-gateway-waf\\?", {"Application Gateway"}),
        ("/variables/vibedata-address-ranges", {"address ranges"}),
        ("/dnsZones/", {"DNS record of the name"}),
    ],
)
def test_what_must_not_be_read_is_unknown_and_never_good(
    lab: LabUnderTest, capsys: pytest.CaptureFixture[str], path: str, subjects: set[str]
) -> None:
    lab.fault("status", status=403, match={"service": "arm", "path": path}, times=0)
    told = as_json(capsys)
    assert told["status"] == "unknown"
    assert {row["subject"] for row in told["rows"] if row["state"] == "unknown"} == subjects


def test_an_empty_answer_is_unknown(lab: LabUnderTest) -> None:
    with ScriptedServer(lab.directory).running() as arm:
        session = open_session({**lab.env, "VIBEDATA_ARM_ENDPOINT": arm.url})
        for check in (check_providers, check_quotas):
            arm.play(json_answer({"value": []}))
            assert [finding.state for finding in check(session)] == ["unknown"]


@pytest.mark.parametrize("number", ["1" + "0" * 400, "NaN", "-Infinity", "1e400", "true"])
@pytest.mark.parametrize("name", ["currentValue", "limit"])
def test_an_absurd_number_of_minutes_is_an_answer_that_cannot_be_understood(
    lab: LabUnderTest, name: str, number: str
) -> None:
    usage = {"name": {"value": "AutomationJobsUsage"}, "unit": "Minute", "currentValue": 1, "limit": 2, name: "HERE"}
    with ScriptedServer(lab.directory).running() as arm:
        answer = json_answer({"value": [usage]})
        arm.play(replace(answer, body=answer.body.replace(b'"HERE"', number.encode())))
        (finding,) = check_quotas(open_session({**lab.env, "VIBEDATA_ARM_ENDPOINT": arm.url}))
    assert finding.error is not None and finding.error.code == "VD-ARM-001"


@pytest.mark.parametrize(
    ("status", "state"), [(200, "good"), (404, "good"), (500, "unknown"), (502, "unknown"), (503, "unknown")]
)
def test_a_service_that_answers_only_with_an_error_of_its_own_is_not_good(
    lab: LabUnderTest, capsys: pytest.CaptureFixture[str], status: int, state: str
) -> None:
    lab.fault("status", status=status, match={"service": "publisher_api", "path": "^/$"}, times=0)
    rows = as_json(capsys)["rows"]
    row = next(row for row in rows if row["subject"] == "the publisher's API answers")
    assert row["state"] == state
    assert f"status {status}" in row["detail"]


def test_if_nothing_is_published_nobody_has_looked_from_the_sandbox(
    lab: LabUnderTest, capsys: pytest.CaptureFixture[str]
) -> None:
    assert cli.main(["preflight", "--output", "json"]) == 0
    told = json.loads(capsys.readouterr().out)
    assert told["status"] == "unknown"
    (row,) = [row for row in told["rows"] if row["state"] != "good"]
    assert (row["subject"], row["seen_from"]) == ("runbook preflight", ["sandbox"])
    assert "not published yet" in row["detail"]
    assert lab.control("GET", "/jobs")["jobs"] == []


def test_everything_is_found_at_once_and_shown_with_its_line(
    lab: LabUnderTest, capsys: pytest.CaptureFixture[str]
) -> None:
    lab.control("POST", "/rule", {"without": ["Attempts"]})
    lab.control("POST", "/automation/minutes", {"used": 500})
    lab.fault("reset_before", match={"service": "publisher_api"}, times=0)
    lab.fault("status", status=403, match={"service": "key_vault"}, times=0)
    shown = preflight(capsys, code=1)
    assert "VD-PREFLIGHT-005: " in shown and "         az resource update --ids " in shown
    assert "VD-PREFLIGHT-010: " in shown and "         az rest --method patch --url " in shown
    assert "VD-NET-" in shown
    assert "unknown  here  publisher's registry token: " in shown
    assert shown.splitlines()[-1].startswith("preflight: ") and shown.endswith(" 3 bad\n")


def test_a_token_that_does_not_read_all_that_a_release_pins_is_reported(
    lab: LabUnderTest, capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    def token_row(code: int) -> dict[str, Any]:
        rows: list[dict[str, Any]] = as_json(capsys, code=code)["rows"]
        return next(row for row in rows if row["subject"] == "publisher's registry token")

    push_now(lab, make_release(tmp_path / "release"))
    row = token_row(0)
    assert row["state"] == "good" and "repositories of release 2026.11.0" in row["detail"]
    allowed = ["repositories/vibedata/release-manifest/content/read"]
    assert scope_map(lab, "PATCH", {"properties": {"actions": allowed}}).ok
    row = token_row(1)
    assert (row["state"], row["code"]) == ("bad", "VD-REGISTRY-002")
    assert "vibedata/" in row["detail"] and "release-manifest" not in row["detail"]


def test_a_deny_assignment_for_the_identity_is_seen_from_outside(
    lab: LabUnderTest, capsys: pytest.CaptureFixture[str]
) -> None:
    denial = {
        "name": "System deny assignment of a managed application",
        "scope": group(lab),
        "actions": [],
        "data_actions": ["Microsoft.KeyVault/vaults/keys/*"],
        "excluded": [],
    }
    lab.control("POST", "/authorization", {"judged": "nobody", "denials": [denial]})
    told = as_json(capsys, code=1)
    (row,) = [row for row in told["rows"] if row["state"] == "bad"]
    assert (row["code"], row["subject"]) == ("VD-PREFLIGHT-002", f"Key Vault: {USE_WRAPPING_KEY.purpose}")
    assert "System deny assignment of a managed application" in row["detail"]


def test_nobody_to_trust_is_reported(
    lab: LabUnderTest, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    assert lab.pid
    monkeypatch.setenv("VIBEDATA_TRUST_ROOTS", "")
    rows = as_json(capsys, code=1)["rows"]
    assert [(row["subject"], row["code"]) for row in rows if row["state"] == "bad"] == [("trust root", "VD-TRUST-030")]


@pytest.mark.parametrize(
    ("change", "check", "told"),
    [
        ({"dataFlows": []}, check_rule, "no data flow leads from it to the table VibeData_Operations_CL"),
        ({"dataFlows": [{"streams": 7}, None]}, check_rule, "no data flow leads from it"),
        ({"streamDeclarations": {}}, check_rule, "it has no columns"),
        ({"destinations": {}}, check_table, "it writes to no workspace of the managed resource group"),
        (
            {"destinations": {"logAnalytics": [{"workspaceResourceId": "/subscriptions/other/x"}]}},
            check_table,
            "it writes to no workspace of the managed resource group",
        ),
    ],
)
def test_a_rule_that_leads_elsewhere_is_reported(
    lab: LabUnderTest, change: dict[str, Any], check: Callable[[AzureSession], str], told: str
) -> None:
    listing = f"{group(lab)}/providers/Microsoft.Insights/dataCollectionRules?api-version=2024-03-11"
    rules = send(lab, listing).json()
    rules["value"][0]["properties"].update(change)
    with ScriptedServer(lab.directory).running() as arm:
        arm.play(json_answer(rules))
        with pytest.raises(RunbookError, match="VD-PREFLIGHT-005") as caught:
            check(open_session({**lab.env, "VIBEDATA_ARM_ENDPOINT": arm.url}))
    assert told in caught.value.message
