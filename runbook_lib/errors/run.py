"""Failures of a run itself: parameters, engine, output."""

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
