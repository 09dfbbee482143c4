"""Failures of the publisher's instances: their documents, the table, and the choice of one."""

from runbook_lib.errors.entry import EXIT_USAGE, entry

DOCUMENT_MALFORMED = entry(
    "VD-INSTANCE-001",
    "an instance document is malformed",
    "It is not strict JSON of the published schema, publisher/instance-document.schema.json.",
    "Correct the part that the message names.",
    exit_code=EXIT_USAGE,
)
NO_SUCH_INSTANCE = entry(
    "VD-INSTANCE-002",
    "there is no such instance",
    "The publisher's table Instances has no row with this id.",
    "Look for the id with `vibedata instance list`. A file is named by its path, for example ./contoso.json.",
    exit_code=EXIT_USAGE,
)
ENVIRONMENT_CONTRADICTS = entry(
    "VD-INSTANCE-003",
    "the environment contradicts the instance document",
    "Variables of this shell say something else than the document. They may belong to another customer's instance.",
    "Unset the variables that the message names, or name the instance that they are for. Nothing was changed.",
    exit_code=EXIT_USAGE,
)
ID_TAKEN = entry(
    "VD-INSTANCE-004",
    "another instance document has this id",
    "The publisher's table Instances has a row with this id, and it says something else.",
    "Look at it with `vibedata instance show ID`. To change it, use `vibedata instance edit ID --set NAME=VALUE`."
    " Nothing was changed.",
)
CHANGED_MEANWHILE = entry(
    "VD-INSTANCE-005",
    "somebody else has changed the instance document",
    "It was changed or removed after this command had read it.",
    "Run the same command again: it shows what is there now. Nothing was changed.",
    retryable=True,
)
ROW_MALFORMED = entry(
    "VD-INSTANCE-006",
    "a row of table Instances is malformed",
    "Somebody has written to the row in another way than `vibedata instance`. Its document is not of the published"
    " schema, or its id is not the row's key.",
    "Find out who wrote it. Then remove it with `vibedata instance remove ID`, and add the right document.",
)
NOT_CONFIRMED = entry(
    "VD-INSTANCE-007",
    "nobody confirmed which instance is meant",
    "What was asked for cannot be taken back, so the command asks for the instance's name or id. There is no terminal"
    " to ask on, or another name was given.",
    "Run it again on a terminal and give the name, or add --yes if you are sure. Nothing was changed.",
    exit_code=EXIT_USAGE,
)
DOCUMENT_UNREADABLE = entry(
    "VD-INSTANCE-008",
    "the file of an instance document cannot be read",
    "There is no such file, it is no regular file, or it is too large for an instance document.",
    "Check the path. An id has small letters, digits and dashes alone; everything else is taken for a file.",
    exit_code=EXIT_USAGE,
)
