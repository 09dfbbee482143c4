"""validate_runbooks over the wire: real jobs of small runbooks, and the report about each that is not ready."""

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from runbooks import publish_runbooks, validate_runbooks
from tests.support import installed
from tests.support.installed import Customer, wheels
from tests.support.runbook_run import QuickClock, run
from tests.support.running_lab import LabUnderTest
from tests.support.tried_runbook import GOOD

PUBLISH, VALIDATE = publish_runbooks.RUNBOOK, validate_runbooks.RUNBOOK


def failing(code: str, message: str, *, before: str = "") -> str:
    error = {"code": code, "message": message, "cause": "c", "remedy": "r", "retryable": False}
    return (
        GOOD.replace("import one, ", "")
        .replace("json, one, os", "json, os")
        .replace('"status": "planned"', '"status": "failed"')
        .replace('"error": None', f'"error": json.loads({json.dumps(error)!r})')
        .replace("print(json", f"{before}print(json")
        + "sys.exit(1)\n"
    )


@pytest.fixture
def customer(lab: LabUnderTest) -> Iterator[Customer]:
    with installed.customer(lab) as opened:
        yield opened


def jobs(lab: LabUnderTest) -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = lab.control("GET", "/jobs")["jobs"]
    return found


def test_each_runbook_is_tried_once_and_side_by_side(lab: LabUnderTest, customer: Customer, tmp_path: Path) -> None:
    # Each job waits for all others. If they ran one after the other, none would end.
    meeting = f"""\
import os, pathlib, time
place = pathlib.Path({str(tmp_path)!r})
(place / str(os.getpid())).touch()
while len(list(place.iterdir())) < 3:
    time.sleep(0.05)
"""
    customer.install(dict.fromkeys(("alpha", "beta", "gamma"), meeting + GOOD), wheels("one"))
    run(lab, PUBLISH)
    done = run(lab, VALIDATE, correlation_id="deployment-7")
    assert (done.exit_code, done.status) == (0, "succeeded"), done.text
    assert done.outcomes() == {f"runbook {name}": "done" for name in ("alpha", "beta", "gamma")}
    assert sorted(done.result["report"]["ready"]) == ["alpha", "beta", "gamma"]
    assert done.result["report"]["lacking"] == []
    started = jobs(lab)
    assert sorted(job["runbook"] for job in started) == ["alpha", "beta", "gamma"]
    assert max(job["started"] for job in started) < min(job["ended"] for job in started)
    # Each job only plans, and belongs to the same deployment.
    for job in started:
        given = json.loads(customer.automation.output(job["id"]))["given"]
        assert given == {
            "plan_only": True,
            "trial": True,
            "started_by": "validate_runbooks",
            "correlation_id": "deployment-7",
        }


def test_it_says_what_each_lacks(lab: LabUnderTest, customer: Customer) -> None:
    lacking = {
        "role": failing("VD-NET-003", "an Azure service refused the request (vault): 403"),
        "name": failing("VD-VAULT-001", "a secret is missing (publisher-acr-token)"),
        "endpoint": failing("VD-NET-001", "an Azure service cannot be reached: no such host"),
        "package": "import nowhere.to_be_found\n",
        "lazy": failing("VD-ENGINE-900", "ModuleNotFoundError", before="print(\"VERBOSE: No module named 'later'\")\n"),
        "silent": "print('bye')\n",
        "crash": "raise SystemExit('out of luck')\n",
        "odd": failing("VD-ENGINE-900", "an unexpected error: KeyError"),
    }
    customer.install({"fine": GOOD, **lacking}, wheels("one"))
    run(lab, PUBLISH)
    done = run(lab, VALIDATE)
    assert (done.exit_code, done.error_code) == (1, "VD-AUTOMATION-010"), done.text
    assert done.outcomes()["runbook fine"] == "done"
    assert done.codes() == {f"runbook {name}": "VD-AUTOMATION-010" for name in lacking}
    rows = {line.split()[1]: line.split(maxsplit=2)[2] for line in done.text.splitlines() if "WARNING: " in line}
    assert rows == {
        "role": "lacks role      VD-NET-003: an Azure service refused the request (vault): 403",
        "name": "lacks name      VD-VAULT-001: a secret is missing (publisher-acr-token)",
        "endpoint": "lacks endpoint  VD-NET-001: an Azure service cannot be reached: no such host",
        "package": "lacks package   no module nowhere",
        "lazy": "lacks package   no module later",
        "silent": "lacks other     the job is Completed: it printed no result",
        "crash": "lacks other     the job is Failed: out of luck",
        "odd": "lacks other     VD-ENGINE-900: an unexpected error: KeyError",
    }
    assert done.result["report"]["ready"] == ["fine"]
    assert len(done.result["report"]["lacking"]) == len(lacking)


