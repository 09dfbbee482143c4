"""The one HTTP session: connection pool, certificate trust, and reading no more than was agreed."""

import logging
import os
from http.cookiejar import DefaultCookiePolicy
from io import BytesIO
from typing import TYPE_CHECKING, BinaryIO

from runbook_lib.network import trusted_authorities

if TYPE_CHECKING:
    import requests

# Threads of one run that may talk to one host at once (engine.MAX_PARALLEL). A sandbox allows 1,000 sockets to all its
# jobs together (azure-facts, section 1).
CONNECTIONS_PER_HOST = 64
# Hosts of one run: ARM, blob, table, vault, logs, two container registries and their storage behind redirects.
HOSTS = 16
READ_BYTES = 256 * 1024
# Of an answer that is read whole, after decoding: the SDKs ask for no other. Blobs come in ranges of 4 MiB
# (azure_clients.MAX_BLOB_RANGE_BYTES), listings in pages of some MB.
MAX_CONTENT_BYTES = 16 * 1024 * 1024

# What they tell, they also raise; a logger without a handler writes to stderr, which Automation does not support
# (azure-facts, section 2), and nobody redacts what they write.
_LOGGERS_BELOW = ("azure", "msal", "urllib3", "requests")
_SILENT = logging.NullHandler()


class TooLarge(Exception):  # noqa: N818 - the caller names the error
    """The answer has more bytes than were agreed."""


def silence_libraries() -> None:
    """Let the libraries log to nobody but who asks for it (runbook_lib.run.output.library_messages)."""
    for name in _LOGGERS_BELOW:
        logging.getLogger(name).addHandler(_SILENT)


def new_session() -> "requests.Session":
    """Return a session for `requests` and the SDKs' transports alike, for use by many threads.

    It trusts REQUESTS_CA_BUNDLE and obeys the proxy variables, as `requests` does; it keeps no cookies, reads no
    .netrc, follows no redirect and retries nothing: retries are runbook_lib.network.retry's alone. Its answers are
    bounded in time and size, see runbook_lib.network.http_transport. Raises RunbookError VD-NET-020 where the file that
    REQUESTS_CA_BUNDLE names cannot be read.
    """
    from requests.cookies import RequestsCookieJar

    from runbook_lib.network.http_transport import BoundedAdapter, BoundedSession

    trusted_authorities.check(os.environ)
    silence_libraries()
    session = BoundedSession()
    for scheme in ("https://", "http://"):
        session.mount(scheme, BoundedAdapter())
    session.auth = _as_it_is
    session.cookies = RequestsCookieJar(policy=DefaultCookiePolicy(allowed_domains=[]))
    return session


def read_capped(response: "requests.Response", max_bytes: int) -> bytes:
    """Return the body of a response opened with stream=True. Raises TooLarge past `max_bytes`."""
    content = BytesIO()
    copy_capped(response, max_bytes, content)
    return content.getvalue()


def copy_capped(response: "requests.Response", max_bytes: int, file: BinaryIO) -> None:
    """Write the body of a response opened with stream=True to `file`. Raises TooLarge past `max_bytes`."""
    size = 0
    for part in response.iter_content(READ_BYTES):
        size += len(part)
        if size > max_bytes:
            response.close()
            raise TooLarge
        file.write(part)


def _as_it_is(request: "requests.PreparedRequest") -> "requests.PreparedRequest":
    """Without any auth, `requests` would replace a bearer token by what it finds in a .netrc file."""
    return request
