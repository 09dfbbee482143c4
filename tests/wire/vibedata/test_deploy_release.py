"""`vibedata deploy RELEASE` without a folder: from the publisher's container registry, verified as a customer would."""

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest

from oci.release.built import read_built_release
from runbook_lib.automation.account import AutomationAccount
from runbook_lib.errors import RunbookError, build
from runbook_lib.run.parameters import encode
from tests.support.certificate_maker import Wanted
from tests.support.notary_maker import fingerprint
from tests.support.pushed_release import ISSUER, VERSION, make_release, outcomes, push_now
from tests.support.running_lab import LabUnderTest
from vibedata import cli
from vibedata.deployment.first_publication import FIRST_RUNBOOKS
from vibedata.deployment.release_source import is_tag, scripts_of
from vibedata.session import open_session


@pytest.fixture(scope="module")
def release(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return make_release(tmp_path_factory.mktemp("release") / "dist", valid_days=3650)


@pytest.fixture
def pushed(lab: LabUnderTest, release: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The release at the publisher. The customer trusts its signer."""
    monkeypatch.setenv("VIBEDATA_TRUST_ROOTS", fingerprint(ISSUER))
    monkeypatch.setenv("VIBEDATA_TRUSTED_IDENTITY", Wanted().name)
    assert outcomes(push_now(lab, release)) == {"done"}
    return release


def deploy(capsys: pytest.CaptureFixture[str], *arguments: str, code: int = 0) -> Mapping[str, Any]:
    assert cli.main(["deploy", *arguments, "--output", "json"]) == code
    found: Mapping[str, Any] = json.loads(capsys.readouterr().out)
    return found


@pytest.mark.parametrize(
    ("wanted", "tag"),
    [
        *((name, True) for name in ("latest", "2026.11.0", "0.0.1")),
        *((name, False) for name in ("dist", "./2026.11.0", "/latest", "2026.11", "2026.11.00", "v1.0.0", "")),
    ],
)
def test_only_their_form_distinguishes_a_tag_from_a_folder(wanted: str, tag: bool) -> None:
    assert is_tag(wanted) is tag


@pytest.mark.parametrize("reference", [VERSION, "latest"])
def test_the_first_runbooks_come_from_the_publishers_container_registry(
    lab: LabUnderTest, pushed: Path, reference: str, capsys: pytest.CaptureFixture[str]
) -> None:
    ended = deploy(capsys, reference, "--only", "first_runbooks")
    assert [(step["name"], step["status"]) for step in ended["steps"]] == [
        (name, "succeeded") for name in ("lock", "first_runbooks", "report")
    ]
    session = open_session(lab.env)
    account = AutomationAccount(client=session.clients.automation, settings=session.settings)
    pins = {pin.name: pin.script_sha256 for pin in read_built_release(pushed).manifest.runbooks}
    held = {name: account.runbook(name) for name in FIRST_RUNBOOKS}
    assert {name: each.sha256 for name, each in held.items() if each} == {name: pins[name] for name in FIRST_RUNBOOKS}


def test_a_release_is_the_one_of_the_document_or_else_latest(
    lab: LabUnderTest, pushed: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert deploy(capsys, "--plan")["release"]["version"] == VERSION  # latest
    document = tmp_path / "contoso.json"
    described = json.loads((lab.directory / "instance.json").read_text())
    own = {name: value for name, value in described["settings"].items() if not name.startswith("trust")}
    document.write_text(json.dumps({**described, "settings": own, "release": "2026.11.9"}))
    refused = deploy(capsys, "--instance", str(document), "--plan", code=1)
    assert refused["error"]["code"] == "VD-MANIFEST-001"
    assert "vibedata/release-manifest:2026.11.9" in refused["error"]["message"]
    assert deploy(capsys, str(pushed), "--instance", str(document), "--plan")["release"]["version"] == VERSION


def test_a_release_that_nobody_trusted_has_signed_is_refused_before_anything_is_changed(
    lab: LabUnderTest, pushed: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    assert pushed
    since = lab.last_request()
    monkeypatch.setenv("VIBEDATA_TRUST_ROOTS", "0" * 64)
    assert deploy(capsys, VERSION, code=1)["error"]["code"] == "VD-TRUST-008"
    monkeypatch.setenv("VIBEDATA_TRUST_ROOTS", fingerprint(ISSUER))
    monkeypatch.setenv("VIBEDATA_TRUSTED_IDENTITY", "CN=Another")
    assert deploy(capsys, VERSION, code=1)["error"]["code"] == "VD-TRUST-009"
    assert not [entry for entry in lab.journal(since=since) if entry["service"] in ("arm", "blob")]


def test_a_release_with_a_hole_is_refused_before_anything_is_changed(
    lab: LabUnderTest, pushed: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    pin = read_built_release(pushed).manifest.runbooks[0]
    since = lab.last_request()
    match = {"service": "publisher_registry", "path": f"/{pin.repository}/manifests/{pin.digest}"}
    lab.fault("status", status=404, times=0, match=match)
    refused = deploy(capsys, VERSION, code=1)
    assert refused["error"]["code"] == "VD-TRUST-055"
    assert not [entry for entry in lab.journal(since=since) if entry["service"] in ("arm", "blob")]


def test_a_release_of_an_earlier_suite_lacks_what_a_deployment_begins_with(release: Path) -> None:
    manifest = read_built_release(release).manifest
    with pytest.raises(RunbookError) as caught:
        scripts_of(manifest, ("preflight", "no_such_runbook"), target="dist")
    assert caught.value.is_(build.RUNBOOK_NOT_IN_RELEASE)
    assert caught.value.code == "VD-PUSH-007"


@pytest.mark.parametrize(
    "command",
    [
        ("deploy", VERSION, "--take-over"),
        ("deploy", VERSION, "--allow-downgrade"),
        ("invoke", "import_manifest", "--parameter", "allow_downgrade=true"),
        ("run", "import_manifest", "--allow-downgrade"),
        ("run", "import_manifest", "--release-tag", VERSION, "--allow-downgrade=true"),
        ("run", "import_manifest", encode({"allow_downgrade": True})),
        ("run", "deploy_instance", "--allow-downgrade"),
    ],
)
def test_a_command_that_stops_or_overwrites_something_asks_for_the_instances_name(
    lab: LabUnderTest, pushed: Path, command: tuple[str, ...], capsys: pytest.CaptureFixture[str]
) -> None:
    assert pushed
    since = lab.last_request()
    assert cli.main([*command, "--output", "json"]) == 2  # there is no terminal to ask on
    assert json.loads(capsys.readouterr().out)["error"]["code"] == "VD-INSTANCE-007"
    assert not [entry for entry in lab.journal(since=since) if entry["service"] in ("arm", "blob")]


def test_a_run_whose_parameters_complete_the_settings_does_not_go_back_unasked(
    lab: LabUnderTest, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    given = json.dumps({"dcr_id": lab.env["VIBEDATA_DCR_ID"]})
    monkeypatch.delenv("VIBEDATA_DCR_ID")
    words = ["run", "import_manifest", "--release-tag", "9.9.9", "--settings", given, "--output", "json"]
    assert cli.main([*words, "--allow-downgrade"]) == 2
    told = json.loads(capsys.readouterr().out)["error"]
    assert (told["code"], "dcr_id" in told["message"]) == ("VD-SETTINGS-001", True)
    for allowed in (words, [*words, "--allow-downgrade", "--yes"]):
        assert cli.main(allowed) == 1
        assert json.loads(capsys.readouterr().out)["error"]["code"] == "VD-MANIFEST-001"


@pytest.mark.parametrize(
    "words", [("--allow-downgrade", "--plan"), ("--allow-downgrade=false", "--plan-only"), ("--yes",)]
)
def test_a_run_that_does_not_go_back_or_has_yes_does_not_ask(
    lab: LabUnderTest, pushed: Path, words: tuple[str, ...], capsys: pytest.CaptureFixture[str]
) -> None:
    assert lab.pid and pushed
    assert cli.main(["run", "import_manifest", *words, "--release-tag", "9.9.9", "--output", "json"]) == 1
    assert json.loads(capsys.readouterr().out)["error"]["code"] != "VD-INSTANCE-007"
