"""`vibedata deploy` beside another deployment: exit code 3, the holder of the lock, and nothing else."""

import io
import json
import os
from contextlib import closing
from dataclasses import replace
from datetime import datetime, timezone
from pathlib import Path

import pytest

from publisher.instances.reported import last_reports
from publisher.session import operator_tables
from runbook_lib.basics.clock import SYSTEM_CLOCK
from runbook_lib.callbacks.payloads import DeploymentProgress
from runbook_lib.deployment_lock import former_jobs
from runbook_lib.deployment_lock.content import read_content
from runbook_lib.deployment_lock.lock import holding
from runbook_lib.run.parameters import encode
from tests.support.automation import automation
from tests.support.certificate_maker import Wanted
from tests.support.lock_rig import content, deployment, lease_state, places, quick_session
from tests.support.notary_maker import fingerprint
from tests.support.pushed_release import ISSUER, VERSION, make_release
from tests.support.running_lab import LabUnderTest
from vibedata import cli
from vibedata.deployment import chain
from vibedata.deployment.lock import LockOptions, locked
from vibedata.deployment.step import StepResult
from vibedata.deployment.work import DeploymentWork
from vibedata.session import open_session


@pytest.fixture(scope="module")
def release(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return make_release(tmp_path_factory.mktemp("release") / "dist", valid_days=3650)


@pytest.fixture(autouse=True)
def trusting(lab: LabUnderTest, monkeypatch: pytest.MonkeyPatch) -> None:  # noqa: ARG001 - sets its variables first
    monkeypatch.setenv("VIBEDATA_TRUST_ROOTS", fingerprint(ISSUER))
    monkeypatch.setenv("VIBEDATA_TRUSTED_IDENTITY", Wanted().name)


def test_a_second_deployment_ends_with_exit_code_3_and_changes_nothing(
    lab: LabUnderTest, release: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    lock = deployment(lab.env, who="ada@desk")
    with holding(lock, places(lab.env), wait_seconds=0):
        lock.begin("import_images")
        since = lab.last_request()
        assert cli.main(["deploy", str(release), "--output", "json"]) == 3
        refused = json.loads(capsys.readouterr().out)
        assert cli.main(["deploy", str(release)]) == 3
        told = capsys.readouterr().err
        assert not [entry for entry in lab.journal(since=since) if entry["service"] == "arm"]
        lock.begin("publish_runbooks")  # it still holds it
    assert (refused["status"], refused["error"]["code"]) == ("failed", "VD-LOCK-001")
    assert "held by ada@desk, since " in told
    assert "at step import_images" in told
    assert "what to do: Wait until that deployment has ended" in told
    assert f"`vibedata deploy {release} --wait` waits for you" in told


def test_the_remedy_keeps_the_typed_options(
    lab: LabUnderTest, release: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    with holding(deployment(lab.env), places(lab.env), wait_seconds=0):
        typed = ["deploy", str(release), "--from", "import_images", "--take-over", "--allow-downgrade", "--yes"]
        assert cli.main([*typed, "--output", "json"]) == 3
    remedy = json.loads(capsys.readouterr().out)["error"]["remedy"]
    assert f"`vibedata deploy {release} --allow-downgrade --from import_images --take-over --wait`" in remedy


def test_jobs_that_do_not_end_are_stopped_by_the_command_that_is_named(
    lab: LabUnderTest, release: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(former_jobs, "WAIT_SECONDS", -1.0)
    with automation(lab) as account:
        account.environment()
        account.publish("import time\ntime.sleep(600)\n", name="import_images")
        dead = deployment(lab.env, correlation_id="dead")
        with pytest.raises(KeyboardInterrupt), holding(dead, places(lab.env), wait_seconds=0):
            dead.begin("import_images")
            account.start({"parameters": encode({"correlation_id": "dead"})}, name="import_images")
            raise KeyboardInterrupt
        assert cli.main(["deploy", str(release), "--output", "json"]) == 1
    error = json.loads(capsys.readouterr().out)["error"]
    assert error["code"] == "VD-LOCK-003"
    assert f"`vibedata deploy {release} --take-over` stops them" in error["remedy"]


def test_a_takeover_asks_about_every_instance_of_the_subscription(
    lab: LabUnderTest, release: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("sys.stdin", Typed("another\n"))
    assert cli.main(["deploy", str(release), "--take-over"]) == 2
    asked = " ".join(capsys.readouterr().err.split())
    subscription, group = lab.env["VIBEDATA_SUBSCRIPTION_ID"], lab.env["VIBEDATA_RESOURCE_GROUP"]
    assert (
        f"They may be at subscription {subscription}, resource group {group}, or at another instance in subscription"
        f" {subscription}."
    ) in asked


def test_a_former_deployment_at_another_instance_is_named(lab: LabUnderTest) -> None:
    subscription, _ = places(lab.env)
    dead = deployment({**lab.env, "VIBEDATA_RESOURCE_GROUP": "rg-other", "VIBEDATA_AUTOMATION_ACCOUNT": "aa-other"})
    with pytest.raises(KeyboardInterrupt), holding(dead, [subscription], wait_seconds=0):
        dead.begin("import_images")
        raise KeyboardInterrupt
    lines: list[str] = []
    session = quick_session(lab.env)
    with locked(session, lab.env, correlation_id="next", options=LockOptions(take_over=True), report=lines.append):
        pass
    assert lines == [
        f"lock: the former deployment {dead.jobs.correlation_id} was at another instance: resource group rg-other,"
        " Automation account aa-other"
    ]


class Typed(io.StringIO):
    """What a person types on a terminal."""

    def isatty(self) -> bool:
        return True


def test_a_plan_needs_no_lock(lab: LabUnderTest, release: Path, capsys: pytest.CaptureFixture[str]) -> None:
    with holding(deployment(lab.env), places(lab.env), wait_seconds=0):
        assert cli.main(["deploy", str(release), "--plan", "--output", "json"]) == 0
    assert json.loads(capsys.readouterr().out)["status"] == "planned"


@pytest.mark.parametrize("setting", [("", "VD-SETTINGS-005"), ("http://account.example", "VD-SETTINGS-002")])
def test_the_publishers_storage_must_be_known(
    lab: LabUnderTest,
    release: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
    setting: tuple[str, str],
) -> None:
    value, code = setting
    monkeypatch.setenv("VIBEDATA_PUBLISHER_BLOB_ENDPOINT", value)
    since = lab.last_request()
    assert cli.main(["deploy", str(release), "--output", "json"]) == 2
    error = json.loads(capsys.readouterr().out)["error"]
    assert error["code"] == code
    assert "VIBEDATA_PUBLISHER_BLOB_ENDPOINT" in error["message"]
    assert not [entry for entry in lab.journal(since=since) if entry["service"] in ("arm", "blob")]


def test_a_deployment_that_fails_gives_the_lock_back(
    lab: LabUnderTest, release: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    lab.fault("status", status=403, times=0, match={"service": "arm"})
    assert cli.main(["deploy", str(release), "--output", "json"]) == 1
    ended = json.loads(capsys.readouterr().out)
    assert ended["error"]["code"] == "VD-NET-003"
    assert [(step["name"], step["status"]) for step in ended["steps"]] == [
        ("lock", "succeeded"),
        ("preflight", "failed"),
        ("report", "succeeded"),
    ]
    found = places(lab.env)
    assert [lease_state(place) for place in found] == ["available", "available"]
    told = [read_content(content(place)) for place in found]
    assert [each.step for each in told if each] == ["ended", "ended"]
    assert all("@" in each.who and ", process " in each.who for each in told if each)


def test_what_is_bad_from_here_ends_a_deployment_before_anything_is_published(
    lab: LabUnderTest, release: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    with closing(open_session(lab.env).clients.resources) as client:
        client.providers.unregister("Microsoft.Storage")
    since = lab.journal()[-1]["sequence"]
    assert cli.main(["deploy", str(release), "--output", "json"]) == 1
    out, err = capsys.readouterr()
    ended = json.loads(out)
    assert (ended["error"]["code"], "Microsoft.Storage" in ended["error"]["message"]) == ("VD-PREFLIGHT-009", True)
    assert "az provider register" in err
    writes = [entry for entry in lab.journal(since=since) if entry["method"] not in ("GET", "HEAD")]
    # The locks, the publisher's report, and the token for the container registry.
    assert {entry["service"] for entry in writes if not entry["path"].startswith("/oauth2/")} == {"blob", "table"}


def reported(lab: LabUnderTest) -> DeploymentProgress | None:
    tables = operator_tables({**os.environ, **lab.env}, SYSTEM_CLOCK)
    return last_reports(tables, lab.env["VIBEDATA_SUBSCRIPTION_ID"], datetime.now(timezone.utc)).deployment


def test_a_preflight_does_not_hide_how_the_last_deployment_ended(
    lab: LabUnderTest, release: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    lab.fault("status", status=403, times=0, match={"service": "arm"})
    assert cli.main(["deploy", str(release), "--output", "json"]) == 1
    lab.clear_faults()
    failed = reported(lab)
    assert failed is not None
    assert (failed.step, failed.status, failed.release_version) == ("preflight", "failed", VERSION)

    def well(_: DeploymentWork, __: object) -> StepResult:
        return StepResult(name="preflight", status="succeeded", seconds=0.0, changed=0)

    chosen = [replace(step, do=well) if step.name == "preflight" else step for step in chain.CHAIN]
    monkeypatch.setattr(chain, "CHAIN", tuple(chosen))
    capsys.readouterr()
    assert cli.main(["deploy", str(release), "--only", "preflight", "--output", "json"]) == 0
    assert [step["name"] for step in json.loads(capsys.readouterr().out)["steps"]] == ["lock", "preflight"]
    assert reported(lab) == failed
    # A success that has not seen the release installed does not say that it is.
    assert cli.main(["deploy", str(release), "--only", "first_runbooks", "--output", "json"]) == 0
    done = reported(lab)
    assert done is not None
    assert (done.step, done.status, done.release_version) == ("first_runbooks", "succeeded", "")
