"""Standard output and error that may be closed, or full, while a command runs.

A command that changes things must not stop half-way because nobody reads on (`| head`), or because its output goes to a
full disk. It goes on without output, and at its end it says that output was lost.
"""

import contextlib
import errno
import io
import os
import select
import sys
from collections.abc import Iterator
from typing import TextIO

STDOUT, STDERR = 1, 2


class _Tolerant(io.RawIOBase):
    """The end of a stream. It keeps the first failure to write in `lost`, and drops all later output."""

    def __init__(self, descriptor: int, lost: OSError | None) -> None:
        super().__init__()
        self._descriptor = descriptor
        self.lost = lost

    def writable(self) -> bool:
        return True

    def fileno(self) -> int:
        return self._descriptor

    def isatty(self) -> bool:
        return self.lost is None and os.isatty(self._descriptor)

    def write(self, data: object, /) -> int:
        content = memoryview(data)  # type: ignore[arg-type] # whatever BufferedWriter gives
        while self.lost is None:
            try:
                return os.write(self._descriptor, content)
            except BlockingIOError:
                # Another process has made the shared pipe non-blocking.
                select.select((), (self._descriptor,), ())
            except OSError as error:
                self.lost = error
        return content.nbytes


class Streams:
    """The state of the two streams after a command."""

    def __init__(self, stdout: _Tolerant | None) -> None:
        self._stdout = stdout

    @property
    def lost(self) -> OSError | None:
        """Why wanted output was lost, None if nothing was lost or the reader itself closed the pipe."""
        lost = self._stdout.lost if self._stdout is not None else None
        return None if lost is None or lost.errno == errno.EPIPE else lost


@contextlib.contextmanager
def tolerant() -> Iterator[Streams]:
    """Within the block, replace sys.stdout and sys.stderr by streams that go on when their other ends are closed.

    A stream that is not this process's own (a test's, a caller's) is not replaced. Characters that cannot be encoded
    are escaped.
    """
    closed = {descriptor: _occupy(descriptor) for descriptor in (0, STDOUT, STDERR)}
    before = sys.stdout, sys.stderr
    ends = [_end_of(before[0], STDOUT, closed[STDOUT]), _end_of(before[1], STDERR, closed[STDERR])]
    if ends[0] is not None:
        sys.stdout = _text(ends[0], before[0])
    if ends[1] is not None:
        sys.stderr = _text(ends[1], before[1])
    own = sys.stdout, sys.stderr
    try:
        yield Streams(ends[0])
    finally:
        for stream, end in zip(own, ends, strict=True):
            if end is not None:
                stream.flush()
        sys.stdout, sys.stderr = before


def is_lost(stream: TextIO) -> bool:
    """Return whether a stream is one of the process's own, and its other end is closed or takes nothing any more."""
    end = getattr(getattr(stream, "buffer", None), "raw", None)
    return isinstance(end, _Tolerant) and end.lost is not None


def _occupy(descriptor: int) -> OSError | None:
    """Occupy a standard descriptor that is closed. Otherwise the next opened file or socket would get its number."""
    try:
        os.fstat(descriptor)
    except OSError as error:
        nowhere = os.open(os.devnull, os.O_RDWR)
        if nowhere != descriptor:
            os.dup2(nowhere, descriptor)
            os.close(nowhere)
        return error
    return None


def _end_of(stream: TextIO | None, descriptor: int, closed: OSError | None) -> _Tolerant | None:
    """Return the replacement for a stream, None for a stream that is not the process's own."""
    if stream is None:
        return _Tolerant(descriptor, closed or OSError(errno.EBADF, os.strerror(errno.EBADF)))
    own = sys.__stdout__ if descriptor == STDOUT else sys.__stderr__
    if own is None or stream is not own:
        return None
    return _Tolerant(own.fileno(), closed)


def _text(end: _Tolerant, former: TextIO | None) -> TextIO:
    encoding = former.encoding if former is not None else "utf-8"
    buffered = io.BufferedWriter(end)
    return io.TextIOWrapper(buffered, encoding=encoding, errors="backslashreplace", line_buffering=end.isatty())
