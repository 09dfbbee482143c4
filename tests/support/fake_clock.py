"""A clock that moves only when code sleeps or a test moves it."""

from datetime import datetime, timedelta, timezone


class FakeClock:
    def __init__(self) -> None:
        self.slept: list[float] = []
        self._seconds = 0.0

    def now(self) -> datetime:
        return datetime(2026, 11, 23, 10, 0, tzinfo=timezone.utc) + timedelta(seconds=self._seconds)

    def monotonic(self) -> float:
        return self._seconds

    def sleep(self, seconds: float) -> None:
        self.slept.append(seconds)
        self._seconds += seconds

    def advance(self, seconds: float) -> None:
        self._seconds += seconds
