"""Failures of the component registry, and of the health that it records."""

from runbook_lib.errors.entry import entry

RESOURCE_MISSING = entry(
    "VD-COMPONENT-001",
    "the managed resource group lacks what the release names",
    "The resources of these components do not exist: the deployment is not complete or belongs to another release, or"
    " somebody deleted or renamed a resource.",
    "Complete the deployment of the managed application, or install the release that belongs to it. Nothing was"
    " written.",
    retryable=True,
)
RESOURCE_NAMED_TWICE = entry(
    "VD-COMPONENT-002",
    "the release manifest names a resource twice",
    "Several components claim the same resource, so their versions and health states would contradict each other.",
    "Tell the publisher; nothing was written.",
)
SCHEMA_IS_NEWER = entry(
    "VD-COMPONENT-003",
    "the component registry is of a newer schema",
    "A newer release has written it, and this version cannot read a newer schema.",
    "Run the runbooks of that release. Nothing was written.",
)
ENTITY_TOO_LARGE = entry(
    "VD-COMPONENT-004",
    "an entity is too large for the component registry",
    "Table Storage takes keys of at most 1,024 characters and entities of at most 1 MiB.",
    "Shorten the name or the texts that the message names. Nothing was written.",
)
COMPONENT_DRIFTS = entry(
    "VD-COMPONENT-005",
    "a component drifts from the release",
    "Its resource runs another version than the installed release has.",
    "Deploy the release's version to it, or install the release that it belongs to. The run goes on: this is a"
    " warning.",
)
TABLES_KEEP_CHANGING = entry(
    "VD-COMPONENT-006",
    "the component registry keeps changing",
    "Other runs changed the same rows each time before this run could write them.",
    "Wait until other runs have ended, then run it again.",
    retryable=True,
)
TABLE_NOT_MADE = entry(
    "VD-COMPONENT-007",
    "a table of the component registry cannot be created now",
    "Table Storage is still deleting a table of the same name. That takes some minutes.",
    "Run it again in a few minutes. Find out who deleted the table.",
    retryable=True,
)
ANOTHER_INSTANCE = entry(
    "VD-COMPONENT-008",
    "the settings lead to another instance's resources",
    "The component registry records another instance than the settings name. Settings of two instances are mixed, or"
    " somebody has changed the row schema/identity of table Schema.",
    "Nothing was changed. Compare the settings with those of the instance that you mean: `vibedata instance show ID`."
    " If the tables do belong to this instance, delete that row and run bootstrap_registry.",
)
IDENTITY_MALFORMED = entry(
    "VD-COMPONENT-009",
    "the record of the instance's identity is malformed",
    "Somebody has written to the row schema/identity of table Schema: columns are missing, or are not texts.",
    "Nothing was changed. Make sure that the storage account is this instance's. Then delete that row and run"
    " bootstrap_registry.",
)
NO_COMPONENT_REGISTERED = entry(
    "VD-HEALTH-001",
    "the component registry holds no component",
    "No component is registered yet, so there is no health to check.",
    "Run bootstrap_registry; then run it again.",
    retryable=True,
)
