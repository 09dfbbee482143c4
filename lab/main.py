"""Puts the lab together, runs it until it is told to end, and ends whatever it started."""

import argparse
import asyncio
import contextlib
import json
import logging
import os
import secrets
import signal
import socket
import ssl
import sys
from collections.abc import AsyncIterator, Callable
from functools import partial
from pathlib import Path
from typing import Any

from aiohttp import web

from lab import control, state, subscriptions
from lab.clock import LabClock
from lab.container_registry import front as container_registry
from lab.container_registry.scoped_tokens import RegistryTokens
from lab.entra import managed_identity as identity
from lab.entra import sign_in as entra
from lab.front.gate import Gate
from lab.front.proxy import upstream_session
from lab.front.recording import Recording, RecordingFailedError
from lab.key_vault import front as key_vault
from lab.machine import certificates
from lab.machine.tools import ToolMissingError
from lab.monitor import front as monitor
from lab.publisher import front as publisher_api
from lab.publisher import signing_material
from lab.real_servers import RealServerFailedError, RealServers
from lab.resource_group import application_endpoints as applications
from lab.resource_group.applications import APPLICATIONS
from lab.shared import KEY_VAULTS, Lab, Names
from lab.storage import front as storage
from lab.tokens import TokenIssuer

# As in the real sandbox, whose identity endpoint is plain http on loopback.
PLAIN_SERVICES = ("control", "identity")
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

# Each service by its name, as in the journal, in faults and as a key of Lab.urls.
STAND_INS: dict[str, Callable[[Lab], web.Application]] = {
    "control": control.routes,
    "identity": identity.routes,
    "entra": entra.routes,
    "arm": subscriptions.routes,
    "blob": partial(storage.routes, service="blob"),
    "table": partial(storage.routes, service="table"),
    "key_vault": partial(key_vault.routes, service="key_vault"),
    "publisher_key_vault": partial(key_vault.routes, service="publisher_key_vault"),
    "logs": monitor.routes,
    "logs_query": monitor.query_routes,
    "publisher_registry": partial(container_registry.routes, service="publisher_registry"),
    "customer_registry": partial(container_registry.routes, service="customer_registry"),
    "publisher_api": publisher_api.routes,
}


@contextlib.asynccontextmanager
async def running(
    directory: Path, *, publisher_root: Path, recording: Recording | None = None
) -> AsyncIterator[tuple[Lab, RealServers]]:
    """Start a lab in `directory` and end it on leaving; its sites answer as soon as the block is entered.

    `recording` takes in every request, and is closed at the end; None: nothing is recorded.
    """
    files = certificates.ensure(directory)
    sockets = {service: _listen() for service in STAND_INS}
    names, clock = Names(), LabClock()
    servers = RealServers(directory=directory / "servers")
    apps = applications.Applications(APPLICATIONS)
    async with contextlib.AsyncExitStack() as stack:
        for listening in sockets.values():
            stack.callback(listening.close)
        stack.push_async_callback(servers.stop)
        if recording is not None:
            stack.callback(recording.close)
        await servers.start(names=names, certificates=files)
        lab = Lab(
            names=names,
            dir=directory,
            publisher_root=publisher_root,
            clock=clock,
            gate=Gate(clock=clock, recording=recording),
            tokens=TokenIssuer(clock=clock, tenant_id=names.tenant_id),
            ca_file=files.ca,
            server_ssl=files.server_context(),
            signing=signing_material.make(directory),
            urls={service: _url(service, listening) for service, listening in sockets.items()},
            real_urls=servers.urls,
            applications=apps.addresses,
            registry_tokens=RegistryTokens(now=clock.now),
            upstream=await stack.enter_async_context(upstream_session(trust=files.client_context())),
        )
        lab.on_reset.append(partial(servers.empty, lab))
        lab.identity_headers[secrets.token_hex(16).upper()] = None  # the engineer's, in lab.env
        for service, routes in STAND_INS.items():
            await _serve(stack, lab, service, routes(lab), sockets[service])
        await stack.enter_async_context(apps.running(lab, **RUNNER_OPTIONS))
        # What runs of its own accord (jobs) ends first, while the services that it calls still answer.
        stack.push_async_callback(_close, lab)
        yield lab, servers


