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
VARIABLE_ENCRYPTED = entry(
    "VD-AUTOMATION-012",
    "the Automation variable is encrypted",
    "Azure shows no value of an encrypted variable, so nobody can compare it with the wanted one. No variable of the"
    " suite holds a secret, so none has to be encrypted.",
    "Delete the variable that the message names, and write it again with isEncrypted false. Azure cannot change this of"
    " a variable that exists.",
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
JOB_START_UNKNOWN = entry(
    "VD-AUTOMATION-022",
    "nobody knows whether the job has started",
    "The answer to the start was lost, and then Automation could not be asked.",
    "Do not start it again yet. As soon as Azure answers, look whether the job of the message is there.",
    retryable=True,
)
NO_SUCH_JOB = entry(
    "VD-AUTOMATION-023",
    "the Automation account has no such job",
    "No job has this id, and no runbook of this name has had a job. Automation keeps jobs for 30 days.",
    "Run `vibedata jobs`, which lists the jobs. Give the id of one, the beginning of an id, or a runbook's name.",
)
JOB_AMBIGUOUS = entry(
    "VD-AUTOMATION-024",
    "several jobs begin like this",
    "The beginning of a job's id must fit one job only.",
    "Give more of the id. The message lists the jobs that fit.",
)
JOB_STOPPED = entry(
    "VD-AUTOMATION-025",
    "the job was stopped",
    "Somebody stopped it, or another deployment took over.",
    "Find out who stopped it: the account's activity log has the operation. You can safely start the runbook again: it"
    " goes on where the job ended.",
    retryable=True,
)
JOB_EVICTED = entry(
    "VD-AUTOMATION-026",
    "Automation ended the job after 3 hours",
    "A job of a cloud sandbox may run for 3 hours (fair share). Automation does not start it again.",
    "Start the runbook again: it goes on where the job ended.",
    retryable=True,
)
JOB_SUSPENDED = entry(
    "VD-AUTOMATION-027",
    "the job is suspended",
    "Its sandbox could not start it or ran out of memory three times, or somebody suspended it. It does not go on by"
    " itself, and a Python job cannot be resumed.",
    "Correct what the message says, and start the runbook again: it goes on where the job ended.",
)
JOB_STUCK = entry(
    "VD-AUTOMATION-028",
    "the job does not go on",
    "Automation holds it in a state that does not end by itself: the account may be out of its quota or disabled, or"
    " the worker may be lost.",
    "Look at the Automation account and at the job in the portal. Stop the job there before you start the runbook"
    " again.",
)
JOB_REMOVED = entry(
    "VD-AUTOMATION-029",
    "the job is gone",
    "Somebody deleted the job or the Automation account while the job was followed.",
    "Run `vibedata jobs`, which lists the jobs that are there. The operations log has what the run did. You can safely"
    " start the runbook again.",
    retryable=True,
)
