"""Events of the operations log. Each holds the hash of the event before it, so that a gap or an edit shows. Pure.

`EventId` is the SHA-256 (hex) over the canonical JSON (keys sorted, no spaces, ASCII) of all columns except `EventId`
and `TimeGenerated`. Azure replaces a TimeGenerated that is more than two days old by the time of receipt
(docs/azure-facts.md#log-analytics). That happens to events that waited in the spool. So `Details.At` has the event's
own time, and it is hashed. Azure also cuts fields over 64 KB, so every field is cut well below that before hashing.
Events have only values that a table returns unchanged: texts (never null), whole numbers, and in Details objects of
these.

The chain proves that nobody removed, changed or reordered single events of a run. It is not a signature: a person who
may write to the table can write a whole new chain.

Delivery is at least once: a reader drops the copies, e.g. `VibeData_Operations_CL | summarize take_any(*) by EventId`.

Source: docs/design.md#log-lock-callbacks.
"""

import hashlib
import json
import re
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Literal

from runbook_lib.basics.clock import rfc3339

TABLE = "VibeData_Operations_CL"
# Each column, and its type in the stream of the data collection rule.
COLUMNS: Mapping[str, str] = {
    "TimeGenerated": "datetime",
    "EventId": "string",
    "CorrelationId": "string",
    "RunId": "string",
    "Sequence": "int",
    "PreviousEventId": "string",
    "Runbook": "string",
    "RunbookVersion": "string",
    "Step": "string",
    "Action": "string",
    "Target": "string",
    "Outcome": "string",
    "DurationMs": "long",
    "Attempts": "int",
    "ErrorCode": "string",
    "Message": "string",
    "Details": "dynamic",
}
_NOT_HASHED = ("EventId", "TimeGenerated")
# The limit of a column, or of a text in Details, in UTF-8 bytes. DETAILS_LIMIT texts stay below Azure's 64 KB for
# Details, and a whole event fits into one upload even if JSON escapes make it three times as long.
TEXT_LIMIT = 4 * 1024
DETAILS_LIMIT = 8
_CONTROL = re.compile(r"[\x00-\x08\x0b-\x1f\x7f]")
_CUT = " ... (cut)"

Event = dict[str, Any]


@dataclass(frozen=True, slots=True, kw_only=True)
class RunIdentity:
    """The run that writes the events. `version` is the release's, and `started_by` says who started the run."""

    run_id: str
    correlation_id: str
    runbook: str
    version: str
    started_by: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Entry:
    """An event's content. `step` is the part of the run. `details` has at most DETAILS_LIMIT - 1 members."""

    step: Literal["run", "observe", "plan", "apply", "verify"]
    outcome: str
    action: str = ""
    target: str = ""
    duration_ms: int = 0
    attempts: int = 0
    error_code: str = ""
    message: str = ""
    details: Mapping[str, str | int] | None = None


def make_event(run: RunIdentity, entry: Entry, *, at: datetime, sequence: int, previous: str) -> Event:
    """Return the event, a row of TABLE. `sequence` begins at 0. `previous` is the EventId before it, "" for none."""
    details: dict[str, str | int] = {"At": rfc3339(at), **(entry.details or {})}
    if len(details) > DETAILS_LIMIT:
        raise ValueError(f"an event has at most {DETAILS_LIMIT} details")
    event: Event = {
        "TimeGenerated": rfc3339(at),
        "CorrelationId": run.correlation_id,
        "RunId": run.run_id,
        "Sequence": sequence,
        "PreviousEventId": previous,
        "Runbook": run.runbook,
        "RunbookVersion": run.version,
        "Step": entry.step,
        "Action": entry.action,
        "Target": entry.target,
        "Outcome": entry.outcome,
        "DurationMs": entry.duration_ms,
        "Attempts": entry.attempts,
        "ErrorCode": entry.error_code,
        "Message": entry.message,
        "Details": {name: _storable(value) for name, value in details.items()},
    }
    event = {name: _storable(value) for name, value in event.items()}
    return {"EventId": event_id(event)} | event


def event_id(event: Mapping[str, Any]) -> str:
    """Return the EventId that an event must have."""
    hashed = {name: event[name] for name in COLUMNS if name not in _NOT_HASHED}
    return hashlib.sha256(canonical_json(hashed)).hexdigest()


def canonical_json(value: object) -> bytes:
    """Return the one form of a JSON value: keys sorted, no spaces, ASCII."""
    return json.dumps(value, sort_keys=True, separators=(",", ":"), allow_nan=False).encode("ascii")


def _storable(value: Any) -> Any:
    """Return a text that the table returns unchanged: no control characters or lone surrogates, within TEXT_LIMIT."""
    if not isinstance(value, str):
        return value
    text = _CONTROL.sub(lambda found: f"\\x{ord(found.group()):02x}", value)
    data = text.encode("utf-8", errors="backslashreplace")
    if len(data) <= TEXT_LIMIT:
        return data.decode()
    return data[: TEXT_LIMIT - len(_CUT)].decode("utf-8", errors="ignore") + _CUT
