"""`vibedata deploy` and the Automation variable that holds the settings of the jobs."""

import json
import os
from collections.abc import Mapping
from dataclasses import asdict
from pathlib import Path
from typing import Any

import pytest
from azure.core.credentials import TokenCredential

from runbook_lib.automation.account import AutomationAccount
from runbook_lib.automation.writing import set_variable
from runbook_lib.azure.identity import credential_of
from runbook_lib.azure.session import AzureSession
from runbook_lib.azure.settings import AUTOMATION_VARIABLE
from tests.support.certificate_maker import Wanted
from tests.support.notary_maker import fingerprint
from tests.support.pushed_release import ISSUER, make_release
from tests.support.running_lab import LabUnderTest
from vibedata import cli
from vibedata import session as session_module
from vibedata.commands import deploy as deploy_module
from vibedata.deployment.first_credentials import FirstCredential
from vibedata.deployment.lock import locked
from vibedata.deployment.step import StepResult, unchanged
from vibedata.session import open_session


@pytest.fixture(scope="module")
def release(tmp_path_factory: pytest.TempPathFactory) -> str:
    return str(make_release(tmp_path_factory.mktemp("release") / "dist", valid_days=3650))


@pytest.fixture
def session(lab: LabUnderTest, monkeypatch: pytest.MonkeyPatch) -> AzureSession:
    """The customer's Azure. The customer trusts the signer of the release."""
    monkeypatch.setenv("VIBEDATA_TRUST_ROOTS", fingerprint(ISSUER))
    monkeypatch.setenv("VIBEDATA_TRUSTED_IDENTITY", Wanted().name)
    assert lab.pid
    return open_session(os.environ)


@pytest.fixture
def own_login(lab: LabUnderTest, session: AzureSession, monkeypatch: pytest.MonkeyPatch) -> None:  # noqa: ARG001
    """The operator has a login that needs no client id, as after `az login`."""
    login = credential_of(lab.env["VIBEDATA_UAMI_CLIENT_ID"], os.environ)

    def credential(*_: object) -> TokenCredential:
        return login

    monkeypatch.setattr(session_module, "credential", credential)
    monkeypatch.delenv("VIBEDATA_UAMI_CLIENT_ID")


def deploy(capsys: pytest.CaptureFixture[str], *arguments: str, code: int = 0) -> Mapping[str, Any]:
    ended = cli.main(["deploy", *arguments, "--output", "json"])
    found: Mapping[str, Any] = json.loads(capsys.readouterr().out)
    assert ended == code, found
    return found


def account_of(session: AzureSession) -> AutomationAccount:
    return AutomationAccount(client=session.clients.automation, settings=session.settings)


def publish(session: AzureSession, **others: str) -> str:
    """Set the variable to the settings of the session, with some other values. Return its text."""
    text = json.dumps({**asdict(session.settings), **others})
    set_variable(account_of(session), AUTOMATION_VARIABLE, text)
    return text


def changing(lab: LabUnderTest, since: int) -> list[str]:
    """Return the requests that changed something at the customer's, the lock included."""
    asked = [entry for entry in lab.journal(since=since) if entry["service"] in ("arm", "blob")]
    return [entry["path"] for entry in asked if entry["method"] not in ("GET", "HEAD")]


