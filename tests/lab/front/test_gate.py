"""The gate and a job: the gate knows which requests come from the job's process, and a fault can kill it."""

import asyncio
import signal
import sys
from collections.abc import Awaitable, Callable

from aiohttp import web

from lab.clock import LabClock
from lab.front.fault_bodies import parse_fault
from lab.front.gate import Gate
from lab.front.journal import MAX_ENTRIES, Journal

CLIENT = """
import sys, urllib.request
for method in ("GET", "POST", "POST"):
    urllib.request.urlopen(urllib.request.Request(sys.argv[1], method=method)).read()
"""


def test_kill_job_applies_the_request_and_kills_the_job_that_made_it() -> None:
    async def scenario() -> None:
        applied: list[str] = []
        first_requests: list[str] = []
        gate = Gate(clock=LabClock())
        gate.faults.add(parse_fault({"action": "kill_job", "match": {"method": "POST"}}, services=["arm"]))

        async def handler(request: web.Request) -> web.Response:
            applied.append(request.method)
            return web.Response(text="done")

        async def with_server(url: str) -> None:
            job = await asyncio.create_subprocess_exec(sys.executable, "-c", CLIENT, url)
            gate.job_of = lambda _client, _server: "job-1"
            gate.kill_job = lambda job_id: job.send_signal(signal.SIGKILL) if job_id == "job-1" else None
            gate.on_first_request = first_requests.append
            assert await job.wait() == -signal.SIGKILL

        await _serve(gate, handler, with_server)
        assert applied == ["GET", "POST"]
        assert first_requests == ["job-1"]
        entries = list(gate.journal.select(service=None, job_id="job-1", method=None, since=0))
        assert [(entry.method, entry.fault, entry.status) for entry in entries] == [
            ("GET", None, 200),
            ("POST", "kill_job", 200),
        ]

    asyncio.run(scenario())


def test_handler_that_fails_is_a_500_in_the_services_shape() -> None:
    async def scenario() -> None:
        async def handler(_request: web.Request) -> web.Response:
            raise RuntimeError("no")

        async def with_server(url: str) -> None:
            reader, writer = await asyncio.open_connection("127.0.0.1", int(url.rpartition(":")[2].strip("/")))
            writer.write(b"GET / HTTP/1.1\r\nHost: lab\r\nConnection: close\r\n\r\n")
            answer = (await reader.read()).decode()
            writer.close()
            await writer.wait_closed()
            assert answer.startswith("HTTP/1.1 500")
            assert '"code": "InternalServerError"' in answer

        await _serve(Gate(clock=LabClock()), handler, with_server)

    asyncio.run(scenario())


def test_journal_keeps_the_newest_and_counts_what_it_dropped() -> None:
    journal = Journal(max_entries=3)
    for number in range(5):
        journal.begin(at=0, service="arm", method="GET", path=f"/{number}", api_version="", client="", job_id=None)
    kept = [entry.path for entry in journal.select(service=None, job_id=None, method=None, since=0)]
    assert (kept, journal.dropped) == (["/2", "/3", "/4"], 2)
    assert MAX_ENTRIES >= 100_000


async def _serve(
    gate: Gate, handler: Callable[[web.Request], Awaitable[web.Response]], use: Callable[[str], Awaitable[None]]
) -> None:
    application = web.Application(middlewares=[gate.middleware("arm")])
    application.router.add_route("*", "/{path:.*}", handler)
    runner = web.AppRunner(application, access_log=None)
    await runner.setup()
    site = web.TCPSite(runner, "127.0.0.1", 0)
    await site.start()
    try:
        await use(f"http://127.0.0.1:{runner.addresses[0][1]}/")
    finally:
        await runner.cleanup()
