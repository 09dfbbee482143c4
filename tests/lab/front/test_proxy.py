"""The proxy between a front and its real server: nothing is changed, and a broken answer stays broken."""

import asyncio
import gzip
import ssl
from collections.abc import Awaitable, Callable

import aiohttp
import pytest
from aiohttp import web
from yarl import URL

from lab.front.gate import ANSWER_DROPPED
from lab.front.proxy import forward, upstream_session

BIG = bytes(range(256)) * 4096  # 1 MiB: beyond what is passed on in one write

Handler = Callable[[web.Request], Awaitable[web.StreamResponse]]
Use = Callable[[aiohttp.ClientSession, str], Awaitable[None]]


def test_path_and_query_arrive_as_they_were_encoded() -> None:
    async def use(client: aiohttp.ClientSession, url: str) -> None:
        for target in ("/a%2Fb/c%20d/%C3%BC?x=%2F+%20&y=a%3Db&z", "/a//b/./c%27'(1)?sig=ab%2Bcd%3D"):
            async with client.get(URL(url + target, encoded=True)) as answer:
                assert await answer.text() == target

    async def upstream(request: web.Request) -> web.Response:
        return web.Response(text=request.raw_path)

    _run(upstream, use)


def test_bodies_and_headers_pass_both_ways_unchanged() -> None:
    packed = gzip.compress(b"x" * 1000)

    async def use(client: aiohttp.ClientSession, url: str) -> None:
        headers = {"X-One": "1", "Authorization": "left out", "User-Agent": "test"}
        async with client.put(url + "/", data=BIG, headers=headers) as answer:
            assert await answer.read() == packed
            assert answer.headers["X-Sent"] == "1 None test octet 1048576"
            assert answer.headers["Content-Encoding"] == "gzip"
            assert answer.headers["X-Changed"] == "yes 200"

    async def upstream(request: web.Request) -> web.Response:
        body = await request.read()
        sent = request.headers.get
        seen = f"{sent('X-One')} {sent('Authorization')} {sent('User-Agent')} {sent('X-Two')} {sent('Content-Length')}"
        assert body == BIG
        return web.Response(body=packed, headers={"X-Sent": seen, "Content-Encoding": "gzip"})

    _run(upstream, use)


def test_big_and_chunked_answers_stream() -> None:
    async def use(client: aiohttp.ClientSession, url: str) -> None:
        async with client.get(url + "/sized") as answer:
            assert (answer.content_length, await answer.read()) == (len(BIG), BIG)
        async with client.get(url + "/chunked") as answer:
            assert (answer.content_length, await answer.read()) == (None, BIG)
        async with client.head(url + "/sized") as answer:
            assert (answer.content_length, await answer.read()) == (len(BIG), b"")

    async def upstream(request: web.Request) -> web.StreamResponse:
        if request.path == "/sized":
            return web.Response(body=BIG)
        answer = web.StreamResponse()
        await answer.prepare(request)
        await answer.write(BIG)
        return answer

    _run(upstream, use)


def test_answer_that_breaks_off_upstream_breaks_off_for_the_client() -> None:
    async def use(client: aiohttp.ClientSession, url: str) -> None:
        async with client.get(url + "/") as answer:
            assert answer.status == 200
            with pytest.raises(aiohttp.ClientError):
                await answer.read()

    async def upstream(request: web.Request) -> web.StreamResponse:
        answer = web.StreamResponse(headers={"Content-Length": str(2 * len(BIG))})
        await answer.prepare(request)
        await answer.write(BIG)
        assert request.transport is not None
        request.transport.close()
        return answer

    _run(upstream, use)


def test_nothing_of_a_dropped_answer_is_sent() -> None:
    applied: list[bytes] = []

    async def use(client: aiohttp.ClientSession, url: str) -> None:
        async with client.put(url + "/drop", data=BIG) as answer:
            assert (answer.status, await answer.read()) == (201, b"")
        assert applied == [BIG]

    async def upstream(request: web.Request) -> web.Response:
        applied.append(await request.read())
        return web.Response(status=201, body=BIG)

    _run(upstream, use)


def _run(upstream: Handler, use: Use) -> None:
    async def scenario() -> None:
        server, server_url = await _start(upstream)
        async with upstream_session(trust=ssl.create_default_context()) as session:

            async def front(request: web.Request) -> web.StreamResponse:
                if request.path == "/drop":
                    request[ANSWER_DROPPED] = True
                return await forward(
                    request,
                    server_url + request.raw_path,
                    session=session,
                    headers={"Authorization": None, "X-Two": "octet"},
                    on_answer=lambda status, headers: headers.update({"X-Changed": f"yes {status}"}),
                )

            proxy, url = await _start(front)
            async with aiohttp.ClientSession(auto_decompress=False) as client:
                await use(client, url)
            await proxy.cleanup()
        await server.cleanup()

    asyncio.run(scenario())


async def _start(handler: Handler) -> tuple[web.AppRunner, str]:
    application = web.Application(client_max_size=2 * len(BIG))
    application.router.add_route("*", "/{path:.*}", handler)
    runner = web.AppRunner(application, access_log=None)
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", 0).start()
    return runner, f"http://127.0.0.1:{runner.addresses[0][1]}"
