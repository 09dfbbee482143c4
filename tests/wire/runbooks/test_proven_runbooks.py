"""validate_runbooks over the wire: what a former job proves, and what proves nothing."""

from collections.abc import Iterator

import pytest

from runbook_lib.automation.account import AutomationAccount
from runbook_lib.automation.writing import set_variable
from runbook_lib.azure.settings import AUTOMATION_VARIABLE, load
from runbook_lib.run.parameters import encode
from runbooks import publish_runbooks, validate_runbooks
from tests.support import installed
from tests.support.installed import Customer, wheels
from tests.support.runbook_run import Run, run
from tests.support.running_lab import LabUnderTest
from tests.support.tried_runbook import GOOD

PUBLISH, VALIDATE = publish_runbooks.RUNBOOK, validate_runbooks.RUNBOOK
SCRIPTS = {"alpha": GOOD, "beta": GOOD + "# another text\n"}
PACKAGES = wheels("one")


@pytest.fixture
def customer(lab: LabUnderTest) -> Iterator[Customer]:
    with installed.customer(lab) as opened:
        opened.install(SCRIPTS, PACKAGES)
        run(lab, PUBLISH)
        assert tried(run(lab, VALIDATE)) == {"alpha", "beta"}
        yield opened


def tried(done: Run) -> set[str]:
    """The runbooks that were tried and are ready. The others are proven."""
    assert done.status == ("succeeded" if done.result["changes"] else "unchanged"), done.text
    ready = set(done.result["report"]["ready"])
    assert set(done.result["report"]["proven"]) == set(SCRIPTS) - ready
    return ready


def edit(customer: Customer, name: str, text: str) -> None:
    client, at = customer.automation.client, customer.automation.at
    client.runbook_draft.begin_replace_content(*at, name, text).result()
    client.runbook.begin_publish(*at, name).result()


def run_job(customer: Customer, name: str, **parameters: object) -> None:
    given = {"parameters": encode({"correlation_id": "somebody", **parameters})}
    customer.automation.ended(customer.automation.start(given, name=name))


def test_a_runbook_that_has_run_here_is_not_tried_again(lab: LabUnderTest, customer: Customer) -> None:
    again = run(lab, VALIDATE)
    assert (tried(again), again.writes()) == (set(), []), again.text
    assert len(lab.control("GET", "/jobs")["jobs"]) == len(SCRIPTS)
    # Whoever wants it has all tried.
    assert tried(run(lab, VALIDATE, try_all=True)) == set(SCRIPTS)
    # A job of a run for other settings tells nothing of this one.
    run_job(customer, "alpha", settings={"prefix": "other"})
    assert tried(run(lab, VALIDATE)) == {"alpha"}
    # A job may have failed since: so the cause of it is looked for.
    customer.automation.ended(customer.automation.start(None, name="beta"))
    assert tried(run(lab, VALIDATE)) == {"beta"}
    # What Automation has kept cannot be read: a trial needs nothing of it.
    lab.fault("status", status=403, times=0, match={"service": "arm", "path": "/runbookContent"})
    blind = run(lab, VALIDATE)
    assert tried(blind) == set(SCRIPTS)
    assert "alpha is tried: its newest job cannot be read (VD-NET-003)" in blind.text
    lab.control("DELETE", "/faults")
    assert tried(run(lab, VALIDATE)) == set()


def test_a_runbook_with_another_text_is_tried_again(lab: LabUnderTest, customer: Customer) -> None:
    customer.install({**SCRIPTS, "alpha": GOOD + "# a newer one\n"}, PACKAGES, version="2026.12.0")
    run(lab, PUBLISH)
    assert tried(run(lab, VALIDATE)) == {"alpha"}
    # Somebody lets another text say that all is well, under the same name, and puts the right one back.
    edit(customer, "beta", GOOD.replace("import base64", "import base64  # forged\nimport base64"))
    run_job(customer, "beta")
    edit(customer, "beta", SCRIPTS["beta"])
    forged = run(lab, VALIDATE)
    assert tried(forged) == {"beta"}
    assert "beta is tried: its newest job ran another text" in forged.text


def test_a_runbook_in_another_environment_is_tried_again(lab: LabUnderTest, customer: Customer) -> None:
    customer.install(SCRIPTS, wheels("one", "two"), version="2026.12.0")
    run(lab, PUBLISH)
    moved = run(lab, VALIDATE)
    assert tried(moved) == set(SCRIPTS)
    assert "alpha is tried: its newest job ran elsewhere" in moved.text
    # The settings that a job reads are others now.
    settings = load({}, lab.env, None)
    set_variable(AutomationAccount(client=customer.automation.client, settings=settings), AUTOMATION_VARIABLE, "{}")
    after = run(lab, VALIDATE)
    assert tried(after) == set(SCRIPTS)
    assert "alpha is tried: the settings were written after its newest job" in after.text
    assert tried(run(lab, VALIDATE)) == set()
