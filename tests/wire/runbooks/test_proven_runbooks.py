"""validate_runbooks over the wire: which former jobs prove a runbook, and which do not."""

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
    """Return the runbooks that were tried and are ready. The others are proven."""
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
    # A person can ask to try all runbooks.
    assert tried(run(lab, VALIDATE, try_all=True)) == set(SCRIPTS)
    # A job of a run with other settings proves nothing for this one.
    run_job(customer, "alpha", settings={"prefix": "other"})
    assert tried(run(lab, VALIDATE)) == {"alpha"}
    # A later job may have failed, so the cause has to be found.
    customer.automation.ended(customer.automation.start(None, name="beta"))
    assert tried(run(lab, VALIDATE)) == {"beta"}
    # Automation's records cannot be read. A trial does not need them.
    lab.fault("status", status=403, times=0, match={"service": "arm", "path": "/runbookContent"})
    blind = run(lab, VALIDATE)
    assert tried(blind) == set(SCRIPTS)
    assert "alpha is tried: its newest job cannot be read (VD-NET-003)" in blind.text
    lab.clear_faults()
    assert tried(run(lab, VALIDATE)) == set()


def test_a_runbook_with_another_text_is_tried_again(lab: LabUnderTest, customer: Customer) -> None:
    customer.install({**SCRIPTS, "alpha": GOOD + "# a newer one\n"}, PACKAGES, version="2026.12.0")
    run(lab, PUBLISH)
    assert tried(run(lab, VALIDATE)) == {"alpha"}
    # Somebody publishes another text under the same name, which reports success, and then restores the right one.
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
    # The settings that a job reads have changed.
    settings = load({}, lab.env, None)
    set_variable(AutomationAccount(client=customer.automation.client, settings=settings), AUTOMATION_VARIABLE, "{}")
    after = run(lab, VALIDATE)
    assert tried(after) == set(SCRIPTS)
    assert "alpha is tried: the settings were written after its newest job" in after.text
    assert tried(run(lab, VALIDATE)) == set()
