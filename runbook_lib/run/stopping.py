"""A request to stop (SIGTERM from Automation, SIGINT from a shell), taken where it does no harm."""

import signal
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from types import FrameType


class StopRequest:
    """Whether the run was asked to stop.

    Until `defer` the first request raises KeyboardInterrupt in the main thread: looking may be broken off anywhere.
    After it a request is only noted: the engine ends what is under way, and the log and the result are written.
    """

    def __init__(self) -> None:
        self._asked = threading.Event()
        self._deferred = False

    def asked(self) -> bool:
        """Return whether a stop was asked for."""
        return self._asked.is_set()

    def defer(self) -> None:
        """From now on only note requests."""
        self._deferred = True

    def receive(self, _number: int, _frame: FrameType | None) -> None:
        """Take a signal; a second one changes nothing."""
        first = not self._asked.is_set()
        self._asked.set()
        if first and not self._deferred:
            raise KeyboardInterrupt


@contextmanager
def stop_request() -> Iterator[StopRequest]:
    """Take SIGTERM and SIGINT while the context lasts; in another thread than the main one there are no signals."""
    stop = StopRequest()
    if threading.current_thread() is not threading.main_thread():
        yield stop
        return
    before = {number: signal.signal(number, stop.receive) for number in (signal.SIGTERM, signal.SIGINT)}
    try:
        yield stop
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)
