"""The gate before every service: journal, copies of requests, injected faults and latencies."""

import asyncio
import logging
import socket
import struct
import weakref
from collections.abc import Callable

from aiohttp import web
from aiohttp.typedefs import Handler, Middleware

from lab.clock import LabClock
from lab.front import answers
from lab.front.answers import ErrorShape
from lab.front.faults import OPERATION_SECONDS, Fault, Faults, Latencies
from lab.front.journal import Entry, Journal
from lab.front.operator import Operator
from lab.front.recording import Recording
from lab.front.request_copies import RequestCopies
from lab.machine.loopback_sockets import Address

LOGGER = logging.getLogger("lab")

# Set on a request whose answer will be dropped. A handler that streams its answer must not send a byte of it
# (lab/front/proxy.py).
ANSWER_DROPPED: web.RequestKey[bool] = web.RequestKey("answer_dropped", bool)


class Gate:
    """Journal, copies, faults and latencies of one lab, and the hooks that tell which job made a request."""

    def __init__(self, *, clock: LabClock, recording: Recording | None = None) -> None:
        """Start with an empty journal and without faults. `recording` gets every request."""
        self._clock = clock
        self._recording = recording
        self.journal = Journal()
        self.copies = RequestCopies()
        self.faults = Faults()
        self.latencies = Latencies()
        # The Automation stand-in sets three functions. This one tells which job made a connection (None: no job).
        self.job_of: Callable[[Address, Address], str | None] = lambda _client, _server: None
        # This one ends a job with SIGKILL.
        self.kill_job: Callable[[str], None] = lambda _job_id: None
        # This one notes that a job has just made its first request. It is called before the request is answered.
        self.on_first_request: Callable[[str], None] = lambda _job_id: None
        self.operator = Operator()
        # The services behind the gate, by their names in the journal and in faults.
        self.services: list[str] = []
        # One event for each request or operation that latencies or faults hold up. Setting it lets the request go on.
        self._late: set[asyncio.Event] = set()
        self._delayed: set[asyncio.Event] = set()
        self._jobs_seen: set[str] = set()
        # Each connection's job, and whether it is the operator's connection.
        self._clients: weakref.WeakKeyDictionary[asyncio.BaseTransport, tuple[str | None, bool]]
        self._clients = weakref.WeakKeyDictionary()

    def operation_seconds(
        self, name: str, *, service: str | None = None, otherwise: float = OPERATION_SECONDS
    ) -> float:
        """Return how many seconds the work of `service` after a request (e.g. `importImage`) takes.

        `otherwise` counts if no latency has been posted for it.
        """
        return self.latencies.operation_seconds(name, service=service, otherwise=otherwise)

    async def operation(self, name: str, *, otherwise: float = OPERATION_SECONDS) -> None:
        """Wait as long as the work after a request (e.g. `importImage`) takes; see operation_seconds."""
        await _held(self.operation_seconds(name, otherwise=otherwise), self._late)

    def take_back_faults(self) -> None:
        """Remove the faults. A request that one of them holds up goes on."""
        self.faults.clear()
        _let_go(self._delayed)

    def take_back_latencies(self) -> None:
        """Remove the latencies. A request or an operation that one of them holds up goes on."""
        self.latencies.clear()
        _let_go(self._late)

    def reset(self) -> None:
        """Forget journal, copies, faults, latencies and the operator."""
        self.forget_requests()
        self.take_back_faults()
        self.take_back_latencies()
        self.operator.forget()

    def forget_requests(self) -> None:
        """Forget journal and copies."""
        self.journal.clear()
        self.copies.clear()
        self._jobs_seen.clear()

    def middleware(
        self,
        service: str,
        *,
        errors: ErrorShape = answers.ARM_ERRORS,
        path: Callable[[web.Request], str] = lambda request: request.raw_path,
        copied: bool = True,
    ) -> Middleware:
        """Return the aiohttp middleware for one service.

        `errors`: what the service's errors look like. `path`: how the journal and faults see a request's path.
        `copied`: whether the request is copied (lab/front/request_copies.py).
        """
        self.services.append(service)

        @web.middleware
        async def gate(request: web.Request, handler: Handler) -> web.StreamResponse:
            job_id, operator = self._client(request)
            entry = self.journal.begin(
                at=self._clock.now(),
                service=service,
                method=request.method,
                path=path(request),
                api_version=request.query.get("api-version") or request.headers.get("x-ms-version") or "",
                client=request.headers.get("User-Agent", ""),
                job_id=job_id,
                operator=operator,
            )
            if copied:
                self.copies.begin(request, entry)
            started = asyncio.get_running_loop().time()
            answer: web.StreamResponse | None = None
            try:
                answer = await self._pass(request, handler, entry, path(request), errors)
            finally:
                if copied:
                    await self.copies.end(request)
                if self._recording is not None:
                    reached = request.transport is not None and not request.transport.is_closing()
                    await self._recording.add(request, entry, answer if reached else None)
                entry.seconds = round(asyncio.get_running_loop().time() - started, 6)
            # The reset comes last, so that a client that sees it finds its request in the recording.
            return answer if answer is not None else await reset_connection(request)

        return gate

    async def _pass(
        self, request: web.Request, handler: Handler, entry: Entry, path: str, errors: ErrorShape
    ) -> web.StreamResponse | None:
        """Return the answer; None if the connection shall be reset."""
        service, method = entry.service, request.method
        seconds = self.latencies.seconds(service=service, method=method, path=path)
        delay, fault = self.faults.due(
            service=service,
            method=method,
            path=path,
            length=request.content_length,
            job_id=entry.job_id,
            operator=entry.operator,
        )
        await _held(seconds, self._late)
        await _held(delay, self._delayed)
        entry.fault = fault.action if fault else "delay" if delay else None
        if fault is None:
            answer = await _answered(request, handler, entry.service, errors)
            entry.status = answer.status
            return answer
        if fault.does.answers:
            answer = injected(fault, errors)
            entry.status = answer.status
            return answer
        if fault.does.carries_out:
            request[ANSWER_DROPPED] = True
            entry.status = (await _answered(request, handler, entry.service, errors)).status
        if fault.does.kills and entry.job_id is not None:
            self.kill_job(entry.job_id)
        elif fault.does.kills and entry.operator:
            self.operator.kill()
        return None

    def _client(self, request: web.Request) -> tuple[str | None, bool]:
        """Return which job made a request (None: no job), and whether the operator's process made it."""
        transport = request.transport
        if transport is None:  # The client has already gone.
            return None, False
        if transport in self._clients:
            return self._clients[transport]
        ends = transport.get_extra_info("peername"), transport.get_extra_info("sockname")
        job_id = self.job_of(*ends)
        operator = job_id is None and self.operator.made(*ends)
        self._clients[transport] = job_id, operator
        if job_id is not None and job_id not in self._jobs_seen:
            self._jobs_seen.add(job_id)
            self.on_first_request(job_id)
        return job_id, operator


