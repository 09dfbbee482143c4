"""Puts the lab together, runs it until a signal ends it, and ends everything that it started."""

import argparse
import asyncio
import contextlib
import json
import logging
import os
import signal
import sys
from collections.abc import AsyncIterator, Callable
from functools import partial
from pathlib import Path

from aiohttp import web

from lab import control, real_servers, state, subscriptions
from lab.acme import service as acme
from lab.application_gateway import service as application_gateway
from lab.automation import service as automation
from lab.clock import LabClock
from lab.container_registry import service as container_registry
from lab.dns import service as dns
from lab.entra import service as entra
from lab.front import sites
from lab.front.gate import Gate
from lab.front.proxy import upstream_session
from lab.front.recording import Recording, RecordingFailedError
from lab.front.sites import Site
from lab.key_vault import service as key_vault
from lab.machine import certificates
from lab.machine.tools import ToolMissingError
from lab.monitor import service as monitor
from lab.names import Names
from lab.publisher import service as publisher
from lab.real_servers import RealServerFailedError, RealServers
from lab.resource_group import service as resource_group
from lab.service import Service
from lab.shared import Lab
from lab.snapshots import Snapshots
from lab.storage import service as storage
from lab.tokens import TokenIssuer

# Each has a folder of its own; docs/lab-services.md tells how to add one.
SERVICES: tuple[Service, ...] = (
    entra.SERVICE,
    storage.SERVICE,
    key_vault.SERVICE,
    monitor.SERVICE,
    container_registry.SERVICE,
    publisher.SERVICE,
    dns.SERVICE,
    acme.SERVICE,  # Pebble is told where the name server is.
    automation.SERVICE,
    resource_group.SERVICE,
    application_gateway.SERVICE,  # It leads to an application of the resource group.
)
# Sites that belong to no service: the control API, and Resource Manager with the types of all services.
CONTROL, ARM = "control", "arm"
SITES: dict[str, Site] = {
    CONTROL: Site(tls=False, gated=False),
    ARM: Site(),
    **{name: site for service in SERVICES for name, site in service.sites.items()},
}


@contextlib.asynccontextmanager
async def running(
    directory: Path, *, publisher_root: Path, recording: Recording | None = None
) -> AsyncIterator[tuple[Lab, RealServers]]:
    """Start a lab in `directory` and end it on leaving; its sites answer as soon as the block is entered.

    `recording` gets every request and is closed at the end. None: nothing is recorded.
    """
    files = certificates.ensure(directory)
    sockets = {name: sites.listen() for name in SITES}
    names, clock = Names(), LabClock()
    servers = RealServers(
        [server for service in SERVICES for server in service.real_servers], directory=directory / real_servers.FOLDER
    )
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
            jobs_trust=directory / "jobs-trust.pem",
            server_ssl=files.server_context(),
            urls={name: sites.url(site, sockets[name]) for name, site in SITES.items()},
            real_urls=servers.urls,
            upstream=await stack.enter_async_context(upstream_session(trust=files.client_context())),
        )
        lab.on_reset.append(partial(servers.empty, lab))
        Snapshots(lab, servers)
        for name, front in _fronts(lab).items():
            await sites.serve(stack, name, SITES[name], front, sockets[name], gate=lab.gate, server_ssl=lab.server_ssl)
        for enter in lab.running:
            await stack.enter_async_context(enter())
        # Jobs run by themselves. They end first, while the services that they call still answer.
        stack.push_async_callback(_close, lab)
        yield lab, servers


def _fronts(lab: Lab) -> dict[str, web.Application]:
    """Start the services and return what answers at each site."""
    both = subscriptions.make(lab)
    fronts = {name: front for service in SERVICES for name, front in service.start(lab, both).items()}
    return {CONTROL: control.routes(lab), ARM: subscriptions.front(lab, both), **fronts}


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
        help="form of the text that is printed when the lab is ready",
    )
    parser.add_argument(
        "--publisher-root",
        default=Path(__file__).resolve().parents[1],
        help="folder with the package `publisher`, which is the publisher's callback API (default: this project's)",
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
