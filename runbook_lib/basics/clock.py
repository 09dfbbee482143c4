"""The clock. Callers give it to functions, so that tests of waiting and expiry need not wait."""

import time
from datetime import datetime, timezone
from typing import Protocol


class Clock(Protocol):
    """A source of time."""

    def now(self) -> datetime:
        """Return the wall clock's time, aware, in UTC."""
        ...

    def monotonic(self) -> float:
        """Return seconds that never run backwards. Use them only to measure."""
        ...

    def sleep(self, seconds: float) -> None:
        """Wait for `seconds`."""
        ...


class SystemClock:
    """The machine's own clock."""

    def now(self) -> datetime:
        """Return the current time, aware, in UTC."""
        return datetime.now(timezone.utc)

    def monotonic(self) -> float:
        """Return the monotonic clock in seconds."""
        return time.monotonic()

    def sleep(self, seconds: float) -> None:
        """Wait for `seconds`."""
        time.sleep(seconds)


SYSTEM_CLOCK = SystemClock()
# Somebody else may have written a time. With a time at the edge of Python's calendar (the years 1 and 9999), a sum or
# another time zone is an OverflowError.
YEARS = range(1970, 9000)


def rfc3339(moment: datetime) -> str:
    """Return an aware time as RFC 3339 in UTC with microseconds, e.g. `2026-11-23T10:00:00.000000Z`."""
    return moment.astimezone(timezone.utc).strftime("%Y-%m-%dT%H:%M:%S.%fZ")


def from_rfc3339(text: str) -> datetime:
    """Return the time in a text. It is aware if the text has an offset.

    Raises ValueError, also if the year is not one of YEARS.
    """
    # Python 3.10 does not read `Z`.
    moment = datetime.fromisoformat(text.replace("Z", "+00:00"))
    if moment.year not in YEARS:
        raise ValueError(text)
    return moment
