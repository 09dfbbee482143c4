"""The one HTTP session: connection pool, certificate trust, and no habit of `requests` that surprises."""

import logging
import os
from http.cookiejar import DefaultCookiePolicy
from typing import TYPE_CHECKING

from runbook_lib.network import trusted_authorities

if TYPE_CHECKING:
    import requests

# What they tell, they also raise; a logger without a handler writes to stderr, which Automation does not support
# (docs/azure-facts.md#parameters-and-streams), and nobody redacts what they write.
_LOGGERS_BELOW = ("azure", "msal", "urllib3", "requests")
_SILENT = logging.NullHandler()


def silence_libraries() -> None:
    """Let the libraries log to nobody but who asks for it (runbook_lib.run.output.library_messages)."""
    for name in _LOGGERS_BELOW:
        logging.getLogger(name).addHandler(_SILENT)


def new_session() -> "requests.Session":
    """Return a session for `requests` and the SDKs' transports alike, for use by many threads.

    It trusts REQUESTS_CA_BUNDLE and obeys the proxy variables, as `requests` does; it keeps no cookies, reads no
    .netrc, follows no redirect and retries nothing: retries are runbook_lib.network.retry's alone. Its answers are
    bounded in time and size, see runbook_lib.network.http_transport. Raises RunbookError VD-NET-020 if the file that
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


def _as_it_is(request: "requests.PreparedRequest") -> "requests.PreparedRequest":
    """Without any auth, `requests` would replace a bearer token by what it finds in a .netrc file."""
    return request
