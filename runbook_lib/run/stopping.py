"""Requests to stop (SIGTERM from Automation, SIGINT, SIGHUP from a shell). A run stops only where that does no harm."""

import signal
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from types import FrameType


class StopRequest:
    """Whether somebody asked the run to stop.

    Before `defer` the first request raises KeyboardInterrupt in the main thread: the run only reads, so it may end.
    After `defer` a request is only noted. The engine lets begun changes end, and the run writes the log and the result.
    """

    def __init__(self) -> None:
        self._asked = threading.Event()
        self._deferred = False

    def asked(self) -> bool:
        """Return whether somebody asked for a stop."""
        return self._asked.is_set()

    def defer(self) -> None:
        """Only note requests from now on."""
        self._deferred = True

    def receive(self, _number: int, _frame: FrameType | None) -> None:
        """Handle a signal. A second signal changes nothing."""
        first = not self._asked.is_set()
        self._asked.set()
        if first and not self._deferred:
            raise KeyboardInterrupt


@contextmanager
def stop_request() -> Iterator[StopRequest]:
    """Handle SIGTERM, SIGINT and SIGHUP within the block, SIGHUP not below nohup. Only the main thread gets them."""
    stop = StopRequest()
    if threading.current_thread() is not threading.main_thread():
        yield stop
        return
    numbers = [signal.SIGTERM, signal.SIGINT]
    if signal.getsignal(signal.SIGHUP) is not signal.SIG_IGN:
        numbers.append(signal.SIGHUP)
    before = {number: signal.signal(number, stop.receive) for number in numbers}
    try:
        yield stop
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)
