"""Do a task in a thread of its own that does not outlive the run."""

from collections.abc import Callable
from concurrent.futures import Future
from threading import Semaphore, Thread
from typing import TypeVar

R = TypeVar("R")


class DaemonThreads:
    """At most `at_once` tasks at the same time, each in a daemon thread. Many threads may use it.

    Python finishes all tasks of a ThreadPoolExecutor before it ends a process, also those that have not begun. After a
    stop, these would change things although the run has given up its lock.
    """

    def __init__(self, at_once: int) -> None:
        self._room = Semaphore(at_once)

    def do(self, task: Callable[[], R]) -> R:
        """Return what `task` returns. Raises the exceptions of `task`. The caller waits if there is no room."""
        future: Future[R] = Future()

        def work() -> None:
            try:
                future.set_result(task())
            except BaseException as error:  # noqa: BLE001 - the caller raises it
                future.set_exception(error)

        with self._room:
            Thread(target=work, daemon=True).start()
            return future.result()
