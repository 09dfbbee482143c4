"""The control API: what tests and people can see and change in a running lab (plain http, not behind the gate).

    GET    /status             the services' addresses, the lab's directory and process id
    GET    /names              names, ids and passwords of the lab's customer and publisher, also those not in lab.env
    GET    /requests           the journal, and its newest sequence number; filters service, job_id, method, since (a
                               sequence number)
    GET    /requests/summary   counts by service, method and status; the same filters
    POST   /requests/search    which requests have sent given bytes (lab/front/request_copies.py)
    GET    /faults             the faults in force; POST adds one, DELETE removes all and lets held requests go on
    GET    /latency            the latencies in force; POST adds one, DELETE removes all and lets held requests go on
    GET    /clock              the lab's time; POST {"advance_seconds"} or {"offset_seconds"} moves it
    POST   /operator           {"pid"}: the process whose requests are the operator's (lab/front/operator.py)
    POST   /reset              go back to the start

The services add these. The named file documents each one:

    POST /acme                 lab/acme/front.py
    GET, POST /jobs            lab/automation/jobs.py
    POST /automation/minutes   lab/automation/handlers/account.py
    POST /snapshots            lab/snapshots.py, also POST /snapshots/put_back
    GET, POST /applications    lab/resource_group/application_endpoints.py
    GET, POST /resources       lab/resource_group/changes.py
    GET, POST /gateway         lab/application_gateway/listener.py
    POST /firewall             lab/application_gateway/provider.py
    POST /alerts               lab/monitor/alerts_provider.py
    POST /rule                 lab/monitor/provider.py
    GET, POST /authorization   lab/authorization/provider.py
    POST /packages             lab/automation/imports.py
    GET, POST /publisher-api   lab/publisher/front.py, also POST /publisher-api/restart
    POST /vaults               lab/key_vault/front.py
    POST /schedules/fire       lab/automation/handlers/schedules.py

A request that the control API does not understand is refused with 400 and the reason.
"""

import asyncio
import dataclasses
import json
import os
from collections.abc import Awaitable, Callable, Iterator

from aiohttp import web

from lab.front import answers, fault_bodies
from lab.front.faults import InvalidFaultError
from lab.front.journal import Entry, summary
from lab.front.request_copies import parse_search, search
from lab.shared import Lab

FILTERS = {"service", "job_id", "method", "since"}
MAX_CLOCK_SECONDS = 100 * 366 * 24 * 3600

Handler = Callable[[web.Request], Awaitable[web.Response]]


def routes(lab: Lab) -> web.Application:
    """Return the control API's app."""
    application = web.Application()
    application.router.add_routes(_Control(lab).routes())
    return application


def _checked(handler: Handler, parameters: set[str] | None = None) -> Handler:
    """Refuse unknown query parameters, and turn a handler's refusal into 400."""

    async def checked(request: web.Request) -> web.Response:
        unknown = sorted(set(request.query) - (parameters or set()))
        try:
            if unknown:
                takes = ", ".join(sorted(parameters)) if parameters else "none"
                raise InvalidFaultError(f"unknown query parameters {', '.join(unknown)}; {request.path} takes {takes}")
            return await handler(request)
        except InvalidFaultError as error:
            return answers.arm_error(400, "BadRequest", str(error))

    return checked


