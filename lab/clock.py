"""The lab's clock: the machine's, moved by an offset that the control API sets."""

import time


class LabClock:
    """Seconds since the epoch, UTC, as every stand-in sees them.

    Stand-ins judge expiry (tokens, leases, time-based immutability) by this clock, so that a test can let hours pass in
    an instant. The real servers and the jobs keep the machine's own clock.
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
        """Move the lab's time by `seconds` from where it is."""
        self._offset += seconds

    def set_offset(self, seconds: float) -> None:
        """Set the lab's time to the machine's plus `seconds`."""
        self._offset = seconds

    def reset(self) -> None:
        """Return to the machine's time."""
        self._offset = 0.0
