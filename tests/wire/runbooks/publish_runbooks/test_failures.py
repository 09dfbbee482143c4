"""Failures that a publication survives, and the error if it cannot go on."""

from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest

from tests.support.installed import Customer, wheels
from tests.support.publications import PUBLISH, SCRIPTS
from tests.support.runbook_run import run
from tests.support.running_lab import LabUnderTest


@pytest.mark.parametrize(
    ("service", "method", "path"),
    [
        ("arm", "PUT", "/runtimeEnvironments/[^/]*[?]"),
        ("arm", "PUT", "/packages/"),
        ("arm", "PUT", "/runbooks/alpha[?]"),
        ("arm", "PUT", "/draft/content"),
        ("arm", "POST", "/publish"),
        ("blob", "PUT", "/artifacts/"),
    ],
)
def test_a_lost_answer_is_overcome(lab: LabUnderTest, customer: Customer, service: str, method: str, path: str) -> None:
    release = customer.install(SCRIPTS, wheels("one"))
    lab.fault("reset_after", match={"service": service, "method": method, "path": path})
    done = run(lab, PUBLISH)
    assert done.status == "succeeded", done.text
    assert customer.published("alpha") == ("Published", release.environment, SCRIPTS["alpha"])
    assert run(lab, PUBLISH).status == "unchanged"


@pytest.mark.parametrize(
    ("fault", "code"),
    [
        ({"status": 403, "code": "QuotaExceeded"}, "VD-AUTOMATION-007"),
        ({"status": 409, "code": "Conflict"}, "VD-AUTOMATION-008"),
        ({"status": 403}, "VD-NET-003"),
        ({"status": 500}, "VD-NET-002"),
    ],
)
def test_what_the_account_refuses_is_named(
    lab: LabUnderTest, customer: Customer, fault: dict[str, Any], code: str
) -> None:
    customer.install(SCRIPTS, wheels("one"))
    lab.fault("status", times=0, match={"service": "arm", "method": "PUT", "path": "/runtimeEnvironments/"}, **fault)
    done = run(lab, PUBLISH)
    assert list(done.codes().values()) == [code], done.text
    assert done.outcomes()["package one"] == "skipped"


def test_an_account_that_is_not_there_is_named(lab: LabUnderTest, customer: Customer) -> None:
    customer.install(SCRIPTS, wheels("one"))
    done = run(lab, PUBLISH, settings={"automation_account": "nowhere"})
    assert (done.error_code, done.writes()) == ("VD-AUTOMATION-001", []), done.text


def test_a_run_that_was_cut_off_is_taken_up(lab: LabUnderTest, customer: Customer) -> None:
    release = customer.install(SCRIPTS, wheels("one", "two"))
    lab.fault("status", status=400, times=0, match={"service": "arm", "method": "POST", "path": "/publish"})
    assert run(lab, PUBLISH).error_code == "VD-AUTOMATION-008"
    lab.clear_faults()
    rest = run(lab, PUBLISH)
    assert rest.outcomes() == {"runbook alpha": "done", "runbook beta": "done"}
    assert "had a draft" not in rest.text  # the draft was its own
    assert customer.published("beta") == ("Published", release.environment, SCRIPTS["beta"])


def test_two_runs_at_once_leave_one_whole_publication(lab: LabUnderTest, customer: Customer) -> None:
    release = customer.install(SCRIPTS, wheels("one"))
    with ThreadPoolExecutor(2) as runs:
        ended = list(runs.map(lambda _: run(lab, PUBLISH), range(2)))
    assert {done.status for done in ended} == {"succeeded"}, "\n".join(done.text for done in ended)
    for name, text in SCRIPTS.items():
        assert customer.published(name) == ("Published", release.environment, text)
    assert run(lab, PUBLISH).status == "unchanged"


def test_a_storage_account_without_the_container_is_named(lab: LabUnderTest, customer: Customer) -> None:
    customer.install(SCRIPTS, wheels("one"))
    customer.blobs.delete_container("artifacts")
    done = run(lab, PUBLISH)
    assert (done.error_code, done.writes()) == ("VD-STORAGE-004", []), done.text


def test_an_operation_that_does_not_end_ends_the_run(
    lab: LabUnderTest, customer: Customer, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("runbook_lib.azure.operations.OPERATION_SECONDS", 1.0)
    customer.install(SCRIPTS, wheels("one"))
    lab.latency(operation="runbook", seconds=24 * 3600)
    done = run(lab, PUBLISH)
    assert (done.exit_code, set(done.codes().values())) == (1, {"VD-ARM-003"}), done.text
