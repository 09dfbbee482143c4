"""Failures with the customer's resources: vault, resource group, component registry, health, Automation."""

from runbook_lib.errors.entry import entry

ENTRIES = (
    entry(
        "VD-VAULT-001",
        "a secret is missing",
        "The customer's Key Vault does not hold it, holds it deleted but recoverable, or holds it disabled. The message"
        " says which, and what to type for it.",
        "Do what the message says. Absent: the publisher provisions it (`vibedata rotate-acr-token`, `vibedata"
        " rotate-hmac`). Deleted: `az keyvault secret recover --vault-name VAULT --name SECRET`. Disabled: `az keyvault"
        " secret set-attributes --vault-name VAULT --name SECRET --enabled true`.",
    ),
    entry(
        "VD-VAULT-002",
        "a secret has the wrong form",
        'Secret publisher-acr-token must be JSON: {"username": ..., "password": ...}.',
        "Ask the publisher to provision it again.",
    ),
    entry(
        "VD-VAULT-003",
        "a secret cannot be used now",
        "Its validity has ended, or has not begun.",
        "Expired: the publisher makes it anew (`vibedata rotate-acr-token`). Not yet valid: check this machine's clock"
        " and the secret's start.",
    ),
    entry(
        "VD-ARM-001",
        "Azure Resource Manager's answer cannot be understood",
        "It is not what the REST reference says, or leads elsewhere.",
        "Check setting arm_endpoint, and that no proxy stands between.",
    ),
    entry(
        "VD-ARM-002",
        "there is no such resource group",
        "The subscription has no resource group of this name, or the identity may not see it.",
        "Check settings subscription_id and resource_group, and the role Reader on the managed resource group.",
    ),
    entry(
        "VD-COMPONENT-001",
        "the managed resource group lacks what the release names",
        "These components' resources are not there: the deployment is not complete, is of another release, or a"
        " resource was deleted or renamed.",
        "Complete the deployment of the managed application, or install the release that belongs to it. Nothing was"
        " written.",
        retryable=True,
    ),
    entry(
        "VD-COMPONENT-002",
        "the release manifest names a resource twice",
        "Several components claim the same resource, so that versions and health would contradict each other.",
        "Tell the publisher; nothing was written.",
    ),
    entry(
        "VD-COMPONENT-003",
        "the component registry is of a newer schema",
        "A newer release has written it, and schemas only go forward.",
        "Run the runbooks of that release. Nothing was written.",
    ),
    entry(
        "VD-COMPONENT-004",
        "an entity is too large for the component registry",
        "Table Storage takes keys of at most 1,024 characters and entities of at most 1 MiB.",
        "Shorten the name or the texts that the message names. Nothing was written.",
    ),
    entry(
        "VD-COMPONENT-005",
        "a component drifts from the release",
        "Its resource runs another version than the installed release has.",
        "Deploy the release's version to it, or install the release that it belongs to. The run goes on: this is a"
        " warning.",
    ),
    entry(
        "VD-COMPONENT-006",
        "the component registry does not hold still",
        "Others changed the same entities every time that they were to be written.",
        "Wait until other runs have ended, then run it again.",
        retryable=True,
    ),
    entry(
        "VD-COMPONENT-007",
        "a table of the component registry cannot be made now",
        "Table Storage is still deleting a table of the same name, which takes some minutes.",
        "Find out who deleted it; run it again in a few minutes.",
        retryable=True,
    ),
    entry(
        "VD-HEALTH-001",
        "the component registry holds no component",
        "Nothing was registered yet, so there is nothing whose health could be checked.",
        "Run bootstrap_registry; then run it again.",
        retryable=True,
    ),
    entry(
        "VD-AUTOMATION-001",
        "the Automation account cannot be used",
        "It is not there, or not as it should be.",
        "Check settings automation_account, resource_group and subscription_id: `az automation account list` shows the"
        " accounts that there are.",
    ),
    entry(
        "VD-AUTOMATION-002",
        "a package was not accepted",
        "Automation could not import the wheel.",
        "See the package's error in the portal; check that the package set was built for CPython 3.10 on Linux.",
    ),
    entry(
        "VD-AUTOMATION-003",
        "a package import did not end in time",
        "Automation's provisioning state stayed open.",
        "Run it again; if the state stays, delete the package in the portal and run it again.",
        retryable=True,
    ),
    entry(
        "VD-AUTOMATION-004",
        "the job did not end in time",
        "It is still queued or running.",
        "Look at the job in the portal; the runbook is safe to start again.",
        retryable=True,
    ),
    entry(
        "VD-AUTOMATION-005",
        "the job ended without a result",
        "It was killed (memory, time, a stopped sandbox), could not start, or its last line is not this runbook's"
        " result: another text runs under its name, or Automation says otherwise than the line.",
        "See the job's status, its exception, and what the message says of its last line; the runbook is safe to start"
        " again. Where another text runs, `vibedata deploy` publishes the release's.",
        retryable=True,
    ),
    entry(
        "VD-AUTOMATION-006",
        "runbooks that are not the suite's stand in the way",
        "A runbook of the account has a name that the release needs, and is of another type, or was never published by"
        " the suite.",
        "Find out whose it is; rename or delete it, then run it again. Nothing of it was touched.",
    ),
    entry(
        "VD-AUTOMATION-007",
        "the Automation account is at one of its limits",
        "It takes no further runtime environment, package, runbook or job; see its own words in the message.",
        "Delete runtime environments vibedata-... that no runbook uses, or ask Azure for a higher limit; then run it"
        " again.",
    ),
    entry(
        "VD-AUTOMATION-008",
        "the Automation account refuses a change",
        "See its own words in the message.",
        "Mend what the message says; then run it again.",
    ),
    entry(
        "VD-AUTOMATION-009",
        "Automation took no further package import for too long",
        "It takes 5 in 30 seconds; somebody else imports packages into the same account, or it is throttled.",
        "Run it again when the other imports are done; what was imported is not imported again.",
        retryable=True,
    ),
    entry(
        "VD-AUTOMATION-010",
        "a runbook is not ready",
        "It is not published as the release has it, or lacks a package, a role, a name or an endpoint; the message says"
        " which.",
        "Mend what is lacking (docs/operators.md has the roles), or run publish_runbooks; then run it again.",
        retryable=True,
    ),
    entry(
        "VD-AUTOMATION-011",
        "a runtime environment of a reserved name is not of Python 3.10",
        "Its language and version can never be changed.",
        "Delete it if nothing uses it; then run it again.",
    ),
    entry(
        "VD-AUTOMATION-020",
        "the Automation account has no such runbook",
        "The name is not written as it was published, or this release has no such runbook.",
        "Give one of the names in the message; `vibedata status` shows the last runs. `vibedata deploy DIR` publishes a"
        " release's runbooks.",
    ),
    entry(
        "VD-AUTOMATION-021",
        "nothing is published yet that could run",
        "The Automation account is there, and the runbook has no published text: no deployment has got that far.",
        "Publish the runbooks first: `vibedata deploy DIR`, where DIR is what `vibedata build` made.",
    ),
)
