"""All packages as one wheel: one import, or the single wheels if Automation does not take it."""

import json
from pathlib import Path

import pytest

from runbooks import validate_runbooks
from tests.support.installed import Customer, Installed, combined, sha256_of, wheels
from tests.support.publications import PUBLISH, arm_writes
from tests.support.runbook_run import QuickClock, Run, run
from tests.support.running_lab import LabUnderTest

COMBINED = "vibedata_runbook_packages"
PACKAGES = wheels("one", "two", "three")
SINGLES = dict.fromkeys(("one", "two", "three"), ("Succeeded", "1.0"))
NOT_TAKEN = "Automation does not take all 3 packages as one wheel"
# What a job sees of the packages: their modules, and the metadata of each by its own name.
PROBE = """\
import importlib.metadata, json, one, two, three
found = {name: importlib.metadata.version(name) for name in ("one", "two", "three")}
print(json.dumps([one.VERSION, two.VERSION, three.VERSION, found]))
"""


@pytest.fixture
def one_wheel(tmp_path: Path) -> tuple[str, bytes]:
    return combined(PACKAGES, tmp_path)


@pytest.fixture
def release(customer: Customer, one_wheel: tuple[str, bytes]) -> Installed:
    return customer.install({"alpha": PROBE}, PACKAGES, one_wheel=one_wheel)


def imported(done: Run) -> list[str]:
    return [path.partition("/")[2] for path in arm_writes(done) if path.startswith("packages/")]


def seen_by_a_job(customer: Customer) -> object:
    job = customer.automation.start(name="alpha")
    assert customer.automation.ended(job).status == "Completed"
    return json.loads(customer.automation.output(job))


def test_one_import_gives_a_job_all_packages(
    lab: LabUnderTest, customer: Customer, release: Installed, one_wheel: tuple[str, bytes]
) -> None:
    done = run(lab, PUBLISH)
    assert done.status == "succeeded", done.text
    assert [path.partition("?")[0] for path in imported(done)] == [COMBINED]
    version = one_wheel[0].split("-")[1]
    assert customer.packages(release.environment) == {COMBINED: ("Succeeded", version)}
    assert seen_by_a_job(customer) == ["1.0", "1.0", "1.0", dict.fromkeys(("one", "two", "three"), "1.0")]
    wheels_kept = {name: content for name, content in customer.artifacts().items() if name.endswith(".whl")}
    assert wheels_kept == {f"{sha256_of(one_wheel[1])}/{one_wheel[0]}": one_wheel[1]}
    again = run(lab, PUBLISH)
    assert (again.status, again.writes()) == ("unchanged", []), again.text


@pytest.mark.parametrize("state", ["failed", "stuck"])
def test_if_it_is_not_taken_the_same_run_imports_the_single_wheels(
    lab: LabUnderTest, customer: Customer, release: Installed, state: str
) -> None:
    lab.control("POST", "/packages", {"name": COMBINED, "state": state})
    done = run(lab, PUBLISH, clock=QuickClock(20 if state == "failed" else 300))
    assert done.status == "succeeded", done.text
    outcomes = done.outcomes()
    assert outcomes[f"package {COMBINED}"] == "replaced"
    assert [outcomes[f"package {name}"] for name in SINGLES] == ["done"] * 3
    assert outcomes["runbook alpha"] == "done"
    assert done.text.count(NOT_TAKEN) == 1
    assert "ERROR: " not in done.text
    held = customer.packages(release.environment)
    assert held.pop(COMBINED)[0] == {"failed": "Failed", "stuck": "Creating"}[state]
    assert held == SINGLES
    assert seen_by_a_job(customer) == ["1.0", "1.0", "1.0", dict.fromkeys(("one", "two", "three"), "1.0")]
    # The next run sees from the environment alone which wheels it must have.
    again = run(lab, PUBLISH)
    assert (again.status, again.writes()) == ("unchanged", []), again.text
    assert NOT_TAKEN not in again.text


def test_a_request_that_is_refused_is_a_wheel_that_is_not_taken(
    lab: LabUnderTest, customer: Customer, release: Installed
) -> None:
    lab.fault("status", status=400, match={"service": "arm", "method": "PUT", "path": f"/packages/{COMBINED}"})
    done = run(lab, PUBLISH)
    assert (done.status, done.text.count(NOT_TAKEN)) == ("succeeded", 1), done.text
    assert customer.packages(release.environment) == SINGLES


def test_an_account_that_fails_otherwise_gets_no_single_wheels(
    lab: LabUnderTest, customer: Customer, release: Installed
) -> None:
    lab.fault("status", status=403, times=0, match={"service": "arm", "method": "PUT", "path": "/packages/"})
    done = run(lab, PUBLISH)
    assert done.codes() == {f"package {COMBINED}": "VD-NET-003"}, done.text
    assert NOT_TAKEN not in done.text
    assert customer.packages(release.environment) == {}


@pytest.mark.usefixtures("release")
def test_single_wheels_that_were_cut_off_are_taken_up(lab: LabUnderTest) -> None:
    lab.control("POST", "/packages", {"name": COMBINED, "state": "failed"})
    lab.control("POST", "/packages", {"name": "two", "state": "failed"})
    failed = run(lab, PUBLISH)
    assert failed.codes()["package two"] == "VD-AUTOMATION-002", failed.text
    assert (failed.error_code, failed.outcomes()["runbook alpha"]) == ("VD-AUTOMATION-002", "skipped")
    rest = run(lab, PUBLISH)
    assert rest.outcomes() == {"package two": "done", "runbook alpha": "done"}, rest.text
    assert NOT_TAKEN not in rest.text


@pytest.mark.parametrize("imported_before", [True, False])
def test_a_combined_wheel_that_is_another_is_refused_and_no_link_to_it_given(
    lab: LabUnderTest, customer: Customer, release: Installed, one_wheel: tuple[str, bytes], imported_before: bool
) -> None:
    name = f"{sha256_of(one_wheel[1])}/{one_wheel[0]}"
    if imported_before:
        run(lab, PUBLISH)
    customer.blobs.get_blob_client("artifacts", name).upload_blob(bytes(len(one_wheel[1])), overwrite=True)
    done = run(lab, PUBLISH)
    assert (done.error_code, arm_writes(done)) == ("VD-STORAGE-003", []), done.text
    assert [entry for entry in done.requests if entry["client"].startswith("AzureAutomation")] == []
    assert release.environment not in done.text


@pytest.mark.parametrize("taken", [True, False])
def test_validation_asks_for_what_the_environment_is_to_hold(
    lab: LabUnderTest, customer: Customer, release: Installed, taken: bool
) -> None:
    if not taken:
        lab.control("POST", "/packages", {"name": COMBINED, "state": "failed"})
    run(lab, PUBLISH)
    validate = validate_runbooks.RUNBOOK
    missing = COMBINED if taken else "two"
    # The trial's text prints no result. Nothing else is missing.
    assert "lacks package" not in run(lab, validate).text
    customer.automation.client.package.delete(*customer.automation.at, release.environment, missing)
    assert f"alpha  lacks package   {missing} " in run(lab, validate).text
