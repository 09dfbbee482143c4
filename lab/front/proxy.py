"""Passing a request on to a real server and its answer back, byte for byte, streaming both ways."""

import socket
import ssl
from collections.abc import Callable, Iterable, Mapping
from typing import Any

import aiohttp
from aiohttp import web
from aiohttp.connector import Connection
from multidict import CIMultiDict
from yarl import URL

from lab.front.gate import ANSWER_DROPPED, reset_connection
from lab.front.request_copies import body_parts

# RFC 9110, 7.6.1: these belong to one connection and are not passed on. `Expect` has been answered already.
HOP_BY_HOP = frozenset(
    {
        "connection",
        "expect",
        "host",
        "keep-alive",
        "proxy-authenticate",
        "proxy-authorization",
        "proxy-connection",
        "te",
        "trailer",
        "transfer-encoding",
        "upgrade",
    }
)
# Node.js closes a connection that was idle for 5 s; one that is used at that moment is a lost request.
IDLE_SECONDS = 2.0
# An answer up to this size is passed on in one write.
WHOLE_ANSWER_BYTES = 64 * 1024


class _UpstreamSocket(socket.socket):
    """A connection to a real server, which may answer and close before it has read the whole request (RFC 9112, 9.6).

    The first write after that fails, while the answer may still wait to be read; asyncio would close the connection and
    lose it. So no write fails here: the reading side tells what became of the connection, after it has read the answer.
    """

    def send(self, data: Any, flags: int = 0, /) -> int:
        """Send bytes; return how many were taken."""
        try:
            return super().send(data, flags)
        except (BrokenPipeError, ConnectionResetError):
            return memoryview(data).nbytes

    def sendmsg(self, buffers: Iterable[Any], /, *more: Any) -> int:
        """Send bytes of several buffers; return how many were taken."""
        parts = list(buffers)
        try:
            return super().sendmsg(parts, *more)
        except (BrokenPipeError, ConnectionResetError):
            return sum(memoryview(part).nbytes for part in parts)


def _upstream_socket(address: Any) -> socket.socket:
    family, kind, protocol, _, _ = address
    return _UpstreamSocket(family, kind, protocol)


class _UpstreamResponse(aiohttp.ClientResponse):
    """An answer of a real server. A refusal may be an early one, after which the server closes: it ends the connection.

    The next request on such a connection would be lost.
    """

    async def start(self, connection: Connection) -> aiohttp.ClientResponse:
        """Read the answer's head."""
        protocol, transport = connection.protocol, connection.transport
        await super().start(connection)

        def end() -> None:
            # Not closed in order, which would first send the rest of a body that nobody reads.
            if protocol is not None and transport is not None:
                protocol.abort()
                transport.abort()

        if self.status >= 400 and protocol is not None:
            protocol.force_close()
            self.content.on_eof(end)
        return self


def upstream_session(*, trust: ssl.SSLContext) -> aiohttp.ClientSession:
    """Return a client session that adds nothing to a request and leaves an answer's body as it came."""
    return aiohttp.ClientSession(
        connector=aiohttp.TCPConnector(
            ssl=trust, limit=0, keepalive_timeout=IDLE_SECONDS, socket_factory=_upstream_socket
        ),
        response_class=_UpstreamResponse,
        auto_decompress=False,
        cookie_jar=aiohttp.DummyCookieJar(),
        skip_auto_headers=("Accept", "Accept-Encoding", "Content-Type", "User-Agent"),
        timeout=aiohttp.ClientTimeout(total=None, sock_connect=10, sock_read=300),
    )


async def forward(
    request: web.Request,
    upstream_url: str,
    *,
    session: aiohttp.ClientSession,
    headers: Mapping[str, str | None] | None = None,
    on_answer: Callable[[int, CIMultiDict[str]], None] | None = None,
) -> web.StreamResponse:
    """Send the request to `upstream_url` and return the answer.

    `upstream_url` is used exactly as it is encoded, query included (`base + request.raw_path` for the same path).
    `headers` replace the client's (None: left out). `on_answer` gets the answer's status, and its headers to change.
    A server may answer before it has the whole request. One that gives no answer raises aiohttp.ClientError; one that
    fails in mid-answer resets the client.
    """
    sent: CIMultiDict[str] = CIMultiDict((name, value) for name, value in request.headers.items() if _passes(name))
    for name, value in (headers or {}).items():
        sent.popall(name, None)
        if value is not None:
            sent[name] = value
    body = body_parts(request) if request.body_exists else None
    async with session.request(
        request.method, URL(upstream_url, encoded=True), headers=sent, data=body, allow_redirects=False
    ) as upstream:
        if request.get(ANSWER_DROPPED):
            await upstream.read()
            return web.Response(status=upstream.status)
        received: CIMultiDict[str] = CIMultiDict((k, v) for k, v in upstream.headers.items() if _passes(k))
        if on_answer is not None:
            on_answer(upstream.status, received)
        size = upstream.content_length
        if request.method != "HEAD" and size is not None and size <= WHOLE_ANSWER_BYTES:
            received.popall("Content-Length", None)
            try:
                content = await upstream.read()
            except aiohttp.ClientPayloadError:
                if upstream.status < 400:
                    return await reset_connection(request)
                content = b""  # Docker Registry's 416 announces the blob's length and sends nothing
            return web.Response(status=upstream.status, reason=upstream.reason, headers=received, body=content)
        answer = web.StreamResponse(status=upstream.status, reason=upstream.reason, headers=received)
        await answer.prepare(request)
        try:
            async for piece in upstream.content.iter_any():
                await answer.write(piece)
        except aiohttp.ClientPayloadError:
            # The status has gone out; only a broken connection still tells the client that the body is not whole.
            return await reset_connection(request)
        await answer.write_eof()
        return answer


def _passes(name: str) -> bool:
    return name.lower() not in HOP_BY_HOP