@pytest.mark.usefixtures("own_login")
@pytest.mark.parametrize("how", [(), ("--only", "first_runbooks"), ("--plan",), ("--plan", "--detailed-exitcode")])
def test_a_document_without_the_client_id_is_refused_before_the_lock(
    lab: LabUnderTest, release: str, how: tuple[str, ...], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    described = json.loads((lab.directory / "instance.json").read_text())
    own = {name: value for name, value in described["settings"].items() if name != "uami_client_id"}
    document = tmp_path / "contoso.json"
    document.write_text(json.dumps({**described, "settings": own}))
    since = lab.last_request()
    error = deploy(capsys, release, "--instance", str(document), *how, code=1 if "--detailed-exitcode" in how else 2)[
        "error"
    ]
    assert (error["code"], "(uami_client_id)" in error["message"]) == ("VD-SETTINGS-001", True)
    assert f"`vibedata instance edit {described['id']} --set settings.uami_client_id=GUID`" in error["remedy"]
    assert (
        "`az identity show --name vibedata-uami --resource-group vibedata-managed --query clientId`" in error["remedy"]
    )
    assert changing(lab, since) == []


@pytest.mark.usefixtures("own_login")
def test_an_environment_without_the_client_id_is_refused(release: str, capsys: pytest.CaptureFixture[str]) -> None:
    error = deploy(capsys, release, code=2)["error"]
    assert error["code"] == "VD-SETTINGS-001"
    assert "Set VIBEDATA_UAMI_CLIENT_ID in the environment" in error["remedy"]


def test_a_locked_instance_does_not_become_unlocked(
    session: AzureSession, release: str, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    held = publish(session, immutability="locked")
    planned = deploy(capsys, release, "--plan", code=1)
    assert planned["error"]["code"] == "VD-SETTINGS-006"
    ended = deploy(capsys, release, "--only", "first_runbooks", code=1)
    assert [step["name"] for step in ended["steps"] if step["error"]] == ["first_runbooks"]
    assert ended["error"]["code"] == "VD-SETTINGS-006"
    assert "--set settings.immutability=locked" in ended["error"]["remedy"]
    assert account_of(session).variable(AUTOMATION_VARIABLE) == held
    monkeypatch.setenv("VIBEDATA_IMMUTABILITY", "locked")
    deploy(capsys, release, "--only", "first_runbooks")
    now = json.loads(account_of(session).variable(AUTOMATION_VARIABLE) or "")
    assert now == {**asdict(session.settings), "immutability": "locked"}


def ended_steps(ended: Mapping[str, Any]) -> list[tuple[str, str]]:
    return [(step["name"], step["status"]) for step in ended["steps"]]


CHANGED = {"publisher_api": "https://former.example"}
IDLE = [("lock", "succeeded"), ("first_hmac_key", "unchanged"), ("report", "succeeded")]


@pytest.fixture
def keyed(monkeypatch: pytest.MonkeyPatch) -> None:
    """The customer has its first key: that step has nothing to do."""

    def give(credential: FirstCredential, _: object) -> StepResult:
        return unchanged(credential.step)

    monkeypatch.setattr(FirstCredential, "give", give)


@pytest.mark.parametrize("how", [("--only", "check_health"), ("--from", "import_manifest", "--plan")])
def test_no_job_works_with_former_settings(
    lab: LabUnderTest, session: AzureSession, release: str, how: tuple[str, ...], capsys: pytest.CaptureFixture[str]
) -> None:
    publish(session, **CHANGED)
    since = lab.last_request()
    error = deploy(capsys, release, *how, code=1)["error"]
    assert (error["code"], "(publisher_api)" in error["message"]) == ("VD-SETTINGS-007", True)
    assert f"`vibedata deploy {release} --from preflight`" in error["remedy"]
    assert changing(lab, since) == []
    publish(session, immutability="locked")
    assert deploy(capsys, release, *how, code=1)["error"]["code"] == "VD-SETTINGS-006"


def test_settings_that_change_before_a_deployment_has_the_lock_are_found(
    lab: LabUnderTest,
    session: AzureSession,
    release: str,
    capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    def changed_meanwhile(*arguments: Any, **options: Any) -> Any:
        publish(session, **CHANGED)
        return locked(*arguments, **options)

    monkeypatch.setattr(deploy_module, "locked", changed_meanwhile)
    publish(session)
    assert deploy(capsys, release, "--only", "check_health", code=1)["error"]["code"] == "VD-SETTINGS-007"
    assert not [entry for entry in lab.journal() if entry["method"] == "PUT" and "/jobs/" in entry["path"]]


@pytest.mark.usefixtures("keyed")
def test_the_same_settings_in_another_text_are_unchanged(
    session: AzureSession, release: str, capsys: pytest.CaptureFixture[str]
) -> None:
    own = {name: value for name, value in asdict(session.settings).items() if name != "public_host"}
    set_variable(account_of(session), AUTOMATION_VARIABLE, json.dumps(own, indent=1))
    assert ended_steps(deploy(capsys, release, "--only", "first_hmac_key")) == IDLE


@pytest.mark.usefixtures("keyed")
def test_an_operator_who_may_not_read_the_variable_goes_on(
    lab: LabUnderTest, session: AzureSession, release: str, capsys: pytest.CaptureFixture[str]
) -> None:
    publish(session, **CHANGED)
    lab.fault("status", status=403, times=0, match={"service": "arm", "path": f"/variables/{AUTOMATION_VARIABLE}"})
    assert cli.main(["deploy", release, "--only", "first_hmac_key", "--output", "json"]) == 0
    shown = capsys.readouterr()
    assert ended_steps(json.loads(shown.out)) == IDLE
    assert "warning: whether the settings have changed cannot be seen from here: VD-NET-003" in shown.err
