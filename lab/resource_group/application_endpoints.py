"""Vibedata's applications: TLS endpoints, one port for each. The control API can make them ill.

Faithful: everything that a health probe meets in Azure. The addresses of the container apps, the function app and the
logic app in ARM (lab/resource_group/applications.py) lead here. A healthy application answers 200 with a small JSON
object at HEALTH_PATHS, and 404 elsewhere. Left out: what the applications do, HTTP/2, host names (Azure's applications
share addresses and have names; here each has a port). They are not connected with the images in the registry.

One server for all: the port tells which application is asked. In the journal the service is `application`, and the
path begins with the application's name (`/studio/healthz`), so that faults and latencies can name one application.

    GET  /applications   [{"name", "url", "mode", "status", "seconds"}]
    POST /applications   {"name": "studio", "mode": ..., "status": 503, "seconds": 10, "location": "https://..."}

    healthy          as above
    status           answers with `status` (503)
    slow             answers 200 after `seconds` (10)
    drip             answers byte by byte, headers and all, one every `seconds` (1), without end
    hang             takes the request and never answers
    redirect_loop    302 to itself, for ever
    redirect         302 to `location`
    huge             200 with a body of HUGE_BYTES, as fast as it is read
    bad_certificate  a certificate of an authority that nobody trusts
    closed           nothing listens (the port stays the application's)

A change of mode breaks the application's open connections. A reset makes all applications healthy.
"""

import asyncio
import contextlib
import socket
import ssl
from collections.abc import AsyncIterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path

from aiohttp import web

from lab.front.faults import MAX_SECONDS, InvalidFaultError
from lab.front.gate import reset_connection
from lab.front.sites import RUNNER_OPTIONS
from lab.machine import certificates
from lab.shared import Lab

# In the journal and in faults: the applications are one service with many addresses.
APPLICATION = "application"

HEALTH_PATHS = ("/", "/health", "/healthz", "/api/health")
# Mode -> its default number of seconds.
MODES: Mapping[str, float] = {
    "healthy": 0.0,
    "status": 0.0,
    "slow": 10.0,
    "drip": 1.0,
    "hang": 0.0,
    "redirect_loop": 0.0,
    "redirect": 0.0,
    "huge": 0.0,
    "bad_certificate": 0.0,
    "closed": 0.0,
}
FIELDS = {"name", "mode", "status", "seconds", "location"}
HUGE_BYTES = 3 * 1024**3
BLOCK = bytes(64 * 1024)
BACKLOG = 128
LOOK_SECONDS = 0.5  # how often a request without an answer looks whether its client has gone
DRIPPED = b"HTTP/1.1 200 OK\r\nContent-Type: text/plain\r\nTransfer-Encoding: chunked\r\n\r\n"
DRIPPED_CHUNK = b"1\r\n.\r\n"


@dataclass(slots=True)
class _Application:
    """One application: its port and its mode."""

    name: str
    # It is bound but never listens. It keeps the port for the application while the application is closed.
    kept: socket.socket
    site: web.SockSite | None = None
    mode: str = "healthy"
    status: int = 200
    seconds: float = 0.0
    location: str = ""
    changed: asyncio.Event = field(default_factory=asyncio.Event)

    @property
    def port(self) -> int:
        port: int = self.kept.getsockname()[1]
        return port

    def view(self) -> dict[str, object]:
        return {
            "name": self.name,
            "url": f"https://127.0.0.1:{self.port}",
            "mode": self.mode,
            "status": self.status,
            "seconds": self.seconds,
        }