def test_an_offer_that_is_refused_is_nothing_lacking(lab: LabUnderTest, customer: Customer) -> None:
    customer.install({"alpha": failing("VD-MANIFEST-007", "older than what is installed")}, wheels("one"))
    run(lab, PUBLISH)
    assert run(lab, VALIDATE).status == "succeeded"


def test_what_is_not_published_as_pinned_is_not_tried(lab: LabUnderTest, customer: Customer) -> None:
    release = customer.install({"alpha": GOOD, "beta": GOOD, "gamma": GOOD}, wheels("one", "two"))
    run(lab, PUBLISH)
    client, at = customer.automation.client, customer.automation.at
    client.runbook.delete(*at, "alpha")
    client.runbook_draft.begin_replace_content(*at, "beta", "print('edited')").result()
    client.runbook.begin_publish(*at, "beta").result()
    done = run(lab, VALIDATE)
    assert done.codes() == {"runbook alpha": "VD-AUTOMATION-010", "runbook beta": "VD-AUTOMATION-010"}, done.text
    assert "alpha  lacks name      published is nothing, not sha256:" in done.text
    assert [job["runbook"] for job in jobs(lab)] == ["gamma"]

    client.package.delete(*at, release.environment, "two")
    done = run(lab, VALIDATE)
    assert len(done.codes()) == 3
    assert f"gamma  lacks package   two 1.0 is absent in {release.environment}" in done.text


def test_what_the_release_can_do_without_is_compared_and_not_tried(lab: LabUnderTest, customer: Customer) -> None:
    customer.install({"alpha": GOOD, "beta": GOOD}, wheels("one"), optional=("beta",))
    run(lab, PUBLISH)
    done = run(lab, VALIDATE)
    assert (done.status, done.outcomes(), done.result["unchanged"]) == ("succeeded", {"runbook alpha": "done"}, 1)
    client, at = customer.automation.client, customer.automation.at
    client.runbook_draft.begin_replace_content(*at, "beta", "print('edited')").result()
    client.runbook.begin_publish(*at, "beta").result()
    edited = run(lab, VALIDATE)
    assert edited.codes() == {"runbook beta": "VD-AUTOMATION-010"}, edited.text
    # A runbook that has run here needs no second trial (test_proven_runbooks.py).
    assert [job["runbook"] for job in jobs(lab)] == ["alpha"]


def test_it_checks_itself_without_starting_itself(lab: LabUnderTest, customer: Customer) -> None:
    customer.install({"alpha": GOOD, "validate_runbooks": GOOD}, wheels("one"))
    run(lab, PUBLISH)
    done = run(lab, VALIDATE)
    assert (done.status, done.outcomes()) == ("succeeded", {"runbook alpha": "done"}), done.text
    customer.automation.client.runbook.delete(*customer.automation.at, "validate_runbooks")
    assert run(lab, VALIDATE).codes() == {"runbook validate_runbooks": "VD-AUTOMATION-010"}
    assert {job["runbook"] for job in jobs(lab)} == {"alpha"}


def test_a_plan_starts_no_job(lab: LabUnderTest, customer: Customer) -> None:
    customer.install({"alpha": GOOD}, wheels("one"))
    run(lab, PUBLISH)
    planned = run(lab, VALIDATE, plan_only=True)
    assert (planned.status, len(planned.result["changes"]), planned.writes()) == ("planned", 1, []), planned.text
    assert jobs(lab) == []


def test_a_lost_answer_starts_no_second_job(lab: LabUnderTest, customer: Customer) -> None:
    customer.install({"alpha": GOOD}, wheels("one"))
    run(lab, PUBLISH)
    lab.fault("reset_after", match={"service": "arm", "method": "PUT", "path": "/jobs/"})
    assert run(lab, VALIDATE).status == "succeeded"
    assert len(jobs(lab)) == 1


def test_a_job_that_never_ends_has_a_deadline(lab: LabUnderTest, customer: Customer) -> None:
    customer.install({"alpha": "import time\ntime.sleep(60)\n"}, wheels("one"))
    run(lab, PUBLISH)
    done = run(lab, VALIDATE, clock=QuickClock(500))
    assert done.codes() == {"runbook alpha": "VD-AUTOMATION-004"}, done.text
