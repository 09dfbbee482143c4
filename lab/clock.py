"""The lab's clock: the machine's, moved by an offset that the control API sets."""

import time


class LabClock:
    """The time that every stand-in uses, in seconds since the epoch, UTC.

    Stand-ins use this clock for everything that expires (tokens, leases, time-based immutability), so that a test can
    let hours pass at once. The real servers and the jobs use the machine's clock.
    """

    def __init__(self) -> None:
        self._offset = 0.0

    @property
    def offset_seconds(self) -> float:
        """Seconds by which the lab is ahead of the machine (negative: behind)."""
        return self._offset

    def now(self) -> float:
        """Return the lab's time in seconds since the epoch."""
        return time.time() + self._offset

    def advance(self, seconds: float) -> None:
        """Move the lab's time by `seconds`."""
        self._offset += seconds

    def set_offset(self, seconds: float) -> None:
        """Set the lab's time to the machine's plus `seconds`."""
        self._offset = seconds

    def reset(self) -> None:
        """Go back to the machine's time."""
        self._offset = 0.0
