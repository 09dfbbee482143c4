"""The outcome of a report's delivery: an error of this area, an event of the log, and a line of the output."""

import hashlib
from collections.abc import Mapping
from typing import Literal

from runbook_lib.callbacks.client import CallbackReport
from runbook_lib.callbacks.payloads import Payload, to_json
from runbook_lib.errors import ErrorEntry, RunbookError
from runbook_lib.errors import callbacks as callbacks_errors
from runbook_lib.network.failures import as_runbook_error
from runbook_lib.operations_log.events import Entry

Outcome = Literal["sent", "kept", "not kept"]
_SENTENCES: Mapping[Outcome, str] = {
    "sent": "Sent a report to the publisher.",
    "kept": "Kept a report that the publisher did not take. A later run sends it.",
    "not kept": "Could neither send nor keep a report for the publisher. The job's output has it.",
}


def named(entry: ErrorEntry, error: Exception) -> RunbookError:
    """Return an error of this area unchanged, and any other as `entry`, which quotes its code and message."""
    own = as_runbook_error(error)
    if own is not None and own.area == callbacks_errors.AREA:
        return own
    if own is None:
        return entry.error(type(error).__name__)
    told = entry.error(f"{own.code}: {own.message}")
    told.origin = own.origin
    return told


def kept_nowhere(payload: Payload) -> str:
    """Return a line for the job's output, which keeps the report if nothing else does. A payload has no secrets."""
    return f"callback that is kept nowhere else: {to_json(payload).decode()}"


def event_of(report: CallbackReport, outcome: Outcome, error_code: str = "") -> Entry:
    """Return the event. So the customer's own log shows everything that has left the tenant."""
    content = to_json(report.payload)
    return Entry(
        step="run",
        action="callback",
        target=report.payload.kind,
        outcome=outcome,
        error_code=error_code,
        message=f"{_SENTENCES[outcome]} Its kind is {report.payload.kind}, and its content is in Details.",
        details={
            "ReportId": report.report_id,
            "Sha256": hashlib.sha256(content).hexdigest(),
            "Content": content.decode("ascii"),
        },
    )
