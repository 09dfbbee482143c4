"""The messages of the command when something is wrong: a code, a remedy, and never a traceback."""

import json
import subprocess

import pytest

from tests.end_to_end.deployed import Deployed, is_write

NOWHERE = "https://127.0.0.1:1"


def error_of(done: "subprocess.CompletedProcess[str]") -> str:
    """Return the code in the output of `--output json`. There must be no other output."""
    assert "Traceback" not in done.stderr, done.stderr
    result = json.loads(done.stdout)
    assert result["status"] == "failed"
    assert set(result["error"]) == {"code", "message", "cause", "remedy", "retryable"}
    return str(result["error"]["code"])


def test_a_job_that_died_without_a_result(deployed: Deployed) -> None:
    for output in ("json", "text"):
        deployed.lab.fault("kill_job", match={"service": "table"})
        died = deployed.vibedata("invoke", "import_manifest", "--plan", "--output", output)
        assert died.returncode == 1
        if output == "json":
            assert error_of(died) == "VD-AUTOMATION-005"
        else:
            assert "VD-AUTOMATION-005" in died.stderr and "what to do: " in died.stderr
            assert "The job's process was killed." in died.stderr
    newest = deployed.vibedata_json("jobs", "--runbook", "import_manifest", "--limit", "1")["jobs"][0]
    assert (newest["mode"], newest["state"], newest["code"]) == ("plan", "failed", "VD-AUTOMATION-005")
    assert newest["release"] and newest["started_by"].endswith(" with vibedata")


@pytest.mark.parametrize(
    ("settings", "code", "exit_code"),
    [
        ({"VIBEDATA_ARM_ENDPOINT": NOWHERE}, "VD-NET-001", 1),
        ({"VIBEDATA_AUTOMATION_ACCOUNT": "nosuch"}, "VD-AUTOMATION-001", 1),
        ({"VIBEDATA_SUBSCRIPTION_ID": ""}, "VD-SETTINGS-001", 2),
        ({"VIBEDATA_SUBSCRIPTION_ID": "mine"}, "VD-SETTINGS-002", 2),
        ({"IDENTITY_ENDPOINT": "http://127.0.0.1:1/token"}, "VD-IDENTITY-001", 1),
    ],
)
def test_invoke_names_the_reason_if_azure_cannot_be_used(
    deployed: Deployed, settings: dict[str, str], code: str, exit_code: int
) -> None:
    failed = deployed.vibedata("invoke", "import_manifest", "--output", "json", environ=settings)
    assert (error_of(failed), failed.returncode) == (code, exit_code)


def test_invoke_refuses_an_unknown_runbook_and_a_parameter_without_a_value(deployed: Deployed) -> None:
    assert error_of(deployed.vibedata("invoke", "no_such_runbook", "--output", "json")) == "VD-AUTOMATION-020"
    wrong = deployed.vibedata("invoke", "import_manifest", "--parameter", "release_tag", "--output", "json")
    assert (error_of(wrong), wrong.returncode) == ("VD-PARAM-002", 2)


def test_deploy_names_the_reason_if_it_cannot_begin(deployed: Deployed) -> None:
    folder = str(deployed.release().folder)
    away = deployed.vibedata("deploy", folder, "--output", "json", environ={"VIBEDATA_ARM_ENDPOINT": NOWHERE})
    assert error_of(away) == "VD-NET-001"
    other = deployed.vibedata("deploy", folder, "--output", "json", environ={"VIBEDATA_AUTOMATION_ACCOUNT": "nosuch"})
    assert error_of(other) == "VD-AUTOMATION-001"
    assert error_of(deployed.vibedata("deploy", str(deployed.folder), "--output", "json")) == "VD-PUSH-001"
    deployed.lab.fault("status", status=403, times=0, match={"service": "arm", "path": "/automationAccounts/"})
    refused = deployed.vibedata("deploy", folder)
    assert refused.returncode == 1
    assert "preflight failed: VD-NET-003" in refused.stdout or "preflight failed: VD-AUTOMATION-" in refused.stdout
    assert "Traceback" not in refused.stdout + refused.stderr


def test_nothing_is_deployed_that_no_trusted_publisher_signed(deployed: Deployed) -> None:
    signed = deployed.build()
    without_key = {"VIBEDATA_SIGNING_KEY": "", "VIBEDATA_SIGNING_CHAIN": ""}
    unsigned = deployed.folder / "unsigned"
    definition = str(deployed.folder / "release.json")
    built = deployed.vibedata("build", "--release", definition, "--out", str(unsigned), environ=without_key)
    assert built.returncode == 0, built.stderr
    before = deployed.last_request()
    for folder, settings, code, exit_code in (
        (unsigned, {}, "VD-TRUST-050", 1),
        (signed.folder, {"VIBEDATA_TRUST_ROOTS": "0" * 64}, "VD-TRUST-008", 1),
        (signed.folder, {"VIBEDATA_TRUSTED_IDENTITY": "CN=Another"}, "VD-TRUST-009", 1),
        (signed.folder, {"VIBEDATA_TRUST_ROOTS": ""}, "VD-TRUST-030", 2),
    ):
        refused = deployed.vibedata("deploy", str(folder), "--output", "json", environ=settings)
        assert (error_of(refused), refused.returncode) == (code, exit_code)
    assert [entry for entry in deployed.lab.journal(since=before) if is_write(entry)] == []
