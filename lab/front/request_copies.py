"""Copies of sent requests. Tests search them for secrets that nobody knew before the requests were sent.

The newest MAX_BYTES are kept in memory. Requests to the key vaults are not copied, because secrets belong there. A body
is copied as far as its service has read it.

The control API:

    POST /requests/search   {"since": 0, "sought": {"a name": ["base64 of some bytes", ...]}}
        {"found": [{"name", "sequence", "service", "method", "path"}], "searched": 12, "complete": true}

It searches the target, the headers and the body of each answered request after sequence `since`. A gzip body is
searched both as sent and unpacked. The search is complete if no copy was cut, or dropped to make room for newer ones.
"""

import base64
import binascii
import contextlib
import gzip
import zlib
from collections import deque
from collections.abc import AsyncIterator, Mapping, Sequence
from dataclasses import dataclass, field

from aiohttp import web

from lab.front.faults import InvalidFaultError
from lab.front.journal import Entry

# The rotations of tests/end_to_end send about 30 MB, and more on a faster machine.
MAX_BYTES = 256 * 1024 * 1024
# The most that is copied of one body. Images' layers and packages are longer.
MAX_BODY_BYTES = 8 * 1024 * 1024


@dataclass(slots=True, kw_only=True)
class RequestCopy:
    """What one request sent. head: target and headers."""

    entry: Entry
    head: bytes
    body: bytearray = field(default_factory=bytearray)
    cut: bool = False

    @property
    def size(self) -> int:
        """Bytes that are kept."""
        return len(self.head) + len(self.body)

    def add(self, part: bytes) -> None:
        """Add a part of the body."""
        room = MAX_BODY_BYTES - len(self.body)
        self.cut = self.cut or len(part) > room
        self.body += part[:room]

    def contents(self) -> list[bytes]:
        """Return the bytes to search."""
        contents = [self.head, bytes(self.body)]
        # A body that only begins like gzip, or was cut, is searched as sent.
        with contextlib.suppress(OSError, EOFError, zlib.error):
            contents.append(gzip.decompress(self.body))
        return contents


COPY: web.RequestKey[RequestCopy] = web.RequestKey("copy", RequestCopy)


class RequestCopies:
    """The copies of one lab."""

    def __init__(self, *, max_bytes: int = MAX_BYTES) -> None:
        """Start empty."""
        self._max_bytes = max_bytes
        self._copies: deque[RequestCopy] = deque()
        self._size = 0
        self._lost = 0  # the newest request without a whole copy

    def begin(self, request: web.Request, entry: Entry) -> None:
        """Begin the copy of a request that has just arrived."""
        lines = [request.raw_path.encode(), *(name + b": " + value for name, value in request.raw_headers)]
        request[COPY] = RequestCopy(entry=entry, head=b"\r\n".join(lines))

    async def end(self, request: web.Request) -> None:
        """Keep the copy of a request that has been answered."""
        copy = request[COPY]
        if request.content.at_eof() and request.content.exception() is None:
            copy.add(await request.read())  # the body if it was read in one piece; empty after `body_parts`
        self._copies.append(copy)
        self._size += copy.size
        if copy.cut:
            self._lost = max(self._lost, copy.entry.sequence)
        while self._size > self._max_bytes:
            dropped = self._copies.popleft()
            self._size -= dropped.size
            self._lost = max(self._lost, dropped.entry.sequence)

    def kept(self, since: int) -> tuple[Sequence[RequestCopy], bool]:
        """Return the copies of the requests after sequence `since`, and whether all are there and whole."""
        return [copy for copy in self._copies if copy.entry.sequence > since], self._lost <= since

    def clear(self) -> None:
        """Forget everything; sequence numbers start again."""
        self._copies.clear()
        self._size = self._lost = 0


async def body_parts(request: web.Request) -> AsyncIterator[bytes]:
    """Yield a request's body part by part, and copy it. For handlers that do not read a body in one piece."""
    copy = request.get(COPY)
    async for part in request.content.iter_any():
        if copy is not None:
            copy.add(part)
        yield part


def parse_search(body: object) -> tuple[int, Mapping[str, Sequence[bytes]]]:
    """Read the body of `POST /requests/search`: since, and what is sought; InvalidFaultError says what is wrong."""
    if not isinstance(body, dict) or set(body) != {"since", "sought"}:
        raise InvalidFaultError("a search takes since and sought")
    since, sought = body["since"], body["sought"]
    if isinstance(since, bool) or not isinstance(since, int):
        raise InvalidFaultError("since takes a sequence number")
    if not isinstance(sought, dict) or not all(isinstance(forms, list) and forms for forms in sought.values()):
        raise InvalidFaultError("sought takes an object with a list of texts for each name")
    try:
        read = {name: [base64.b64decode(form, validate=True) for form in forms] for name, forms in sought.items()}
    except (TypeError, binascii.Error):
        raise InvalidFaultError("sought takes texts in base64") from None
    if not all(all(forms) for forms in read.values()):
        raise InvalidFaultError("sought takes no empty text")
    return since, read


def search(copies: Sequence[RequestCopy], sought: Mapping[str, Sequence[bytes]]) -> list[Mapping[str, object]]:
    """Return which requests hold which of the sought things. The result names each thing and never shows its bytes."""
    found: list[Mapping[str, object]] = []
    for copy in copies:
        contents, entry = copy.contents(), copy.entry
        at = {"sequence": entry.sequence, "service": entry.service, "method": entry.method, "path": entry.path}
        for name, forms in sought.items():
            if any(form in content for form in forms for content in contents):
                found.append({"name": name, **at})
    return found
