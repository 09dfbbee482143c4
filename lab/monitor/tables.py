"""The Log Analytics workspace's tables: their columns, and what ingestion does with the values that it gets.

Faithful: a column that the stream does not declare is dropped. A missing `TimeGenerated`, or one that is more than 2
days old or more than 1 day ahead, becomes the time of receipt. A value above 64 KB is truncated. Answers show times in
the service's format, not as they were sent (to the microsecond here, to 100 ns in Azure).
Not documented, so chosen here: a value whose type is not its column's becomes null, unless Kusto's JSON mapping
converts it (anything into string and dynamic; numbers, booleans and times written as strings).
Left out: transformations, the delay until data can be queried (the service's is some seconds, up to 15 minutes for
a new table).

Sources: learn logs-ingestion-api-overview, data-ingestion-time, includes/azure-monitor-limits-custom-logs,
structure-data-collection-endpoint ("stream declarations"), kusto management/json-mapping.
"""

import json
import re
import sys
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime, timedelta, timezone
from typing import Any, Literal

ColumnType = Literal["string", "int", "long", "real", "boolean", "datetime", "dynamic"]
Row = dict[str, Any]

MAX_FIELD_BYTES = 64 * 1024
MAX_AGE = timedelta(days=2)
MAX_AHEAD = timedelta(days=1)
INTEGER_BITS = {"int": 32, "long": 64}
MAX_REAL = sys.float_info.max

# docs/design.md#log-lock-callbacks. `Sequence` counts a run's events, `DurationMs` and `Attempts` are whole numbers,
# `Details` is JSON.
OPERATIONS_COLUMNS: Mapping[str, ColumnType] = {
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

_TIME = re.compile(
    r"(\d{4}-\d{2}-\d{2})(?:[T ](\d{2}:\d{2}(?::\d{2})?)(?:\.(\d{1,9}))?\s*(Z|[+-]\d{2}:?\d{2})?)?", re.IGNORECASE
)


@dataclass(slots=True)
class LogTables:
    """The rows that have arrived, by table, in order of arrival."""

    rows: dict[str, list[Row]] = field(default_factory=dict)

    def add(self, table: str, columns: Mapping[str, ColumnType], records: list[Mapping[str, Any]], now: float) -> None:
        """Store records as rows of `table`; `now` is the time of receipt in epoch seconds."""
        received = datetime.fromtimestamp(now, timezone.utc)
        self.rows.setdefault(table, []).extend(_row(columns, record, received) for record in records)

    def clear(self) -> None:
        """Forget every row."""
        self.rows.clear()


def _row(columns: Mapping[str, ColumnType], record: Mapping[str, Any], received: datetime) -> Row:
    row = {name: converted(record.get(name), kind) for name, kind in columns.items()}
    at = row.get("TimeGenerated")
    if at is None or at < received - MAX_AGE or at > received + MAX_AHEAD:
        row["TimeGenerated"] = received
    return row


def converted(value: object, kind: ColumnType) -> Any:
    """Return a JSON value as a column of type `kind` stores it; None if the column cannot store it."""
    if value is None:
        return None
    if kind in ("string", "dynamic"):
        return truncated(value if isinstance(value, str) else compact(value))
    if kind == "datetime":
        return parsed_time(value) if isinstance(value, str) else None
    plain = _from_text(value) if isinstance(value, str) else value
    if kind == "boolean":
        return plain if isinstance(plain, bool) else None
    return _number(plain, kind)


def _number(value: object, kind: ColumnType) -> float | int | None:
    """Return a number as `int`, `long` or `real` stores it; None if it is not a number or does not fit."""
    if isinstance(value, bool) or not isinstance(value, int | float):
        return None
    if not -MAX_REAL <= value <= MAX_REAL:  # not infinite, and not NaN
        return None
    if kind == "real":
        return float(value)
    limit = 1 << (INTEGER_BITS[kind] - 1)
    return int(value) if value == int(value) and -limit <= value < limit else None


def _from_text(text: str) -> object:
    """Return the number or boolean that is written in a string, or None."""
    try:
        return json.loads(text.strip().lower(), parse_constant=lambda _name: None)
    except ValueError:
        return None


def compact(value: object) -> str:
    """Return JSON without white space, with the keys in their order."""
    return json.dumps(value, ensure_ascii=False, separators=(",", ":"))


def truncated(text: str) -> str:
    """Cut a text to at most MAX_FIELD_BYTES of UTF-8, but never inside a character."""
    data = text.encode(errors="surrogatepass")
    if len(data) <= MAX_FIELD_BYTES:
        return text
    return data[:MAX_FIELD_BYTES].decode(errors="ignore")


def parsed_time(text: str) -> datetime | None:
    """Read an ISO 8601 time (UTC if it names no zone), to the microsecond; None if it is not one."""
    match = _TIME.fullmatch(text.strip())
    if match is None:
        return None
    day, clock, fraction, zone = match.groups()
    clock = clock or "00:00:00"
    clock = clock if clock.count(":") == 2 else f"{clock}:00"
    offset = "+00:00" if zone is None or zone in "Zz" else zone if ":" in zone else f"{zone[:3]}:{zone[3:]}"
    try:
        whole = datetime.fromisoformat(f"{day}T{clock}{offset}")
    except ValueError:
        return None
    microseconds = int((fraction or "0").ljust(6, "0")[:6])
    return (whole + timedelta(microseconds=microseconds)).astimezone(timezone.utc)


def formatted_time(at: datetime) -> str:
    """Write a time as the query API does: UTC, the fraction without trailing zeros, `Z`."""
    fraction = f".{at.microsecond:06d}".rstrip("0").rstrip(".")
    return f"{at:%Y-%m-%dT%H:%M:%S}{fraction}Z"
