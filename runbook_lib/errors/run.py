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
    "The value is not of the kind that the parameter takes.",
    "Give the parameter a value as the message says.",
    exit_code=EXIT_USAGE,
)
UNREADABLE_PARAMETERS = entry(
    "VD-PARAM-003",
    "the parameters cannot be read",
    "The one argument is not the base64url form of a JSON object. Automation splits arguments at spaces and does"
    " not hand JSON on unchanged.",
    "Start the job with `vibedata invoke`, or encode the JSON object as base64url without padding.",
    exit_code=EXIT_USAGE,
)
CHANGE_NOT_SEEN = entry(
    "VD-ENGINE-001",
    "a change was made but does not show",
    "After the change the world was read back and held something else.",
    "Run it again; if it stays, somebody else changes the same thing.",
    retryable=True,
)
STOPPED = entry(
    "VD-ENGINE-002",
    "the run was stopped",
    "It was asked to end before all changes were made.",
    "Run it again; it goes on where this one ended.",
    retryable=True,
)
UNEXPECTED = entry(
    "VD-ENGINE-900",
    "an unexpected error",
    "A fault of the suite, or an answer that it does not know.",
    "Send the job's verbose stream, or the correlation id, to the publisher.",
)
OUTPUT_FULL = entry(
    "VD-OUTPUT-001",
    "the job's output is full",
    "Automation fails a job that writes more than 1 MiB, so that the rest of the progress is left out.",
    "Read the full record in table VibeData_Operations_CL.",
)
