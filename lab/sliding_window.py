"""How often something may happen within a sliding time, as services limit it. Pure; the clock is given."""

from collections import deque


class SlidingWindow:
    """A limit on how often something may happen within a sliding time."""

    def __init__(self, *, limit: int) -> None:
        """Allow `limit` times."""
        self._limit = limit
        self._times: deque[float] = deque()

    def wait_seconds(self, *, now: float, seconds: float) -> float:
        """Count one event at `now` and return 0; at the limit, return the seconds until the next is allowed."""
        while self._times and self._times[0] <= now - seconds:
            self._times.popleft()
        if len(self._times) < self._limit:
            self._times.append(now)
            return 0.0
        return self._times[0] + seconds - now

    def clear(self) -> None:
        """Forget what happened."""
        self._times.clear()
