"""Failures of the Automation account, its packages and its jobs."""

from runbook_lib.errors.entry import entry

ACCOUNT_UNUSABLE = entry(
    "VD-AUTOMATION-001",
    "the Automation account cannot be used",
    "It is not there, or not as it should be.",
    "Check settings automation_account, resource_group and subscription_id: `az automation account list` shows the"
    " accounts that there are.",
)
PACKAGE_REFUSED = entry(
    "VD-AUTOMATION-002",
    "a package was not accepted",
    "Automation could not import the wheel.",
    "See the package's error in the portal; check that the package set was built for CPython 3.10 on Linux.",
)
PACKAGE_IMPORT_TIMED_OUT = entry(
    "VD-AUTOMATION-003",
    "a package import did not end in time",
    "Automation's provisioning state stayed open.",
    "Run it again; if the state stays, delete the package in the portal and run it again.",
    retryable=True,
)
JOB_TIMED_OUT = entry(
    "VD-AUTOMATION-004",
    "the job did not end in time",
    "It is still queued or running.",
    "Look at the job in the portal; the runbook is safe to start again.",
    retryable=True,
)
JOB_WITHOUT_RESULT = entry(
    "VD-AUTOMATION-005",
    "the job ended without a result",
    "It was killed (memory, time, a stopped sandbox), could not start, or its last line is not this runbook's"
    " result: another text runs under its name, or Automation says otherwise than the line.",
    "See the job's status, its exception, and what the message says of its last line; the runbook is safe to start"
    " again. Where another text runs, `vibedata deploy` publishes the release's.",
    retryable=True,
)
RUNBOOK_OF_SOMEBODY_ELSE = entry(
    "VD-AUTOMATION-006",
    "runbooks that are not the suite's stand in the way",
    "A runbook of the account has a name that the release needs, and is of another type, or was never published by"
    " the suite.",
    "Find out whose it is; rename or delete it, then run it again. Nothing of it was touched.",
)
ACCOUNT_LIMIT_REACHED = entry(
    "VD-AUTOMATION-007",
    "the Automation account is at one of its limits",
    "It takes no further runtime environment, package, runbook or job; see its own words in the message.",
    "Delete runtime environments vibedata-... that no runbook uses, or ask Azure for a higher limit; then run it"
    " again.",
)
CHANGE_REFUSED = entry(
    "VD-AUTOMATION-008",
    "the Automation account refuses a change",
    "See its own words in the message.",
    "Mend what the message says; then run it again.",
)
PACKAGE_IMPORTS_BLOCKED = entry(
    "VD-AUTOMATION-009",
    "Automation took no further package import for too long",
    "It takes 5 in 30 seconds; somebody else imports packages into the same account, or it is throttled.",
    "Run it again when the other imports are done; what was imported is not imported again.",
    retryable=True,
)
RUNBOOK_NOT_READY = entry(
    "VD-AUTOMATION-010",
    "a runbook is not ready",
    "It is not published as the release has it, or lacks a package, a role, a name or an endpoint; the message says"
    " which.",
    "Mend what is lacking (docs/operators.md has the roles), or run publish_runbooks; then run it again.",
    retryable=True,
)
ENVIRONMENT_OF_OTHER_PYTHON = entry(
    "VD-AUTOMATION-011",
    "a runtime environment of a reserved name is not of Python 3.10",
    "Its language and version can never be changed.",
    "Delete it if nothing uses it; then run it again.",
)
NO_SUCH_RUNBOOK = entry(
    "VD-AUTOMATION-020",
    "the Automation account has no such runbook",
    "The name is not written as it was published, or this release has no such runbook.",
    "Give one of the names in the message; `vibedata status` shows the last runs. `vibedata deploy DIR` publishes a"
    " release's runbooks.",
)
NOTHING_PUBLISHED = entry(
    "VD-AUTOMATION-021",
    "nothing is published yet that could run",
    "The Automation account is there, and the runbook has no published text: no deployment has got that far.",
    "Publish the runbooks first: `vibedata deploy DIR`, where DIR is what `vibedata build` made.",
)
