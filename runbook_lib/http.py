"""The one HTTP session: connection pool, certificate trust, and reading no more than was agreed."""

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import requests

# Threads of one run that may talk to one host at once (engine.MAX_PARALLEL). A sandbox allows 1,000 sockets to all its
# jobs together (azure-facts, section 1).
CONNECTIONS_PER_HOST = 64
_READ_BYTES = 64 * 1024


class TooLarge(Exception):  # noqa: N818 - the caller names the error
    """The answer has more bytes than were agreed."""


def new_session() -> "requests.Session":
    """Return a session for `requests` and the SDKs' transports alike, safe for use by many threads."""
    import requests
    from requests.adapters import HTTPAdapter

    session = requests.Session()
    # Retries are runbook_lib.retry's alone.
    session.mount("https://", HTTPAdapter(pool_connections=16, pool_maxsize=CONNECTIONS_PER_HOST, max_retries=0))
    return session


def read_capped(response: "requests.Response", max_bytes: int) -> bytes:
    """Return the body of a response opened with stream=True. Raises TooLarge past `max_bytes`."""
    content = bytearray()
    for part in response.iter_content(_READ_BYTES):
        content += part
        if len(content) > max_bytes:
            response.close()
            raise TooLarge
    return bytes(content)
