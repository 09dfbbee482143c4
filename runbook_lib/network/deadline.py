"""The moment by which all of one exchange must have happened, held to wherever a socket is waited for.

A socket's own time-out begins anew with every byte: who sends one now and then would hold a reader for ever. So each
wait for a socket is given what is left until the deadline. A name that does not resolve alone is not bounded here: the
resolver has its own time-out, and nothing can interrupt it.
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
    """So many seconds from now, on the monotonic clock."""

    def __init__(self, clock: Clock, seconds: float) -> None:
        self._clock = clock
        self._end = clock.monotonic() + seconds

    def left(self) -> float:
        """Return the seconds that are left. Raises TimeoutError if none are."""
        left = self._end - self._clock.monotonic()
        if left <= 0:
            raise TimeoutError("no whole answer in the time that was agreed")
        return left


_CURRENT: ContextVar[Deadline | None] = ContextVar("deadline", default=None)


@contextlib.contextmanager
def within(seconds: float) -> Iterator[None]:
    """Give every request that this thread begins in the block so many seconds in all, its answer's body included.

    A block within another has no more time than the outer one. The machine's clock counts: sockets know no other.
    """
    outer = _CURRENT.get()
    if outer is not None:
        with contextlib.suppress(TimeoutError):  # spent: the first wait for a socket says so
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
    """A connection's bytes. Every read waits for what is left until the deadline, and for no longer than `silence`.

    silence: seconds without a byte, None for any number.
    """

    def __init__(self, connection: socket.socket, deadline: Deadline, silence: float | None = None) -> None:
        super().__init__()
        self._connection = connection
        # It keeps the connection open until it is closed itself, as http.client wants it.
        self._bytes: Any = connection.makefile("rb", buffering=0)
        self._deadline = deadline
        self._silence = silence

    def readable(self) -> bool:
        """Say that it can be read."""
        return True

    def readinto(self, buffer: "WriteableBuffer") -> int:
        """Read what there is. Raises TimeoutError at the deadline, and OSError."""
        left = self._deadline.left()
        self._connection.settimeout(left if self._silence is None else min(left, self._silence))
        count: int = self._bytes.readinto(buffer)
        return count

    def close(self) -> None:
        """Let go of the connection."""
        self._bytes.close()
        super().close()


def connect_any(
    addresses: Sequence[tuple[Any, ...]], deadline: Deadline, options: Sequence[tuple[int, int, int | bytes]] = ()
) -> socket.socket:
    """Return a TCP connection to the first address that takes one; each is given its share of the time.

    Parameters: addresses, as socket.getaddrinfo returns them; options, of the socket. Raises OSError, TimeoutError.
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
