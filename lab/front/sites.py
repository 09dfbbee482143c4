"""The sites of the lab: one address and one socket for each front, behind the gate."""

import contextlib
import socket
import ssl
from dataclasses import dataclass
from typing import Any

from aiohttp import web

from lab.front.answers import ARM_ERRORS, ErrorShape
from lab.front.gate import Gate

BACKLOG = 1024
# Clients keep a connection for minutes. If the server closed it earlier, the first request after a pause would be lost.
KEEPALIVE_SECONDS = 600.0
SHUTDOWN_SECONDS = 1.0  # how long requests may still be answered when the lab ends

RUNNER_OPTIONS: dict[str, Any] = {
    "access_log": None,
    # Each service decides whether it takes a compressed body, and how large. Fronts pass the body on.
    "auto_decompress": False,
    "keepalive_timeout": KEEPALIVE_SECONDS,
    "shutdown_timeout": SHUTDOWN_SECONDS,
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Site:
    """How one address is served.

    tls: whether it uses the lab's certificate; otherwise it is plain http.
    gated: whether the gate stands before it. The control API has no gate, because a fault there could not be removed.
    copied: whether copies of its requests are kept (lab/front/request_copies.py).
    errors: what its errors look like, also injected ones.
    """

    tls: bool = True
    gated: bool = True
    copied: bool = True
    errors: ErrorShape = ARM_ERRORS


def listen() -> socket.socket:
    """Return a socket on a port that the kernel chooses, so that two labs never share a port."""
    listening = socket.socket(socket.AF_INET, socket.SOCK_STREAM)
    listening.bind(("127.0.0.1", 0))
    return listening


def url(site: Site, listening: socket.socket) -> str:
    """Return the base address of a site, without a trailing slash."""
    return f"{'https' if site.tls else 'http'}://127.0.0.1:{listening.getsockname()[1]}"


async def serve(
    stack: contextlib.AsyncExitStack,
    name: str,
    site: Site,
    front: web.Application,
    listening: socket.socket,
    *,
    gate: Gate,
    server_ssl: ssl.SSLContext,
) -> None:
    """Let `front` answer at a socket until `stack` is left."""
    if site.gated:
        front.middlewares.insert(0, gate.middleware(name, errors=site.errors, copied=site.copied))
    runner = web.AppRunner(front, **RUNNER_OPTIONS)
    await runner.setup()
    stack.push_async_callback(runner.cleanup)
    await web.SockSite(runner, listening, ssl_context=server_ssl if site.tls else None, backlog=BACKLOG).start()