class _Control:
    """The handlers, each for one method and path."""

    def __init__(self, lab: Lab) -> None:
        """Control `lab`."""
        self._lab = lab
        self._resetting = asyncio.Lock()
        lab.controls["POST", "/operator"] = lab.gate.operator.name

    def routes(self) -> list[web.RouteDef]:
        """Return the methods and paths."""
        return [
            web.get("/status", _checked(self._status)),
            web.get("/names", _checked(self._names)),
            web.get("/requests", _checked(self._requests, FILTERS)),
            web.get("/requests/summary", _checked(self._requests_summary, FILTERS)),
            web.post("/requests/search", _checked(self._search_requests)),
            web.get("/faults", _checked(self._list_faults)),
            web.post("/faults", _checked(self._add_fault)),
            web.delete("/faults", _checked(self._clear_faults)),
            web.get("/latency", _checked(self._list_latencies)),
            web.post("/latency", _checked(self._add_latency)),
            web.delete("/latency", _checked(self._clear_latencies)),
            web.get("/clock", _checked(self._clock)),
            web.post("/clock", _checked(self._set_clock)),
            web.post("/reset", _checked(self._reset)),
            web.route("*", "/{path:.+}", _checked(self._of_service)),
        ]

    async def _status(self, _request: web.Request) -> web.Response:
        lab = self._lab
        status = {"pid": os.getpid(), "directory": str(lab.dir), "services": lab.urls, "warnings": lab.warnings}
        return web.json_response(status)

    async def _names(self, _request: web.Request) -> web.Response:
        return web.json_response(dataclasses.asdict(self._lab.names))

    async def _requests(self, request: web.Request) -> web.Response:
        shown = [entry.as_json() for entry in self._selected(request)]
        journal = self._lab.gate.journal
        return web.json_response({"requests": shown, "dropped": journal.dropped, "newest": journal.newest})

    async def _requests_summary(self, request: web.Request) -> web.Response:
        return web.json_response({**summary(self._selected(request)), "dropped": self._lab.gate.journal.dropped})

    async def _search_requests(self, request: web.Request) -> web.Response:
        since, sought = parse_search(await _body(request))
        copies, complete = self._lab.gate.copies.kept(since)
        # The search reads some megabytes for many forms of many secrets, so other requests go on meanwhile.
        found = await asyncio.to_thread(search, copies, sought)
        return web.json_response({"found": found, "searched": len(copies), "complete": complete})

    def _selected(self, request: web.Request) -> Iterator[Entry]:
        service, since, method = (
            request.query.get("service"),
            request.query.get("since", "0"),
            request.query.get("method"),
        )
        if service is not None and service not in self._lab.gate.services:
            raise InvalidFaultError(f"service is {service!r}; it takes one of {', '.join(self._lab.gate.services)}")
        if not since.isdecimal():
            raise InvalidFaultError(f"since is {since!r}; it takes a sequence number")
        return self._lab.gate.journal.select(
            service=service,
            job_id=request.query.get("job_id"),
            method=None if method is None else method.upper(),
            since=int(since),
        )

    async def _list_faults(self, _request: web.Request) -> web.Response:
        return web.json_response({"faults": [fault.as_json() for fault in self._lab.gate.faults.entries]})

    async def _add_fault(self, request: web.Request) -> web.Response:
        fault = fault_bodies.parse_fault(await _body(request), services=self._lab.gate.services)
        self._lab.gate.faults.add(fault)
        return web.json_response(fault.as_json(), status=201)

    async def _clear_faults(self, _request: web.Request) -> web.Response:
        self._lab.gate.take_back_faults()
        return web.json_response({"faults": []})

    async def _list_latencies(self, _request: web.Request) -> web.Response:
        return web.json_response({"latencies": [latency.as_json() for latency in self._lab.gate.latencies.entries]})

    async def _add_latency(self, request: web.Request) -> web.Response:
        latency = fault_bodies.parse_latency(await _body(request), services=self._lab.gate.services)
        self._lab.gate.latencies.add(latency)
        return web.json_response(latency.as_json(), status=201)

    async def _clear_latencies(self, _request: web.Request) -> web.Response:
        self._lab.gate.take_back_latencies()
        return web.json_response({"latencies": []})

    async def _clock(self, _request: web.Request) -> web.Response:
        return web.json_response({"now": self._lab.clock.now(), "offset_seconds": self._lab.clock.offset_seconds})

    async def _set_clock(self, request: web.Request) -> web.Response:
        body = await _body(request)
        moves = {"advance_seconds": self._lab.clock.advance, "offset_seconds": self._lab.clock.set_offset}
        if not isinstance(body, dict) or len(body) != 1 or not set(body) <= set(moves):
            raise InvalidFaultError(f"the clock takes one of {', '.join(moves)}")
        ((name, seconds),) = body.items()
        if isinstance(seconds, bool) or not isinstance(seconds, int | float) or abs(seconds) > MAX_CLOCK_SECONDS:
            raise InvalidFaultError(f"{name} is {seconds!r}; it takes a number of seconds")
        moves[name](float(seconds))
        return await self._clock(request)

    async def _of_service(self, request: web.Request) -> web.Response:
        """Pass the request to the service that has added this path."""
        answer = self._lab.controls.get((request.method, request.path))
        if answer is None:
            raise web.HTTPNotFound
        return web.json_response(await answer(None if request.method == "GET" else await _body(request)))

    async def _reset(self, _request: web.Request) -> web.Response:
        async with self._resetting:
            # The clock goes first, so that the hooks create things at the machine's time.
            self._lab.clock.reset()
            for hook in self._lab.on_reset:
                await hook()
            # The journal goes last, so that requests which the hooks caused or cut short leave no trace.
            self._lab.gate.reset()
        return web.json_response({"status": "reset"})


async def _body(request: web.Request) -> object:
    try:
        return json.loads(await request.read())
    except ValueError as error:
        raise InvalidFaultError(f"the body is not JSON: {error}") from error
