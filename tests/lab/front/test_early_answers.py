"""The proxy in front of a server that answers while the request is still being sent. The answer reaches the client."""

import asyncio
import contextlib
import socket
import ssl
import struct
import threading
from collections.abc import AsyncIterator, Callable, Iterator

import aiohttp
import pytest
from aiohttp import web

from lab.front.proxy import forward, upstream_session
from lab.machine import certificates

PIECE = bytes(16 * 1024)
PIECES = 32
MIDDLE = len(PIECE) * PIECES // 2
TIMES = 4
SECONDS = 60

TOLD = b"too large"
BIG = b"x" * (200 * 1024)  # more than the proxy passes on in one write
HEAD = b"HTTP/1.1 413 Too Large\r\n"
FORMS = {
    "sized": HEAD + b"Content-Length: %d\r\n\r\n" % len(TOLD) + TOLD,
    "sized, Connection: close": HEAD + b"Connection: close\r\nContent-Length: %d\r\n\r\n" % len(TOLD) + TOLD,
    "chunked": HEAD + b"Transfer-Encoding: chunked\r\n\r\n%x\r\n%s\r\n0\r\n\r\n" % (len(TOLD), TOLD),
    "up to the end": HEAD + b"Connection: close\r\n\r\n" + TOLD,
    "big": HEAD + b"Content-Length: %d\r\n\r\n" % len(BIG) + BIG,
    "none": b"",
}


def _close(connection: socket.socket) -> None:
    """Close the connection with unread bytes. The kernel then resets it, after the answer."""
    connection.close()


def _reset(connection: socket.socket) -> None:
    connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
    connection.close()


def _half_close(connection: socket.socket) -> None:
    connection.shutdown(socket.SHUT_WR)
    _read_on(connection)


def _read_on(connection: socket.socket) -> None:
    with contextlib.suppress(OSError):
        while connection.recv(65536):
            pass
    connection.close()


def _keep(_: socket.socket) -> None:
    """Keep the connection open until the test ends, and read no more."""


ENDS = {"close": _close, "reset": _reset, "half_close": _half_close, "read_on": _read_on, "keep": _keep}
# A reset may overtake an answer that is longer than the kernel's buffers, or that has no length.
ABRUPT = ("close", "reset")
WAYS = [
    pytest.param(before, form, end, id=f"{form}, after {before} bytes, then {end}")
    for before in (0, MIDDLE)
    for form in FORMS
    for end in ENDS
    if form != "none"
    and not (form in ("big", "up to the end") and end in ABRUPT)
    and not (form == "up to the end" and end != "half_close")
]


@pytest.fixture(scope="module")
def files(tmp_path_factory: pytest.TempPathFactory) -> certificates.Certificates:
    return certificates.ensure(tmp_path_factory.mktemp("certificates"))


@pytest.mark.parametrize("secure", [False, True], ids=["plain", "tls"])
@pytest.mark.parametrize(("before", "form", "end"), WAYS)
def test_an_early_answer_reaches_the_client(
    before: int, form: str, end: str, secure: bool, files: certificates.Certificates
) -> None:
    context = files.server_context() if secure else None
    with _upstream(before, FORMS[form], ENDS[end], context) as url:
        answers = _ask(url, trust=files.client_context())
    assert answers == [(413, BIG if form == "big" else TOLD)] * TIMES


@pytest.mark.parametrize("end", ABRUPT)
def test_a_server_that_breaks_off_without_an_answer_has_given_none(end: str, files: certificates.Certificates) -> None:
    with _upstream(MIDDLE, FORMS["none"], ENDS[end], None) as url:
        answers = _ask(url, trust=files.client_context())
    assert answers == [(502, b"no answer")] * TIMES


def _ask(upstream_url: str, *, trust: ssl.SSLContext) -> list[tuple[int, bytes]]:
    """Send one request after the other through the proxy, and return the answers."""

    async def scenario() -> list[tuple[int, bytes]]:
        async with upstream_session(trust=trust) as session:

            async def front(request: web.Request) -> web.StreamResponse:
                try:
                    return await forward(request, upstream_url, session=session)
                except aiohttp.ClientError:
                    return web.Response(status=502, text="no answer")

            application = web.Application()
            application.router.add_route("*", "/{path:.*}", front)
            runner = web.AppRunner(application, access_log=None)
            await runner.setup()
            await web.TCPSite(runner, "127.0.0.1", 0).start()
            url = f"http://127.0.0.1:{runner.addresses[0][1]}/"
            answers = []
            async with aiohttp.ClientSession() as client:
                for _ in range(TIMES):
                    headers = {"Content-Length": str(len(PIECE) * PIECES)}
                    async with client.put(url, data=_pieces(), headers=headers) as answer:
                        answers.append((answer.status, await answer.read()))
            await runner.cleanup()
            return answers

    return asyncio.run(asyncio.wait_for(scenario(), SECONDS))


async def _pieces() -> AsyncIterator[bytes]:
    for _ in range(PIECES):
        yield PIECE
        await asyncio.sleep(0)


@contextlib.contextmanager
def _upstream(
    before: int, answer: bytes, end: Callable[[socket.socket], None], context: ssl.SSLContext | None
) -> Iterator[str]:
    """Run a server that reads each request's head and `before` bytes of its body, sends `answer`, and ends with
    `end`.
    """
    kept: list[socket.socket] = []
    serving: list[threading.Thread] = []

    def serve(plain: socket.socket) -> None:
        # Without this, an answer may wait for the peer's acknowledgements. Then the server's reset would lose the
        # answer, and the test would blame the proxy.
        plain.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        connection = plain if context is None else context.wrap_socket(plain, server_side=True)
        kept.append(connection)
        received = b""
        while b"\r\n\r\n" not in received or len(received.partition(b"\r\n\r\n")[2]) < before:
            part = connection.recv(4096)
            assert part, "the proxy closed before it was answered"
            received += part
        connection.sendall(answer)
        end(connection)

    def accept() -> None:
        with contextlib.suppress(OSError):  # the test has ended
            while True:
                serving.append(threading.Thread(target=serve, args=(listening.accept()[0],)))
                serving[-1].start()

    listening = socket.create_server(("127.0.0.1", 0))
    accepting = threading.Thread(target=accept)
    accepting.start()
    try:
        scheme = "http" if context is None else "https"
        yield f"{scheme}://127.0.0.1:{listening.getsockname()[1]}/"
    finally:
        listening.shutdown(socket.SHUT_RDWR)
        listening.close()
        accepting.join()
        for thread in serving:
            thread.join(SECONDS)
        for connection in kept:
            connection.close()
    assert len(serving) == TIMES
