"""publish_runbooks may do exactly what it declares: make an environment, import packages, publish runbooks."""

from runbook_lib.permissions.every_runbook import EVERY_RUNBOOK
from runbooks.publish_runbooks import RUNBOOK
from tests.support.automation import automation
from tests.support.installed import Customer, wheels
from tests.support.permissions import asked, grant
from tests.support.publications import PUBLISH, SCRIPTS
from tests.support.runbook_run import run
from tests.support.running_lab import LabUnderTest

# A package whose import has failed is removed before it is imported again.
NOT_HERE = {"Microsoft.Automation/automationAccounts/runtimeEnvironments/packages/delete"}


def test_a_first_publication_needs_what_is_declared_and_no_more(lab: LabUnderTest, customer: Customer) -> None:
    customer.install(SCRIPTS, wheels("one", "two"))
    with automation(lab) as account:
        grant(account, {*EVERY_RUNBOOK, *RUNBOOK.permissions}, judged="everybody")
        done = run(lab, PUBLISH)
        assert (done.exit_code, done.status) == (0, "succeeded"), done.text
        declared = {action for each in RUNBOOK.permissions for action in (*each.actions, *each.data_actions)}
        assert declared - asked(account) == NOT_HERE
