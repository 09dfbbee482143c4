"""A deadline for one whole exchange. Every wait for a socket obeys it.

A socket's own time-out begins anew with every byte: a server that sends one byte now and then would hold a reader for
ever. So each wait for a socket may take the time that is left until the deadline. The deadline does not cover the
resolution of a name: the resolver has its own time-out, and nothing can interrupt it.
"""

import contextlib
import io
import socket
from collections.abc import Iterator, Sequence
from contextvars import ContextVar
from typing import TYPE_CHECKING, Any

from runbook_lib.basics.clock import SYSTEM_CLOCK, Clock

if TYPE_CHECKING:
    from _typeshed import WriteableBuffer


class Deadline:
    """A time on the monotonic clock, `seconds` from now."""

    def __init__(self, clock: Clock, seconds: float) -> None:
        self._clock = clock
        self._end = clock.monotonic() + seconds

    def left(self) -> float:
        """Return the seconds that are left. Raises TimeoutError if there are none."""
        left = self._end - self._clock.monotonic()
        if left <= 0:
            raise TimeoutError("no whole answer in the time that was agreed")
        return left


_CURRENT: ContextVar[Deadline | None] = ContextVar("deadline", default=None)


@contextlib.contextmanager
def within(seconds: float) -> Iterator[None]:
    """Limit every request that this thread begins in the block to `seconds` in all, with the body of its answer.

    A block within another has no more time than the outer one. It uses the machine's clock, as sockets do.
    """
    outer = _CURRENT.get()
    if outer is not None:
        with contextlib.suppress(TimeoutError):  # no time is left: the first wait for a socket says so
            seconds = min(seconds, outer.left())
    token = _CURRENT.set(Deadline(SYSTEM_CLOCK, seconds))
    try:
        yield
    finally:
        _CURRENT.reset(token)


def current() -> Deadline | None:
    """Return the deadline of the block that this thread is in."""
    return _CURRENT.get()


class DeadlineReader(io.RawIOBase):
    """Reads a connection's bytes. A read waits no longer than until the deadline, and no longer than `silence`.

    `silence` is the time in seconds without a byte, None for no limit.
    """

    def __init__(self, connection: socket.socket, deadline: Deadline, silence: float | None = None) -> None:
        super().__init__()
        self._connection = connection
        # This file keeps the connection open until somebody closes the file: http.client expects that.
        self._bytes: Any = connection.makefile("rb", buffering=0)
        self._deadline = deadline
        self._silence = silence

    def readable(self) -> bool:
        """Say that it can be read."""
        return True

    def readinto(self, buffer: "WriteableBuffer") -> int:
        """Read the bytes that have arrived. Raises TimeoutError at the deadline, and OSError."""
        left = self._deadline.left()
        self._connection.settimeout(left if self._silence is None else min(left, self._silence))
        count: int = self._bytes.readinto(buffer)
        return count

    def close(self) -> None:
        """Release the connection."""
        self._bytes.close()
        super().close()


def connect_any(
    addresses: Sequence[tuple[Any, ...]], deadline: Deadline, options: Sequence[tuple[int, int, int | bytes]] = ()
) -> socket.socket:
    """Return a TCP connection to the first address that accepts one. Each address gets its share of the time.

    `addresses` are as socket.getaddrinfo returns them, and `options` are the socket's. Raises OSError, TimeoutError.
    """
    for number, (family, kind, protocol, _, address) in enumerate(addresses):
        connection = socket.socket(family, kind, protocol)
        try:
            for option in options:
                connection.setsockopt(*option)
            connection.settimeout(deadline.left() / (len(addresses) - number))
            connection.connect(address)
        except OSError:
            connection.close()
            if number == len(addresses) - 1:
                raise
        else:
            return connection
    raise OSError("the name has no address")
