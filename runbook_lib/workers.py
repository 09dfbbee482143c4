"""Do many things side by side: with results in order, or with workers that can be abandoned if they hang."""

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

    `at_once` is the number of things at the same time. If `look` raises exceptions, this raises the one of the first
    thing.
    """
    with ThreadPoolExecutor(at_once) as threads:
        return list(threads.map(look, things))


class Workers(Generic[R]):
    """Threads that work off numbered tasks, in the order of the numbers.

    They are daemon threads, because an abandoned thread must not keep the process alive.

    Args:
        task: Does the task with a number. It never raises an exception.
        count: The number of tasks.
        monotonic: Returns the time in seconds.
    """

    def __init__(self, task: Callable[[int], R], *, count: int, monotonic: Callable[[], float]) -> None:
        self._task = task
        self._monotonic = monotonic
        self._waiting = deque(range(count))
        # The start time of each task, by its number.
        self._in_flight: dict[int, float] = {}
        self._lock = Lock()
        self._arrived: SimpleQueue[tuple[int, R]] = SimpleQueue()

    def start(self, workers: int) -> None:
        """Start this number of workers."""
        for _ in range(workers):
            Thread(target=self._work_off, daemon=True).start()

    def arrived(self, *, within: float) -> tuple[int, R] | None:
        """Return the number and the result of the next task that ends. Return None if none ends in time.

        `within` is the time to wait, in seconds.
        """
        try:
            return self._arrived.get(timeout=within)
        except Empty:
            return None

    def in_flight(self) -> Mapping[int, float]:
        """Return the tasks that are being done, each with its start time."""
        with self._lock:
            return dict(self._in_flight)

    def take_waiting(self) -> list[int]:
        """Return the tasks that have not begun. They will not begin any more."""
        with self._lock:
            taken = list(self._waiting)
            self._waiting.clear()
        return taken

    def leave_behind(self, number: int) -> bool:
        """Abandon a task and start another worker in place of its worker.

        Return False if the task has ended already.
        """
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
                    return  # The task was abandoned, and another worker has replaced this one.
            self._arrived.put((number, result))
