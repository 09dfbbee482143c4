"""Signals end a command in the same way as Ctrl-C. So the command releases its lock, and says what goes on in Azure."""

import signal
import threading
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from types import FrameType
from typing import Any

# SIGHUP: the terminal is closed, or the connection to it.
NUMBERS = (signal.SIGTERM, signal.SIGHUP)
# The exit code after a signal is the sum of this number and the signal's number, as in shells.
SIGNALLED = 128


class EndedBySignal(KeyboardInterrupt):
    """A signal has asked the command to end. It is not the signal of Ctrl-C."""

    def __init__(self, number: int) -> None:
        """Keep the signal's number."""
        super().__init__(number)
        self.number = number


class Interrupted(KeyboardInterrupt):
    """A command was interrupted in the middle of its work, and can say where.

    Attributes:
        code: The command's exit code.
        result: The JSON result: what is done, what goes on in Azure, and which command continues.
        text: The text that a person has not seen yet.
    """

    def __init__(self, code: int, result: Mapping[str, Any], text: str = "") -> None:
        """Keep the exit code, the result and the text."""
        super().__init__(code)
        self.code = code
        self.result = result
        self.text = text


def exit_code_of(interrupt: KeyboardInterrupt) -> int:
    """Return the exit code of a command that was interrupted."""
    if isinstance(interrupt, Interrupted):
        return interrupt.code
    return SIGNALLED + (interrupt.number if isinstance(interrupt, EndedBySignal) else signal.SIGINT)


@contextmanager
def ended_by_signals() -> Iterator[None]:
    """Within the block, raise EndedBySignal for the first signal of each number in NUMBERS.

    A second signal of the same number must not end the clean-up. When a terminal is closed, both the shell and the
    kernel send SIGHUP. A signal that was ignored before (nohup) stays ignored.
    """
    if threading.current_thread() is not threading.main_thread():
        yield
        return
    before = {number: signal.getsignal(number) for number in NUMBERS}
    taken = [number for number, handler in before.items() if handler is not signal.SIG_IGN]
    for number in taken:
        signal.signal(number, _raise)
    try:
        yield
    finally:
        for number in taken:
            signal.signal(number, before[number])


def _raise(number: int, _frame: FrameType | None) -> None:
    signal.signal(number, signal.SIG_IGN)
    raise EndedBySignal(number)