def injected(fault: Fault, errors: ErrorShape) -> web.Response:
    """Return the answer that a `status` or `throttle` fault asks for: an error in the service's own shape.

    A status below 400 has no body. 202 is a long-running operation that never ends.
    """
    headers = {} if fault.retry_after is None else {"Retry-After": str(fault.retry_after)}
    if fault.status < 400:
        return web.Response(status=fault.status, headers=headers)
    return answers.refusal(errors, fault.status, "Injected by the lab.", headers, code=fault.code, form=fault.form)


async def _held(seconds: float, held: set[asyncio.Event]) -> None:
    """Wait for some seconds, or until somebody sets the event that is put into `held`."""
    if not seconds:
        return
    goes_on = asyncio.Event()
    held.add(goes_on)
    try:
        await asyncio.wait_for(goes_on.wait(), seconds)
    except asyncio.TimeoutError:
        return  # The request has waited for its full time.
    finally:
        held.discard(goes_on)


def _let_go(held: set[asyncio.Event]) -> None:
    for each in held:
        each.set()


async def _answered(request: web.Request, handler: Handler, service: str, errors: ErrorShape) -> web.StreamResponse:
    """Run the handler. What it raises becomes an answer in the service's own shape."""
    try:
        return await handler(request)
    except web.HTTPException as error:
        unknown = request.match_info.http_exception is not None
        why = (
            f"{request.method} {request.path} is not known to this service." if unknown else error.text or error.reason
        )
        return answers.refusal(errors, error.status, why)
    except ConnectionError:
        raise  # The client has gone. aiohttp closes the connection.
    except Exception:
        LOGGER.exception("%s: %s %s failed", service, request.method, request.path)
        return answers.refusal(errors, 500, "The lab's stand-in failed; its log says why.")


async def reset_connection(request: web.Request) -> web.StreamResponse:
    """Reset the client's TCP connection. The returned answer reaches nobody."""
    if request.transport is not None:
        connection = request.transport.get_extra_info("socket")
        # With a linger time of zero the kernel sends RST instead of FIN, as when a host or a balancer dies.
        connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        request.transport.abort()
        await asyncio.sleep(0)  # The transport closes before aiohttp tries to write.
    return web.Response(status=500)
