"""Pass a request on to a real server, and its answer back, byte for byte. Both are streamed."""

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

# RFC 9110, 7.6.1: these belong to one connection and are not passed on. The front has answered `Expect` already.
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
# Node.js closes a connection after 5 idle seconds. A request that uses it at that moment is lost.
IDLE_SECONDS = 2.0
# An answer of up to this size is passed on in one write.
WHOLE_ANSWER_BYTES = 64 * 1024


class _UpstreamSocket(socket.socket):
    """A connection to a real server. The server may answer and close before it has read the whole request.

    RFC 9112, 9.6. The next write then fails, although the answer may still wait to be read. asyncio would close the
    connection and lose the answer. So no write fails here. The reading side notices the end of the connection after it
    has read the answer.
    """

    def send(self, data: Any, flags: int = 0, /) -> int:
        """Send bytes; return how many were accepted."""
        try:
            return super().send(data, flags)
        except (BrokenPipeError, ConnectionResetError):
            return memoryview(data).nbytes

    def sendmsg(self, buffers: Iterable[Any], /, *more: Any) -> int:
        """Send the bytes of several buffers; return how many were accepted."""
        parts = list(buffers)
        try:
            return super().sendmsg(parts, *more)
        except (BrokenPipeError, ConnectionResetError):
            return sum(memoryview(part).nbytes for part in parts)


def _upstream_socket(address: Any) -> socket.socket:
    family, kind, protocol, _, _ = address
    return _UpstreamSocket(family, kind, protocol)


class _UpstreamResponse(aiohttp.ClientResponse):
    """An answer of a real server. Every refusal ends the connection.

    A server may refuse a request early and close the connection. The next request on it would be lost.
    """

    async def start(self, connection: Connection) -> aiohttp.ClientResponse:
        """Read the answer's head."""
        protocol, transport = connection.protocol, connection.transport
        await super().start(connection)

        def end() -> None:
            # An orderly close would first send the rest of a body that nobody reads, so the connection is aborted.
            if protocol is not None and transport is not None:
                protocol.abort()
                transport.abort()

        if self.status >= 400 and protocol is not None:
            protocol.force_close()
            self.content.on_eof(end)
        return self


def upstream_session(*, trust: ssl.SSLContext) -> aiohttp.ClientSession:
    """Return a client session that adds nothing to a request and does not decode an answer's body."""
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

    `upstream_url` is used exactly as it is encoded, with its query (`base + request.raw_path` for the same path).
    `headers` replace the client's (None removes one). `on_answer` gets the answer's status, and its headers to change.
    A server may answer before it has the whole request. If it gives no answer, aiohttp.ClientError is raised. If it
    fails in the middle of an answer, the client's connection is reset.
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
                content = b""  # Docker Registry's 416 announces the blob's length but sends nothing.
            return web.Response(status=upstream.status, reason=upstream.reason, headers=received, body=content)
        answer = web.StreamResponse(status=upstream.status, reason=upstream.reason, headers=received)
        await answer.prepare(request)
        try:
            async for piece in upstream.content.iter_any():
                await answer.write(piece)
        except aiohttp.ClientPayloadError:
            # The status has been sent. Only a broken connection can still tell the client that the body is incomplete.
            return await reset_connection(request)
        await answer.write_eof()
        return answer


def _passes(name: str) -> bool:
    return name.lower() not in HOP_BY_HOP
