"""Failures of a run itself: parameters, engine, output, and the delivery of its log."""

from runbook_lib.errors.entry import EXIT_USAGE, entry

UNKNOWN_PARAMETER = entry(
    "VD-PARAM-001",
    "unknown parameter",
    "The runbook has no parameter of this name.",
    "Run it with --help to see its parameters.",
    exit_code=EXIT_USAGE,
)
MALFORMED_PARAMETER = entry(
    "VD-PARAM-002",
    "a parameter has the wrong form",
    "The parameter does not take a value of this form.",
    "Give the parameter a value as the message says.",
    exit_code=EXIT_USAGE,
)
UNREADABLE_PARAMETERS = entry(
    "VD-PARAM-003",
    "the parameters cannot be read",
    "The job's one argument is not a JSON object in base64url. Automation splits arguments at spaces and changes JSON,"
    " so the suite encodes it.",
    "Start the job with `vibedata invoke`, or encode the JSON object as base64url without padding.",
    exit_code=EXIT_USAGE,
)
CHANGE_NOT_SEEN = entry(
    "VD-ENGINE-001",
    "a change was made but cannot be seen",
    "After the change, the run read the target back and found something else.",
    "Run it again. If it fails again, find out who else changes the same target.",
    retryable=True,
)
STOPPED = entry(
    "VD-ENGINE-002",
    "the run was stopped",
    "Somebody or something asked it to end before it had made all changes.",
    "Run it again: it goes on where this run ended.",
    retryable=True,
)
UNEXPECTED = entry(
    "VD-ENGINE-900",
    "an unexpected error",
    "The suite has a fault, or a service gave an answer that the suite does not know.",
    "Send the job's verbose stream, or the correlation id, to the publisher.",
)
OUTPUT_FULL = entry(
    "VD-OUTPUT-001",
    "the job's output is full",
    "Automation fails a job that writes more than 1 MiB, so the suite left out the rest of the progress.",
    "Read the full record in table VibeData_Operations_CL.",
)
EVENTS_NOT_DELIVERED = entry(
    "VD-LOG-001",
    "the operations log could not be delivered",
    "Log ingestion does not answer, or refuses vibedata-uami: it lacks the role Monitoring Metrics Publisher on the"
    " data collection rule, or the assignment is younger than 30 minutes.",
    "Nothing is lost: the events wait in blob container operations-spool, and the next run of any runbook delivers"
    " them.",
    retryable=True,
)
EVENTS_NOT_STORED = entry(
    "VD-LOG-002",
    "the operations log could be neither delivered nor stored",
    "Log ingestion does not accept the events, and blob container operations-spool does not either. Or the secret"
    " publisher-acr-token, which proves the waiting events, cannot be read.",
    "Keep this job's output: it has the events. Check the roles in docs/operators.md, and check that the secret"
    " exists.",
    retryable=True,
)
STORED_EVENTS_NOT_DELIVERED = entry(
    "VD-LOG-003",
    "stored events of the operations log cannot be delivered",
    "Blob container operations-spool or secret publisher-acr-token cannot be read, log ingestion refuses a blob"
    " because of its content, or somebody else wrote into the container. After a rotation there is another cause: if"
    " the former version of the secret is disabled, nothing proves the events from before.",
    "Look at the blob that the message names, or check the roles in docs/operators.md. If ingestion refuses a blob,"
    " later runs try it again after all others. A blob that no runbook wrote is never delivered and delays nothing,"
    " and the runs warn of it once: find out who wrote it, and delete it.",
)
