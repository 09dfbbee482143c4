"""One session of `requests` for the requests that tests themselves send to the lab.

A new connection, with its TLS handshake and its list of trusted authorities, costs both sides ten times as much as the
request. The product and the official clients have sessions of their own.
"""

from functools import cache
from typing import Any

import requests
from requests.adapters import HTTPAdapter

# Tests send requests to some fifteen sites of each lab, and a worker has a few labs.
SITES = 100
SECONDS = 60


def request(method: str, url: str, **options: Any) -> requests.Response:
    """Send a request as `requests.request` does, but over an open connection if possible.

    The shell's proxies and authorities do not count. `verify` names the lab's authority.
    """
    return _session().request(method, url, **{"timeout": SECONDS, **options})


@cache
def _session() -> requests.Session:
    session = requests.Session()
    session.trust_env = False
    for scheme in ("http://", "https://"):
        session.mount(scheme, HTTPAdapter(pool_connections=SITES))
    return session
