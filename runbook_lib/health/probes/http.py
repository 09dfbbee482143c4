"""An HTTP probe: one GET over TLS. The status decides, and the time and size of an answer are limited.

runbook_lib.network.http_answer reads the answer by RFC 9110 and RFC 9112, within the probe's own deadline.
"""

import ssl
import urllib.parse
from dataclasses import dataclass, replace

from runbook_lib.health.probes.connection import connect_tls
from runbook_lib.health.rules import Observation
from runbook_lib.network.deadline import Deadline
from runbook_lib.network.http_answer import HttpAnswer
from runbook_lib.version import RUNBOOK_VERSION

# Only the status decides. This much of the body is read, in parts, to check that it is complete.
MAX_BODY_BYTES = 1024 * 1024
READ_BYTES = 64 * 1024
MAX_REDIRECTS = 3
DEFAULT_PATH = "/"
DEFAULT_STATUS = 200
HTTPS_PORT = 443
_REDIRECTS = frozenset({301, 302, 303, 307, 308})  # RFC 9110, 15.4
# The characters that a request's target may hold besides letters and digits (RFC 3986). All others are encoded.
_TARGET_CHARACTERS = "/?:@!$&'()*+,;=-._~%"
_SHOWN = 100


@dataclass(frozen=True, slots=True, kw_only=True)
class HttpTarget:
    """The address of a probe, and the status of a healthy component."""

    host: str
    port: int
    path: str = DEFAULT_PATH
    expected_status: int = DEFAULT_STATUS

    @property
    def origin(self) -> str:
        """`https://host:port`."""
        return f"https://{self._authority}"

    @property
    def request(self) -> bytes:
        """The request. It has nothing that somebody could misuse: no credential, no cookie."""
        return (
            f"GET {urllib.parse.quote(self.path, safe=_TARGET_CHARACTERS)} HTTP/1.1\r\n"
            f"Host: {self._authority}\r\n"
            f"User-Agent: vibedata-runbooks/{RUNBOOK_VERSION}\r\n"
            "Accept: */*\r\nAccept-Encoding: identity\r\nConnection: close\r\n\r\n"
        ).encode("ascii")

    @property
    def _authority(self) -> str:
        host = f"[{self.host}]" if ":" in self.host else self.host
        return host if self.port == HTTPS_PORT else f"{host}:{self.port}"


def look_http(target: HttpTarget, context: ssl.SSLContext, deadline: Deadline) -> Observation:
    """Return what a GET shows. A redirect is followed within the target's own host and port, MAX_REDIRECTS times.

    Raises the same as `connect_tls`, and http.client.HTTPException for an answer that is not HTTP.
    """
    for _ in range(MAX_REDIRECTS + 1):
        connection = connect_tls(target.host, target.port, context, deadline)
        with connection:
            connection.settimeout(deadline.left())
            connection.sendall(target.request)
            with HttpAnswer(connection, deadline, method="GET") as response:
                response.begin()
                if response.status == target.expected_status:
                    _read_through(response)
                    return Observation("answers")
                if response.status not in _REDIRECTS:
                    return Observation("fails", f"answers {response.status}, not {target.expected_status}")
                location = _encoded(response.headers.get("Location") or "")
        following = _followed(target, location)
        if following is None:
            return Observation("fails", f"leads elsewhere, to {_place(target, location)}, which is not asked")
        target = following
    return Observation("fails", f"more than {MAX_REDIRECTS} redirects")


def _read_through(response: HttpAnswer) -> None:
    """Read the body to its end, but at most MAX_BODY_BYTES."""
    size = 0
    while size < MAX_BODY_BYTES and (part := response.read(READ_BYTES)):
        size += len(part)


def target_of(endpoint: str) -> HttpTarget | None:
    """Return the target of an address `https://host[:port]`, None for any other text."""
    try:
        parts = urllib.parse.urlsplit(endpoint)
        port = parts.port or HTTPS_PORT
    except ValueError:
        return None
    bare = not (parts.username or parts.password or parts.query or parts.fragment or parts.path.strip("/"))
    if parts.scheme != "https" or not parts.hostname or not bare:
        return None
    return HttpTarget(host=parts.hostname, port=port)


def _encoded(location: str) -> str:
    """Return a Location in which each byte outside ASCII is encoded, as it was sent (RFC 9110, 5.5)."""
    # http.client returns a byte as a Latin-1 character.
    return urllib.parse.quote(location, safe=_TARGET_CHARACTERS + "#[]", encoding="latin-1")


def _place(target: HttpTarget, location: str) -> str:
    """Return the target of a Location for a message."""
    try:
        parts = urllib.parse.urlsplit(urllib.parse.urljoin(target.origin, location))
        return f"{parts.scheme}://{parts.hostname}"[:_SHOWN]
    except ValueError:
        return "a text that is not an address"


def _followed(target: HttpTarget, location: str) -> HttpTarget | None:
    try:
        parts = urllib.parse.urlsplit(urllib.parse.urljoin(target.origin + target.path, location))
        same = parts.scheme == "https" and (parts.hostname, parts.port or HTTPS_PORT) == (target.host, target.port)
    except ValueError:
        return None
    if not location or not same or parts.username:
        return None
    return replace(target, path=(parts.path or DEFAULT_PATH) + (f"?{parts.query}" if parts.query else ""))
