"""What all parts of a running lab share: its names, clock, gate, tokens and addresses. It knows no service."""

import secrets
import ssl
from collections.abc import Awaitable, Callable
from contextlib import AbstractAsyncContextManager
from dataclasses import dataclass, field
from pathlib import Path

import aiohttp

from lab.authorization.state import Authorization
from lab.clock import LabClock
from lab.front.gate import Gate
from lab.names import Names
from lab.tokens import TokenIssuer

# Puts back what was kept; it may be called more than once.
PutBack = Callable[[], None]
# Keeps a part of the lab's state (lab/snapshots.py).
Keep = Callable[[], PutBack]


@dataclass(slots=True, kw_only=True)
class Lab:
    """One running lab. Services use it and add their hooks to it. Each service keeps its own state."""

    names: Names
    dir: Path  # an absolute path; the lab writes only below it
    publisher_root: Path  # the folder with the package `publisher`, the callback API
    clock: LabClock
    gate: Gate
    tokens: TokenIssuer
    ca_file: Path  # PEM of the certificate authority that every TLS site's certificate chains to
    jobs_trust: Path  # PEM of the authorities that jobs trust; written when the real servers run
    server_ssl: ssl.SSLContext
    # Base address of each site, without a trailing slash: https://127.0.0.1:PORT (control, identity: http). The names
    # are those of the journal and of faults. The addresses are complete before any service starts.
    urls: dict[str, str]
    # Base addresses of the real servers behind the fronts, by the names that their services give them.
    real_urls: dict[str, str]
    # For requests to the real servers. It trusts the lab's CA, adds no header and decodes nothing (lab/front/proxy.py).
    upstream: aiohttp.ClientSession
    # The resources, without trailing slash, that Entra issues tokens for: each service adds the audiences it takes.
    audiences: set[str] = field(default_factory=set)
    # The variables of lab.env, for clients. Each service adds its own (lab/state.py adds the others).
    environment: dict[str, str] = field(default_factory=dict)
    # What this machine cannot offer as Azure does. The lab says it at its start and in its status.
    warnings: list[str] = field(default_factory=list)
    # Called at POST /reset, in order. Each clears its service's state. The first empties the real servers. Jobs make
    # requests by themselves, so they must end before that: their hook is inserted at the front.
    on_reset: list[Callable[[], Awaitable[None]]] = field(default_factory=list)
    # Called at POST /snapshots, one for each part of the state that clients can change.
    on_keep: list[Keep] = field(default_factory=list)
    # Called when the lab ends, and before a snapshot is put back, in reverse order: e.g. to end running jobs.
    on_close: list[Callable[[], Awaitable[None]]] = field(default_factory=list)
    # Servers at addresses that are not sites. Entered when the sites answer, left after `on_close`.
    running: list[Callable[[], AbstractAsyncContextManager[None]]] = field(default_factory=list)
    # X-IDENTITY-HEADER value -> the job that got it (None: the engineer, in lab.env).
    identity_headers: dict[str, str | None] = field(default_factory=dict)
    # The value that the publisher's callback API gets.
    publisher_identity_header: str = field(default_factory=lambda: secrets.token_hex(16).upper())
    # It knows who may do what. Every service asks it before it serves a request.
    authorization: Authorization = field(default_factory=Authorization)
    # What services add to the control API: (method, path) -> a handler. It gets the body (None for GET) and returns
    # the answer; InvalidFaultError refuses the request.
    controls: dict[tuple[str, str], Callable[[object], Awaitable[object]]] = field(default_factory=dict)

    def host(self, site: str) -> str:
        """Return `127.0.0.1:PORT` of a site."""
        return self.urls[site].partition("://")[2]
