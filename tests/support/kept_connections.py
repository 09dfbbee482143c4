"""One session of `requests` for the requests that tests themselves send to the lab.

A connection anew, with its TLS handshake and the authorities that it trusts, costs both sides ten times as much as the
request. The product and the official clients have sessions of their own.
"""

from functools import cache
from typing import Any

import requests
from requests.adapters import HTTPAdapter

# Of each lab some fifteen sites are asked, and a worker has a few labs.
SITES = 100
SECONDS = 60


def request(method: str, url: str, **options: Any) -> requests.Response:
    """Send a request as `requests.request` does, over a connection that is there already if possible.

    The shell's proxies and authorities are not asked for: `verify` names the lab's.
    """
    return _session().request(method, url, **{"timeout": SECONDS, **options})


@cache
def _session() -> requests.Session:
    session = requests.Session()
    session.trust_env = False
    for scheme in ("http://", "https://"):
        session.mount(scheme, HTTPAdapter(pool_connections=SITES))
    return session
