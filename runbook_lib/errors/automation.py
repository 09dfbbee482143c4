"""Failures of the Automation account, its packages and its jobs."""

from runbook_lib.errors.entry import entry

ACCOUNT_UNUSABLE = entry(
    "VD-AUTOMATION-001",
    "the Automation account cannot be used",
    "It does not exist, or it is not in a usable state.",
    "Check settings automation_account, resource_group and subscription_id: `az automation account list` shows the"
    " accounts of the subscription.",
)
PACKAGE_REFUSED = entry(
    "VD-AUTOMATION-002",
    "a package was not accepted",
    "Automation could not import the wheel.",
    "Read the package's error in the portal. Check that the package set was built for CPython 3.10 on Linux.",
)
PACKAGE_IMPORT_TIMED_OUT = entry(
    "VD-AUTOMATION-003",
    "a package import did not end in time",
    "Automation's provisioning state of the package did not become final.",
    "Run it again. If the state stays, delete the package in the portal and run it again.",
    retryable=True,
)
JOB_TIMED_OUT = entry(
    "VD-AUTOMATION-004",
    "the job did not end in time",
    "It is still queued or running.",
    "Look at the job in the portal. You can safely start the runbook again.",
    retryable=True,
)
JOB_WITHOUT_RESULT = entry(
    "VD-AUTOMATION-005",
    "the job ended without a result",
    "It was killed (memory, time, a stopped sandbox), or it could not start. Or its last line is not this runbook's"
    " result: another program runs under its name, or the line contradicts Automation.",
    "Read the job's status, its exception, and what the message says of its last line. You can safely start the"
    " runbook again. If another program runs, `vibedata deploy` publishes the release's runbook again.",
    retryable=True,
)
RUNBOOK_OF_SOMEBODY_ELSE = entry(
    "VD-AUTOMATION-006",
    "runbooks of somebody else have names that the release needs",
    "A runbook of the account has a name that the release needs. It is of another type, or the suite did not publish"
    " it.",
    "Find out whose runbook it is. Rename or delete it, then run it again. The suite did not touch it.",
)
ACCOUNT_LIMIT_REACHED = entry(
    "VD-AUTOMATION-007",
    "the Automation account is at one of its limits",
    "It accepts no further runtime environment, package, runbook or job. The message has its own words.",
    "Delete those runtime environments vibedata-... that no runbook uses, or ask Azure for a higher limit. Then run it"
    " again.",
)
CHANGE_REFUSED = entry(
    "VD-AUTOMATION-008",
    "the Automation account refuses a change",
    "The message has its own words.",
    "Correct what the message names, then run it again.",
)
PACKAGE_IMPORTS_BLOCKED = entry(
    "VD-AUTOMATION-009",
    "Automation took no further package import for too long",
    "It accepts 5 in 30 seconds. Somebody else imports packages into the same account, or Azure throttles it.",
    "Run it again when the other imports have ended. Imported packages are not imported again.",
    retryable=True,
)
RUNBOOK_NOT_READY = entry(
    "VD-AUTOMATION-010",
    "a runbook is not ready",
    "Its published text is not the release's, or it lacks a package, a role, a name or an endpoint. The message says"
    " which.",
    "Add what is missing (docs/operators.md has the roles), or run publish_runbooks. Then run it again.",
    retryable=True,
)
ENVIRONMENT_OF_OTHER_PYTHON = entry(
    "VD-AUTOMATION-011",
    "a runtime environment with a reserved name is not of Python 3.10",
    "Its language and version can never be changed.",
    "Delete it if nothing uses it; then run it again.",
)
NO_SUCH_RUNBOOK = entry(
    "VD-AUTOMATION-020",
    "the Automation account has no such runbook",
    "The name is misspelt, or this release has no such runbook.",
    "Give one of the names in the message; `vibedata status` shows the last runs. `vibedata deploy DIR` publishes a"
    " release's runbooks.",
)
NOTHING_PUBLISHED = entry(
    "VD-AUTOMATION-021",
    "the runbook is not published yet",
    "The Automation account exists, but the runbook has no published text. No deployment has published it yet.",
    "Publish the runbooks first: `vibedata deploy DIR`. DIR is the folder that `vibedata build` made.",
)
