"""Read an HTTP answer by RFC 9110 and RFC 9112. The standard library's reader accepts answers that break these rules.

- Interim answers (100 to 199) are skipped (RFC 9110, 15.2: a client must be able to, expected or not).
  http.client skips only 100.
- All lines together (interim answers, status, headers, sizes of chunks, trailers) have a limit. http.client takes 100
  lines of 64 KB, and any number of interim answers and trailers.
- A Content-Length has only digits and one value (RFC 9110, 8.6). A body that is shorter is incomplete (RFC 9112, 8).
  http.client checks neither if the body is read in parts.
"""

import http.client
import io
from typing import TYPE_CHECKING, Any, cast

from runbook_lib.network.deadline import Deadline, DeadlineReader

if TYPE_CHECKING:
    import socket

# All lines of an answer together. Servers send some 8 KB, and accept no more than 64 KB from a client. The chunks of a
# body have lines, too: these may have as many further bytes as the body has.
MAX_LINE_BYTES = 64 * 1024
# No size has more digits.
_MAX_LENGTH_DIGITS = 18


class HttpAnswer(http.client.HTTPResponse):
    """An answer that is read from a connection before a deadline. Raises OSError and http.client.HTTPException.

    `method` is the request's method. DeadlineReader explains `silence`.
    """

    def __init__(
        self, connection: "socket.socket", deadline: Deadline, *, method: str | None, silence: float | None = None
    ) -> None:
        # http.client needs only the file of a socket.
        file = _BoundedLines(DeadlineReader(connection, deadline, silence))
        super().__init__(cast("socket.socket", _Opened(file)), method=method)

    def begin(self) -> None:
        """Read the head of the final answer."""
        super().begin()
        lengths = {value.strip() for line in self.headers.get_all("Content-Length", ()) for value in line.split(",")}
        if self.chunked or not lengths:
            return  # RFC 9112, 6.3: chunks override a length
        length = lengths.pop()
        if lengths or not (length.isascii() and length.isdigit() and len(length) <= _MAX_LENGTH_DIGITS):
            raise http.client.HTTPException("its Content-Length is not one number")
        if self.length is None:  # http.client does not read a list of equal numbers
            self.length = int(length)

    def read(self, amt: int | None = None) -> bytes:
        """Return the body, or its next part of at most `amt` bytes. Raises IncompleteRead if it is cut short."""
        announced = self.length if self.fp is not None and not self.chunked else None
        part = super().read(amt)
        if amt is not None and announced is not None and len(part) < min(amt, announced):
            raise http.client.IncompleteRead(part, announced - len(part))
        return part

    def _read_status(self) -> tuple[str, int, str]:
        """Return the final answer's status line. http.client and urllib3 (for a proxy's tunnel) call this method."""
        while True:  # MAX_LINE_BYTES ends the loop after some thousands of interim answers
            version, status, reason = super()._read_status()  # type: ignore[misc]
            if not 100 <= status < 200:
                return version, status, reason
            http.client.parse_headers(cast(io.BufferedIOBase, self.fp))


class _BoundedLines(io.BufferedReader):
    """Limits lines to MAX_LINE_BYTES, and as many further bytes as were read of the body."""

    def __init__(self, raw: io.RawIOBase) -> None:
        super().__init__(raw)
        self._left = MAX_LINE_BYTES

    def readline(self, size: int | None = -1, /) -> bytes:
        """Return a line. Raises LineTooLong."""
        line = super().readline(size)
        self._left -= len(line)
        if self._left < 0:
            raise http.client.LineTooLong("lines of an answer")
        return line

    def read(self, size: int | None = None, /) -> bytes:
        """Return bytes of the body. Raises IncompleteRead for a chunk of a negative size, which http.client takes."""
        if size is not None and size < 0:
            raise http.client.IncompleteRead(b"")
        part = super().read(size)
        self._left += len(part)
        return part


class _Opened:
    """Stands in for a socket: http.client asks it only for its file."""

    def __init__(self, file: io.BufferedReader) -> None:
        self._file = file

    def makefile(self, *_: Any) -> io.BufferedReader:
        """Return the file."""
        return self._file