def _listen() -> socket.socket:
    listening = socket.socket(socket.AF_INET, socket.SOCK_STREAM)
    listening.bind(("127.0.0.1", 0))  # a port of the kernel's choosing, so that labs never meet
    return listening


def _url(service: str, listening: socket.socket) -> str:
    scheme = "http" if service in PLAIN_SERVICES else "https"
    return f"{scheme}://127.0.0.1:{listening.getsockname()[1]}"


async def _serve(
    stack: contextlib.AsyncExitStack, lab: Lab, service: str, application: web.Application, listening: socket.socket
) -> None:
    if service != "control":
        application.middlewares.insert(0, lab.gate.middleware(service, copied=service not in KEY_VAULTS))
    runner = web.AppRunner(application, **RUNNER_OPTIONS)
    await runner.setup()
    stack.push_async_callback(runner.cleanup)
    context: ssl.SSLContext | None = None if service in PLAIN_SERVICES else lab.server_ssl
    await web.SockSite(runner, listening, ssl_context=context, backlog=BACKLOG).start()


async def _close(lab: Lab) -> None:
    for hook in reversed(lab.on_close):
        await hook()


async def run(
    directory: Path,
    *,
    publisher_root: Path,
    recording: Recording | None,
    announce: Callable[[dict[str, str]], None],
) -> None:
    """Run a lab until SIGTERM or SIGINT; RealServerFailedError if a real server ends before that.

    `announce` is given the environment as soon as every service answers.
    """
    told = asyncio.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        asyncio.get_running_loop().add_signal_handler(number, told.set)
    async with running(directory, publisher_root=publisher_root, recording=recording) as (lab, servers):
        variables = state.environment(lab)
        state.write_instance(directory, state.instance_document(lab))
        state.write_environment(directory, variables)
        announce(variables)
        ended = asyncio.ensure_future(told.wait())
        failed = asyncio.ensure_future(servers.failure())
        await asyncio.wait({ended, failed}, return_when=asyncio.FIRST_COMPLETED)
        ended.cancel()
        if failed.done():
            raise failed.result()
        failed.cancel()


def main(arguments: list[str] | None = None) -> int:
    """Run a lab from the command line; return the exit code."""
    parser = argparse.ArgumentParser(
        prog="python -m lab",
        description="Run a local Azure until SIGTERM or Ctrl-C.",
        epilog="example:\n  python -m lab --dir .lab\n  source .lab/lab.env   in another shell, once it is ready",
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("--dir", default=".lab", help="folder that holds everything of this lab (default: .lab)")
    parser.add_argument(
        "--output",
        choices=("text", "json"),
        default="text",
        help="form of what is printed when ready",
    )
    parser.add_argument(
        "--publisher-root",
        default=publisher_api.project(),
        help="folder with the package `publisher`, run as the publisher's callback API (default: this project's)",
    )
    parser.add_argument("--record", metavar="DIR", help="folder for a recording of all requests and answers")
    options = parser.parse_args(arguments)
    logging.basicConfig(level=logging.INFO, format="%(asctime)s %(levelname)s %(message)s", stream=sys.stderr)

    directory, publisher_root = Path(options.dir).resolve(), Path(options.publisher_root).resolve()

    def announce(variables: dict[str, str]) -> None:
        ready = {
            "status": "up",
            "directory": str(directory),
            "pid": os.getpid(),
            "environment_file": str(directory / state.ENVIRONMENT_FILE),
            "environment": variables,
        }
        as_json = options.output == "json"
        sys.stdout.write(json.dumps(ready) + "\n" if as_json else state.export_lines(variables))
        sys.stdout.flush()

    try:
        lock = state.take(directory)
    except state.LabRunningError as error:
        sys.stderr.write(f"lab: {error}\n")
        return 1
    with lock:
        try:
            recording = Recording(Path(options.record)) if options.record else None
            asyncio.run(run(directory, publisher_root=publisher_root, recording=recording, announce=announce))
        except (RealServerFailedError, RecordingFailedError, ToolMissingError) as error:
            sys.stderr.write(f"lab: {error}\n")
            return 1
        finally:
            state.release(directory)
    return 0
