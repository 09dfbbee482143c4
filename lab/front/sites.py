"""The sites of the lab: the addresses of its services, a socket for each, with a front behind the gate."""

import contextlib
import socket
import ssl
from dataclasses import dataclass
from typing import Any

from aiohttp import web

from lab.front.answers import ARM_ERRORS, ErrorShape
from lab.front.gate import Gate

BACKLOG = 1024
# Clients keep a connection for minutes; a server that closes first would make every pause a lost request.
KEEPALIVE_SECONDS = 600.0
SHUTDOWN_SECONDS = 1.0  # for requests that are still being answered when the lab ends

RUNNER_OPTIONS: dict[str, Any] = {
    "access_log": None,
    # Whether a compressed body is taken, and how large it may get, is each service's to say; fronts pass it on.
    "auto_decompress": False,
    "keepalive_timeout": KEEPALIVE_SECONDS,
    "shutdown_timeout": SHUTDOWN_SECONDS,
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Site:
    """How one address is served.

    tls: whether it has the lab's certificate, or is plain http.
    gated: whether the gate stands before it. A fault of the control API would lock out whoever wants to take it back.
    copied: whether copies of its requests are kept (lab/front/request_copies.py).
    errors: how its errors look, also those that are injected.
    """

    tls: bool = True
    gated: bool = True
    copied: bool = True
    errors: ErrorShape = ARM_ERRORS


def listen() -> socket.socket:
    """Return a socket of the kernel's choosing, so that labs never meet."""
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
