"""`vibedata deploy`: the builds that it accepts, depending on the installed release. tests/end_to_end tests the
deployment itself.
"""

import json
import os
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from oci.release.built import read_built_release
from runbook_lib.errors import RunbookError
from tests.support import release_maker
from tests.support.certificate_maker import Wanted
from tests.support.notary_maker import fingerprint
from tests.support.pushed_release import ISSUER, VERSION, make_release
from tests.support.release_maker import ContainerRegistry, as_json, document
from tests.support.running_lab import LabUnderTest
from vibedata import cli
from vibedata.deployment.chain import manifest_parameters
from vibedata.deployment.first_publication import FirstPublication, plan_settings
from vibedata.deployment.release_source import LayoutRelease
from vibedata.session import open_session


@pytest.fixture(scope="module")
def release(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return make_release(tmp_path_factory.mktemp("release") / "dist", valid_days=3650)


@pytest.fixture
def customer(lab: LabUnderTest, monkeypatch: pytest.MonkeyPatch) -> ContainerRegistry:
    """The container registry of a customer who trusts the signer of these builds."""
    monkeypatch.setenv("VIBEDATA_TRUST_ROOTS", fingerprint(ISSUER))
    monkeypatch.setenv("VIBEDATA_TRUSTED_IDENTITY", Wanted().name)
    return release_maker.container_registry(lab, "customer")


def install(customer: ContainerRegistry, content: bytes, version: str) -> None:
    """Make a release the installed one. The signer does not matter."""
    release_maker.push_release_manifest(customer, content, version, "latest")


def deploy(capsys: pytest.CaptureFixture[str], *arguments: str) -> tuple[int, Mapping[str, Any]]:
    code = cli.main(["deploy", *arguments, "--plan", "--output", "json"])
    shown = capsys.readouterr()
    return code, json.loads(shown.out or shown.err)


def refused(lab: LabUnderTest, capsys: pytest.CaptureFixture[str], *arguments: str) -> str:
    """Deploy, and do not only plan. Return the code of the refusal. Nothing was written or run before it."""
    before = lab.journal()[-1]["sequence"] if lab.journal() else 0
    assert cli.main(["deploy", *arguments, "--output", "json"]) == 1
    shown = capsys.readouterr()
    asked = [entry for entry in lab.journal() if entry["sequence"] > before]
    assert not [entry for entry in asked if entry["service"] in ("arm", "blob")], asked
    found = json.loads(shown.out or shown.err)
    return str(found.get("error", found)["code"])


@pytest.mark.usefixtures("customer")
def test_a_build_that_has_expired_is_refused(
    lab: LabUnderTest, capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    expired = make_release(tmp_path / "expired", valid_days=1)
    assert refused(lab, capsys, str(expired)) == "VD-MANIFEST-006"
    assert refused(lab, capsys, str(expired), "--allow-downgrade") == "VD-MANIFEST-006"


def test_an_older_build_than_what_is_installed_is_refused_unless_it_is_meant(
    lab: LabUnderTest, release: Path, customer: ContainerRegistry, capsys: pytest.CaptureFixture[str]
) -> None:
    assert deploy(capsys, str(release))[0] == 0  # nothing is installed yet
    install(customer, as_json(document(version="2026.10.9")), "2026.10.9")
    assert deploy(capsys, str(release))[0] == 0
    install(customer, as_json(document(version="2026.12.0")), "2026.12.0")
    assert refused(lab, capsys, str(release)) == "VD-MANIFEST-007"
    before = lab.last_request()
    assert cli.main(["deploy", str(release), "--allow-downgrade", "--output", "json"]) == 2  # there is no terminal
    assert json.loads(capsys.readouterr().out)["error"]["code"] == "VD-INSTANCE-007"
    assert not [entry for entry in lab.journal(since=before) if entry["service"] in ("arm", "blob")]
    code, planned = deploy(capsys, str(release), "--allow-downgrade")
    assert (code, planned["status"]) == (0, "planned")


def test_a_build_of_the_installed_version_is_the_installed_release(
    lab: LabUnderTest, release: Path, customer: ContainerRegistry, capsys: pytest.CaptureFixture[str]
) -> None:
    artifact = next(
        one for one in read_built_release(release).artifacts if one.repository == release_maker.RELEASE_REPOSITORY
    )
    (layer,) = artifact.layers
    install(customer, (release / "blobs" / layer.digest.replace(":", "/")).read_bytes(), VERSION)
    # Only its content counts here. An import also compares the artifact around it.
    assert deploy(capsys, str(release), "--only", "first_runbooks")[0] == 0
    code, planned = deploy(capsys, str(release))
    assert (code, planned["error"]["code"]) == (1, "VD-MANIFEST-008")
    install(customer, as_json(document(version=VERSION)), VERSION)
    assert refused(lab, capsys, str(release)) == "VD-MANIFEST-008"


def test_nothing_is_deployed_if_the_installed_release_cannot_be_read(
    lab: LabUnderTest, release: Path, customer: ContainerRegistry, capsys: pytest.CaptureFixture[str]
) -> None:
    install(customer, as_json(document(version="2026.10.9")), "2026.10.9")
    match = {"service": "customer_registry", "path": "/manifests/latest"}
    lab.fault("status", status=403, times=0, match=match)
    assert refused(lab, capsys, str(release)) == "VD-REGISTRY-003"


def test_the_chain_gets_the_permission_to_downgrade() -> None:
    assert manifest_parameters(VERSION, allow_downgrade=False) == {"release_tag": VERSION}
    assert manifest_parameters(VERSION, allow_downgrade=True) == {"release_tag": VERSION, "allow_downgrade": True}


@pytest.mark.usefixtures("customer")
def test_the_first_step_that_is_chosen_brings_the_settings(
    lab: LabUnderTest, release: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    def settings_of(step: str, *chosen: str) -> list[str]:
        (plan,) = [each for each in deploy(capsys, str(release), *chosen)[1]["steps"] if each["step"] == step]
        return [each["action"] for each in plan["differences"] if each["target"] == "variable vibedata-settings"]

    assert lab.pid
    assert (settings_of("preflight"), settings_of("first_runbooks")) == (["set"], [])
    for chosen in (("--only", "first_runbooks"), ("--from", "first_runbooks")):
        assert settings_of("first_runbooks", *chosen) == ["set"]


@pytest.mark.usefixtures("customer")
def test_settings_without_the_identity_of_the_jobs_are_not_written(lab: LabUnderTest, release: Path) -> None:
    session = open_session(os.environ)
    assert plan_settings(session).changes
    # With a person's login, the command itself works without the client id.
    nameless = replace(session, settings=replace(session.settings, uami_client_id=""))
    built = LayoutRelease(release, session=session)
    for attempt in (
        lambda: plan_settings(nameless),
        lambda: FirstPublication(session=nameless, release=built, runbooks=("preflight",), warn=print),
    ):
        with pytest.raises(RunbookError) as caught:
            attempt()
        assert (caught.value.code, caught.value.target) == ("VD-SETTINGS-001", "uami_client_id")
        assert "instance edit" in str(caught.value.as_json()["remedy"])
    assert not [entry for entry in lab.journal(service="arm") if entry["method"] != "GET"]


@pytest.mark.usefixtures("customer")
def test_the_plan_shows_the_name_and_the_certificate_or_says_that_nothing_is_configured(
    lab: LabUnderTest, release: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    steps = {step["step"]: step for step in deploy(capsys, str(release))[1]["steps"]}
    instance = lab.env["VIBEDATA_SUBSCRIPTION_ID"]
    assert [each["what"] for each in steps["dns_record"]["differences"]] == [f"A {instance}"]
    actions = [each["action"] for each in steps["first_certificate"]["differences"]]
    assert (actions[:2], actions[-1]) == (["begin", "prepare"], "install")
    assert [each["action"] for each in steps["certificate_test"]["differences"]] == ["test", "end"]
    assert steps["configure_gateway"]["not_known"] == ["the listener reads the first certificate when the vault has it"]
    monkeypatch.delenv("VIBEDATA_PUBLISHER_DNS_ZONE")
    steps = {step["step"]: step for step in deploy(capsys, str(release))[1]["steps"]}
    without = "not configured: VIBEDATA_PUBLISHER_DNS_ZONE names no DNS zone"
    assert (steps["dns_record"]["each_time"], steps["dns_record"]["differences"]) == (without, [])
    without = "not configured: the environment lacks VIBEDATA_PUBLISHER_DNS_ZONE"
    for name in ("first_certificate", "certificate_test"):
        assert (steps[name]["each_time"], steps[name]["differences"]) == (without, [])
    assert steps["configure_gateway"]["not_known"] == []
