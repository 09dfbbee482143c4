"""`vibedata preflight` finds each bad state.

The command that it prints repairs the state, when the Azure CLI runs it.
"""

import json
import os
from collections.abc import Callable, Iterator, Sequence
from typing import Any

import pytest
from azure.identity import ManagedIdentityCredential
from azure.keyvault.secrets import SecretClient
from azure.storage.blob import BlobServiceClient

from runbook_lib.azure.settings import load
from tests.support.azure_cli import AzureCli, azure_cli
from tests.support.running_lab import LabUnderTest
from vibedata import cli
from vibedata.preflight.shell_line import lines_of, may_be_shown

pytestmark = pytest.mark.slow  # each line of the CLI takes a second or two
GROUP = "/subscriptions/$VIBEDATA_SUBSCRIPTION_ID/resourceGroups/vibedata-managed"
ACCOUNT = f"{GROUP}/providers/Microsoft.Automation/automationAccounts/vibedata-automation"
STORAGE = f"{GROUP}/providers/Microsoft.Storage/storageAccounts/vibedatastorage"
TABLE = (
    f"{GROUP}/providers/Microsoft.OperationalInsights/workspaces/vibedata-logs/tables/VibeData_Operations_CL"
    "?api-version=2025-07-01"
)


@pytest.fixture(scope="module")
def logged_in(lab: LabUnderTest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[AzureCli]:
    with azure_cli(lab, tmp_path_factory.mktemp("azure-cli-lines")) as opened:
        for line in (
            "az cloud register --name lab --endpoint-resource-manager $VIBEDATA_ARM_ENDPOINT",
            "az cloud set --name lab",
            "az login --identity --client-id $VIBEDATA_UAMI_CLIENT_ID",
        ):
            answer = opened.run(line)
            assert answer.code == 0, answer.err
        yield opened


@pytest.fixture
def az(logged_in: AzureCli) -> Iterator[AzureCli]:
    """The CLI, which must not have tried to leave this machine."""
    yield logged_in
    assert logged_in.refused() == []


def type_in(az: AzureCli, line: str) -> None:
    answer = az.run(line)
    assert answer.code == 0, f"{line}\n{answer.err}"


def bad_rows(capsys: pytest.CaptureFixture[str]) -> list[dict[str, Any]]:
    capsys.readouterr()
    code = cli.main(["preflight", "--only-here", "--output", "json"])
    told = json.loads(capsys.readouterr().out)
    rows = [row for row in told["rows"] if row["state"] == "bad"]
    assert code == (1 if rows else 0), told
    settings = load({}, os.environ, None)
    commands = {line.partition(" --")[0] for line in lines_of(settings) if line}
    of_job = [row["line"] for row in rows if row["line"].partition(" --")[0] in commands]
    assert all(may_be_shown(line, settings) for line in of_job), "the job of the preflight prints the same lines"
    return rows


@pytest.mark.parametrize(
    ("harm", "codes"),
    [
        pytest.param(
            ["az storage account update --ids {storage} --public-network-access Disabled"],
            ["VD-PREFLIGHT-007"],
            id="storage whose public network access is disabled",
        ),
        pytest.param(
            ["az storage account update --ids {storage} --default-action Deny"],
            ["VD-PREFLIGHT-007"],
            id="storage with a firewall",
        ),
        pytest.param(
            ["az keyvault update --name vibedata-kv --public-network-access Disabled"],
            ["VD-PREFLIGHT-007"],
            id="vault whose public network access is disabled",
        ),
        pytest.param(
            ["az acr update --name vibedataacr --public-network-enabled false"],
            ["VD-PREFLIGHT-007"],
            id="container registry whose public network access is disabled",
        ),
        pytest.param(
            ["az provider unregister --namespace Microsoft.Storage", "az provider unregister -n Microsoft.KeyVault"],
            ["VD-PREFLIGHT-009", "VD-PREFLIGHT-009"],
            id="providers that are not registered",
        ),
        pytest.param([f"az rest --method delete --url '{TABLE}'"], ["VD-PREFLIGHT-011"], id="log without its table"),
        pytest.param(
            [f"az rest --method put --url '{TABLE}' --body {{one_column}}"],
            ["VD-PREFLIGHT-011"],
            id="log whose table lacks columns",
        ),
        pytest.param(
            [f"az rest --method patch --url '{ACCOUNT}?api-version=2024-10-23' --body {{no_identity}}"],
            ["VD-PREFLIGHT-008"],
            id="account without the identity",
        ),
        pytest.param(
            [
                "az role assignment delete --assignee-object-id {principal} --scope {storage}"
                " --role 'Storage Table Data Contributor'"
            ],
            ["VD-PREFLIGHT-001", "VD-PREFLIGHT-001", "VD-PREFLIGHT-001"],
            id="identity without a role",
        ),
    ],
)
def test_a_state_that_the_cli_makes_is_found_and_mended(
    az: AzureCli, lab: LabUnderTest, capsys: pytest.CaptureFixture[str], harm: Sequence[str], codes: Sequence[str]
) -> None:
    values = {
        "storage": az.arguments(f"az {STORAGE}")[0],
        "principal": lab.control("GET", "/names")["uami_principal_id"],
        "no_identity": json.dumps({"identity": {"type": "None"}}),
        "one_column": json.dumps(
            {"properties": {"schema": {"columns": [{"name": "TimeGenerated", "type": "dateTime"}]}}}
        ),
    }
    for line in harm:
        answer = az.run(line, **values)
        assert answer.code == 0, f"{line}\n{answer.err}"
    rows = bad_rows(capsys)
    assert [row["code"] for row in rows] == list(codes), rows
    for line in dict.fromkeys(row["line"] for row in reversed(rows)):  # a container before its policy
        type_in(az, line)
    assert bad_rows(capsys) == []


def without_container(lab: LabUnderTest, blobs: BlobServiceClient, secrets: SecretClient) -> None:  # noqa: ARG001
    blobs.delete_container("artifacts")


def disabled_token(lab: LabUnderTest, blobs: BlobServiceClient, secrets: SecretClient) -> None:  # noqa: ARG001
    secrets.update_secret_properties("publisher-acr-token", enabled=False)


def deleted_token(lab: LabUnderTest, blobs: BlobServiceClient, secrets: SecretClient) -> None:  # noqa: ARG001
    secrets.begin_delete_secret("publisher-acr-token").wait()


def deleted_key(lab: LabUnderTest, blobs: BlobServiceClient, secrets: SecretClient) -> None:  # noqa: ARG001
    secrets.set_secret("hmac-key", "x")
    secrets.begin_delete_secret("hmac-key").wait()


def rule_without_columns(lab: LabUnderTest, blobs: BlobServiceClient, secrets: SecretClient) -> None:  # noqa: ARG001
    lab.control("POST", "/rule", {"without": ["Attempts", "Details"]})


def used_up_minutes(lab: LabUnderTest, blobs: BlobServiceClient, secrets: SecretClient) -> None:  # noqa: ARG001
    lab.control("POST", "/automation/minutes", {"used": 500})


@pytest.mark.parametrize(
    ("harm", "codes"),
    [
        (without_container, ["VD-PREFLIGHT-004"]),
        (disabled_token, ["VD-VAULT-001"]),
        (deleted_token, ["VD-VAULT-001"]),
        (deleted_key, ["VD-VAULT-001"]),
        (rule_without_columns, ["VD-PREFLIGHT-005"]),
        (used_up_minutes, ["VD-PREFLIGHT-010"]),
    ],
)
def test_a_state_that_somebody_else_made_is_found_and_mended(
    az: AzureCli,
    lab: LabUnderTest,
    capsys: pytest.CaptureFixture[str],
    harm: Callable[[LabUnderTest, BlobServiceClient, SecretClient], None],
    codes: Sequence[str],
) -> None:
    with (
        ManagedIdentityCredential(client_id=lab.env["VIBEDATA_UAMI_CLIENT_ID"]) as credential,
        BlobServiceClient(lab.env["VIBEDATA_BLOB_ENDPOINT"], credential=credential) as blobs,
        SecretClient(lab.env["VIBEDATA_KEY_VAULT_ENDPOINT"], credential) as secrets,
    ):
        harm(lab, blobs, secrets)
    rows = bad_rows(capsys)
    assert [row["code"] for row in rows] == list(codes), rows
    for row in rows:
        type_in(az, row["line"])
    assert bad_rows(capsys) == []


def manifests(az: AzureCli, *lines: str) -> None:
    """Replace the container of the release manifests, which is empty, and type lines that need its name."""
    where = "--account-name vibedatastorage --container-name release-manifests --resource-group vibedata-managed"
    new = "--storage-account vibedatastorage --name release-manifests --resource-group vibedata-managed"
    type_in(az, f"az storage container-rm delete {new} --yes")
    for line in lines:
        type_in(az, line.format(where=where, new=new))


def test_an_unlocked_policy_is_locked_and_keeps_its_period(
    az: AzureCli, lab: LabUnderTest, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    assert lab.pid
    monkeypatch.setenv("VIBEDATA_IMMUTABILITY", "locked")
    create = "az storage container immutability-policy create {where} --period 3650"
    manifests(az, "az storage container-rm create {new}", create)
    (row,) = bad_rows(capsys)
    assert (row["code"], "unlocked, 3650 days" in row["detail"]) == ("VD-STORAGE-006", True)
    type_in(az, row["line"])
    assert cli.main(["preflight", "--only-here"]) == 0
    assert "locked, 3650 days" in capsys.readouterr().out


def test_an_absent_policy_is_made_and_no_other_policy_is_replaced(
    az: AzureCli, lab: LabUnderTest, capsys: pytest.CaptureFixture[str]
) -> None:
    assert lab.pid
    create = "az storage container immutability-policy create {where} --period 30 --allow-protected-append-writes true"
    manifests(az, "az storage container-rm create {new}", create)
    (row,) = bad_rows(capsys)
    assert (row["code"], row["line"]) == ("VD-STORAGE-001", "")
    manifests(az)
    rows = bad_rows(capsys)
    assert [row["code"] for row in rows] == ["VD-STORAGE-001", "VD-PREFLIGHT-004"]
    for row in reversed(rows):
        type_in(az, row["line"])
    assert bad_rows(capsys) == []