class Applications:
    """The applications of one running lab."""

    def __init__(self, lab: Lab, names: tuple[str, ...]) -> None:
        """Take a port for each name. The ports answer once `running` is entered."""
        self._lab = lab
        self._by_name = {name: _Application(name=name, kept=_bound(0)) for name in names}
        self._by_port = {one.port: one for one in self._by_name.values()}
        self._runner: web.AppRunner | None = None
        self._changing = asyncio.Lock()

    @property
    def addresses(self) -> dict[str, str]:
        """Return `127.0.0.1:PORT` of each application."""
        return {one.name: f"127.0.0.1:{one.port}" for one in self._by_name.values()}

    @contextlib.asynccontextmanager
    async def running(self) -> AsyncIterator[None]:
        """Answer until the block is left."""
        lab = self._lab
        application = web.Application()
        application.router.add_route("*", "/{path:.*}", self._answer)
        application.middlewares.append(lab.gate.middleware(APPLICATION, path=self._named_path))
        self._runner = web.AppRunner(application, **RUNNER_OPTIONS)
        lab.controls["GET", "/applications"] = self._view
        lab.controls["POST", "/applications"] = self._change
        lab.on_reset.append(self._heal)
        await self._runner.setup()
        try:
            for one in self._by_name.values():
                await self._listen(one, lab.server_ssl)
            yield
        finally:
            for one in self._by_name.values():
                one.changed.set()
            await self._runner.cleanup()
            for one in self._by_name.values():
                one.kept.close()

    async def _view(self, _body: object) -> object:
        return {"applications": [one.view() for one in self._by_name.values()]}

    async def _change(self, body: object) -> object:
        if not isinstance(body, dict) or not set(body) <= FIELDS:
            raise InvalidFaultError(f"an application is a JSON object with {', '.join(sorted(FIELDS))}")
        one, mode = self._by_name.get(str(body.get("name"))), str(body.get("mode"))
        if one is None:
            known = ", ".join(self._by_name)
            raise InvalidFaultError(f"there is no application {body.get('name')!r}; there are {known}")
        if mode not in MODES:
            raise InvalidFaultError(f"mode is {mode!r}; it takes one of {', '.join(MODES)}")
        status, seconds, location = body.get("status", 503), body.get("seconds", MODES[mode]), body.get("location", "")
        if type(status) is not int or not 200 <= status <= 599:
            raise InvalidFaultError(f"status is {status!r}; it takes a whole number from 200 to 599")
        if type(seconds) not in (int, float) or not 0 <= seconds <= MAX_SECONDS:
            raise InvalidFaultError(f"seconds is {seconds!r}; it takes a number from 0 to {MAX_SECONDS}")
        if bool(location) != (mode == "redirect") or not isinstance(location, str):
            raise InvalidFaultError("location is the address that the mode redirect leads to; no other mode takes it")
        async with self._changing:
            await self._set(one, mode, status=status, seconds=float(seconds), location=location)
        return one.view()

    async def _heal(self) -> None:
        async with self._changing:
            for one in self._by_name.values():
                if one.mode != "healthy":
                    await self._set(one, "healthy")

    async def _set(
        self, one: _Application, mode: str, *, status: int = 200, seconds: float = 0.0, location: str = ""
    ) -> None:
        before = one.mode
        one.mode, one.status, one.seconds, one.location = mode, status, seconds, location
        one.changed.set()  # requests that wait for an answer in the old mode
        one.changed = asyncio.Event()
        if {before, mode} & {"closed", "bad_certificate"}:
            if one.site is not None:
                await one.site.stop()
                one.site = None
            if mode != "closed":
                await self._listen(one, self._untrusted() if mode == "bad_certificate" else self._lab.server_ssl)
        await self._break_connections(one)

    async def _listen(self, one: _Application, context: ssl.SSLContext) -> None:
        assert self._runner is not None  # noqa: S101 - `running` comes first
        one.site = web.SockSite(self._runner, _bound(one.port), ssl_context=context, backlog=BACKLOG)
        await one.site.start()

    def _untrusted(self) -> ssl.SSLContext:
        directory: Path = self._lab.dir / "untrusted"
        directory.mkdir(exist_ok=True)
        return certificates.ensure(directory).server_context()

    async def _break_connections(self, one: _Application) -> None:
        """Break them, and wait until they are gone. After the change no client has an old connection left."""
        while connections := self._connections(one):
            for transport in connections:
                transport.abort()
            await asyncio.sleep(0)

    def _connections(self, one: _Application) -> list[asyncio.Transport]:
        assert self._runner is not None and self._runner.server is not None  # noqa: S101 - it listens
        transports = [connection.transport for connection in self._runner.server.connections]
        # A lost connection has no address any more.
        return [
            transport
            for transport in transports
            if transport is not None and (transport.get_extra_info("sockname") or (None, None))[1] == one.port
        ]

    def _asked(self, request: web.Request) -> _Application:
        sockname = None if request.transport is None else request.transport.get_extra_info("sockname")
        if sockname is None:
            raise ConnectionResetError("the client has gone")
        return self._by_port[sockname[1]]

    def _named_path(self, request: web.Request) -> str:
        return f"/{self._asked(request).name}{request.raw_path}"

    async def _answer(self, request: web.Request) -> web.StreamResponse:
        one = self._asked(request)
        changed = one.changed
        if one.mode == "status":
            return web.json_response({"application": one.name, "status": "ill"}, status=one.status)
        if one.mode in ("redirect", "redirect_loop"):
            return web.Response(status=302, headers={"Location": one.location or request.raw_path})
        if one.mode in STREAMS:
            return await STREAMS[one.mode](request, one.seconds, changed)
        if one.mode == "slow":
            await _happens(changed, one.seconds)
        if request.path not in HEALTH_PATHS:
            return web.json_response({"application": one.name, "status": "not found"}, status=404)
        return web.json_response({"application": one.name, "status": "ok"})


async def _hang(request: web.Request, _seconds: float, changed: asyncio.Event) -> web.StreamResponse:
    while not await _happens(changed, LOOK_SECONDS):
        if _gone(request):
            break
    return await reset_connection(request)


async def _huge(request: web.Request, _seconds: float, _changed: asyncio.Event) -> web.StreamResponse:
    answer = web.StreamResponse(headers={"Content-Length": str(HUGE_BYTES), "Content-Type": "application/octet-stream"})
    await answer.prepare(request)
    try:
        for _ in range(HUGE_BYTES // len(BLOCK)):
            await answer.write(BLOCK)
            await asyncio.sleep(0)  # A write may return at once. Then nobody would notice that the client is gone.
            if _gone(request):
                return await reset_connection(request)
        await answer.write_eof()
    except ConnectionError:
        return await reset_connection(request)
    return answer


async def _drip(request: web.Request, seconds: float, changed: asyncio.Event) -> web.StreamResponse:
    """Write to the connection itself: a response object would send its headers in one piece."""
    text = DRIPPED
    while True:
        for byte in text:
            if await _happens(changed, seconds) or request.transport is None or _gone(request):
                return await reset_connection(request)
            request.transport.write(bytes([byte]))
        text = DRIPPED_CHUNK


STREAMS = {"hang": _hang, "huge": _huge, "drip": _drip}


async def _happens(event: asyncio.Event, seconds: float) -> bool:
    """Wait for an event, at most for the given seconds; tell whether it has happened."""
    try:
        await asyncio.wait_for(event.wait(), seconds)
    except asyncio.TimeoutError:
        return False
    return True


def _gone(request: web.Request) -> bool:
    """Tell whether the client has gone."""
    return request.transport is None or request.transport.is_closing()


def _bound(port: int) -> socket.socket:
    """Return a socket that is bound to the port (0: any) but does not listen. Several of them may have one port."""
    made = socket.socket(socket.AF_INET, socket.SOCK_STREAM)
    made.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    made.bind(("127.0.0.1", port))
    return made
