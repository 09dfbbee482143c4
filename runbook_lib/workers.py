"""Doing many things side by side: with results in order, or with workers of which one that hangs can be left behind."""

from collections import deque
from collections.abc import Callable, Iterable, Mapping
from concurrent.futures import ThreadPoolExecutor
from queue import Empty, SimpleQueue
from threading import Lock, Thread
from typing import Generic, TypeVar

T = TypeVar("T")
R = TypeVar("R")


def side_by_side(look: Callable[[T], R], things: Iterable[T], *, at_once: int) -> list[R]:
    """Return what `look` returns for each of the things, in their order.

    at_once: how many are looked at at the same time. Raises what `look` raises for the first for which it does.
    """
    with ThreadPoolExecutor(at_once) as threads:
        return list(threads.map(look, things))


class Workers(Generic[R]):
    """Threads that work off numbered tasks, in the order of the numbers.

    They are daemon threads: one that is left behind must not keep the process alive. Parameters: task, does the task of
    a number and never raises; count, of the tasks; monotonic, the time in seconds.
    """

    def __init__(self, task: Callable[[int], R], *, count: int, monotonic: Callable[[], float]) -> None:
        self._task = task
        self._monotonic = monotonic
        self._waiting = deque(range(count))
        # Number -> when it was begun.
        self._in_flight: dict[int, float] = {}
        self._lock = Lock()
        self._arrived: SimpleQueue[tuple[int, R]] = SimpleQueue()

    def start(self, workers: int) -> None:
        """Start that many workers."""
        for _ in range(workers):
            Thread(target=self._work_off, daemon=True).start()

    def arrived(self, *, within: float) -> tuple[int, R] | None:
        """Return the next task that has ended, by its number, and what came of it; None where none has in time.

        within: how long to wait for it, in seconds.
        """
        try:
            return self._arrived.get(timeout=within)
        except Empty:
            return None

    def in_flight(self) -> Mapping[int, float]:
        """Return which tasks are being done, and when each was begun."""
        with self._lock:
            return dict(self._in_flight)

    def take_waiting(self) -> list[int]:
        """Return which tasks have not been begun. They never will be."""
        with self._lock:
            taken = list(self._waiting)
            self._waiting.clear()
        return taken

    def leave_behind(self, number: int) -> bool:
        """Let a task be, whatever comes of it, with another worker in its worker's place; False where it has ended."""
        with self._lock:
            if self._in_flight.pop(number, None) is None:
                return False
        self.start(1)
        return True

    def _work_off(self) -> None:
        while True:
            with self._lock:
                if not self._waiting:
                    return
                number = self._waiting.popleft()
                self._in_flight[number] = self._monotonic()
            result = self._task(number)
            with self._lock:
                if self._in_flight.pop(number, None) is None:
                    return  # It was left behind, and another worker has this one's place.
            self._arrived.put((number, result))
