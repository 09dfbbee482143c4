"""The one HTTP session: its connection pool, its trusted certificates, and none of the surprising defaults of
`requests`.
"""

import logging
import os
from http.cookiejar import DefaultCookiePolicy
from typing import TYPE_CHECKING

from runbook_lib.network import trusted_authorities

if TYPE_CHECKING:
    import requests

# These libraries also raise what they log. A logger without a handler writes to stderr, which Automation does not
# support (docs/azure-facts.md#parameters-and-streams), and nobody redacts that text.
_LOGGERS_BELOW = ("azure", "msal", "urllib3", "requests")
_SILENT = logging.NullHandler()


def silence_libraries() -> None:
    """Stop the libraries' logging, unless somebody asks for it (runbook_lib.run.output.library_messages)."""
    for name in _LOGGERS_BELOW:
        logging.getLogger(name).addHandler(_SILENT)


def new_session() -> "requests.Session":
    """Return a session for `requests` and for the SDKs' transports. Many threads may use it.

    It trusts REQUESTS_CA_BUNDLE and obeys the proxy variables, as `requests` does. It keeps no cookies, reads no
    .netrc, follows no redirect and retries nothing: only runbook_lib.network.retry decides on retries. Its answers are
    limited in time and size, see runbook_lib.network.http_transport. Raises RunbookError VD-NET-020 if the file that
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
    """Return the request unchanged. Without an `auth`, `requests` would replace a bearer token from a .netrc file."""
    return request
