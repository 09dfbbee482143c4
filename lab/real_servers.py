"""The real servers behind the lab's fronts: Azurite (Blob, Table) and one Docker Registry per container registry.

They listen on loopback ports of the kernel's choosing and are reached by the fronts alone. Each start of the lab and
each reset begins with empty ones: the stand-ins' own state lives in memory, and half a world would be no test.
"""

import asyncio
import base64
import json
import re
import secrets
import shutil
import time
from collections.abc import Mapping, Sequence
from pathlib import Path
from xml.etree import ElementTree

import aiohttp

from lab.machine import children, tools
from lab.machine.certificates import Certificates
from lab.names import Names
from lab.shared import Lab
from lab.storage.access import STORAGE_AUDIENCES
from lab.tokens import TokenIssuer

START_SECONDS = 30.0
POLL_SECONDS = 0.02
LOG_TAIL_CHARACTERS = 2000
REGISTRIES = ("publisher_registry", "customer_registry")
BLOB_API_VERSION = "2023-11-03"
TABLE_API_VERSION = "2019-02-02"
LEASE_HELD = 412


class RealServerFailedError(Exception):
    """A real server did not start or ended by itself; the text has the end of its log."""


class RealServers:
    """The running servers of one lab and where they listen."""

    def __init__(self, *, directory: Path) -> None:
        """Keep data and logs in `directory`."""
        self._directory = directory
        self._processes: dict[str, asyncio.subprocess.Process] = {}
        self.urls: dict[str, str] = {}

    async def start(self, *, names: Names, certificates: Certificates) -> None:
        """Start all, wait until each listens, set `urls`; RealServerFailedError or ToolMissingError if one does not."""
        shutil.rmtree(self._directory, ignore_errors=True)
        self._directory.mkdir(parents=True)
        starts = [
            self._start_azurite((names.storage_account, names.publisher_storage_account), certificates),
            *map(self._start_registry, REGISTRIES),
        ]
        for done in await asyncio.gather(*starts, return_exceptions=True):
            if isinstance(done, BaseException):
                raise done

    async def _start_azurite(self, accounts: Sequence[str], certificates: Certificates) -> None:
        tool = tools.azurite()
        keyed = [f"{account}:{base64.b64encode(secrets.token_bytes(64)).decode()}" for account in accounts]
        hosts = [f"--{kind}{part}={value}" for kind in ("blob", "queue", "table") for part, value in AZURITE_LISTEN]
        command = [
            *tool.command,
            *hosts,
            f"--location={self._directory / 'azurite'}",
            "--oauth=basic",
            f"--cert={certificates.server}",
            f"--key={certificates.server_key}",
            "--disableTelemetry",
            "--skipApiVersionCheck",
            "--silent",
        ]
        environ = {**tool.environ, "AZURITE_ACCOUNTS": ";".join(keyed)}
        log = await self._run("azurite", command, environ)
        for service in ("Blob", "Table"):
            listening = re.compile(rf"Azurite {service} service is successfully listening at (\S+)")
            self.urls[service.lower()] = (await self._wait_for(listening, log, "azurite")).group(1)

    async def _start_registry(self, name: str) -> None:
        tool = tools.docker_registry()
        configuration = self._directory / f"{name}.yml"
        # JSON is YAML. Without a cache of descriptors the data can be emptied under a running server.
        configuration.write_text(
            json.dumps(
                {
                    "version": "0.1",
                    "log": {"level": "info", "accesslog": {"disabled": True}},
                    "storage": {
                        "filesystem": {"rootdirectory": str(self._directory / name)},
                        "delete": {"enabled": True},
                        "maintenance": {"uploadpurging": {"enabled": False}},
                    },
                    # Layers that are kept elsewhere (`urls`) are taken, as ACR does; by default none is.
                    "validation": {"manifests": {"urls": {"allow": ["^https?://"]}}},
                    # Relative Locations lead a client back to the front that it came through.
                    "http": {"addr": "127.0.0.1:0", "relativeurls": True, "secret": secrets.token_hex(16)},
                }
            )
        )
        log = await self._run(name, [*tool.command, "serve", str(configuration)], tool.environ)
        listening = re.compile(r"listening on (127\.0\.0\.1:\d+)")
        self.urls[name] = "http://" + (await self._wait_for(listening, log, name)).group(1)

    async def _run(self, name: str, command: list[str], environ: Mapping[str, str]) -> Path:
        log = self._directory / f"{name}.log"
        self._processes[name] = await children.start(command, directory=self._directory, environ=environ, log=log)
        return log

    async def _wait_for(self, pattern: re.Pattern[str], log: Path, name: str) -> re.Match[str]:
        deadline = time.monotonic() + START_SECONDS
        while True:
            found = pattern.search(log.read_text(errors="replace"))
            if found:
                return found
            code = self._processes[name].returncode
            if code is not None or time.monotonic() > deadline:
                why = f"ended with {code}" if code is not None else f"did not listen within {START_SECONDS:.0f} s"
                raise RealServerFailedError(f"{name} {why}: {_tail(log)}")
            await asyncio.sleep(POLL_SECONDS)

    async def failure(self) -> RealServerFailedError:
        """Wait until a server ends by itself and return what to say about it."""
        waits = {asyncio.ensure_future(process.wait()): name for name, process in self._processes.items()}
        try:
            done, _ = await asyncio.wait(waits, return_when=asyncio.FIRST_COMPLETED)
        finally:
            for wait in waits:
                wait.cancel()
        name = waits[done.pop()]
        code = self._processes[name].returncode
        return RealServerFailedError(f"{name} ended with {code}: {_tail(self._directory / f'{name}.log')}")

    async def empty(self, lab: Lab) -> None:
        """Delete everything that the servers hold."""
        for name in REGISTRIES:
            shutil.rmtree(self._directory / name, ignore_errors=True)
        token = azurite_token(lab.tokens, lab.names.operator_principal_id, lab.names.operator_client_id)
        headers = {"Authorization": f"Bearer {token}"}
        names = lab.names
        await _delete_containers(lab.upstream, f"{self.urls['blob']}/{names.storage_account}", headers)
        for account in (names.storage_account, names.publisher_storage_account):
            await _delete_tables(lab.upstream, f"{self.urls['table']}/{account}", headers)

    async def stop(self) -> None:
        """End every server."""
        await asyncio.gather(*map(children.stop, self._processes.values()))


# Queues are not used, but Azurite starts all three and would take its well-known port for them.
AZURITE_LISTEN = (("Host", "127.0.0.1"), ("Port", "0"))


def azurite_token(tokens: TokenIssuer, principal_id: str, client_id: str) -> str:
    """Return a token that Azurite takes for an hour: it judges by the machine's clock, whatever the lab's says."""
    now = int(time.time())
    times = {"iat": now, "nbf": now, "exp": now + 3600}
    return tokens.issue(STORAGE_AUDIENCES[0], principal_id, appid=client_id, **times)


async def _delete_containers(session: aiohttp.ClientSession, account: str, headers: Mapping[str, str]) -> None:
    headers = {**headers, "x-ms-version": BLOB_API_VERSION}
    async with session.get(f"{account}?comp=list", headers=headers, raise_for_status=True) as answer:
        containers = [name.text for name in ElementTree.fromstring(await answer.read()).iter("Name")]  # noqa: S314 - ours
    for container in containers:
        url = f"{account}/{container}?restype=container"
        async with session.delete(url, headers=headers) as answer:
            status = answer.status
        if status == LEASE_HELD:
            breaking = {**headers, "x-ms-lease-action": "break", "x-ms-lease-break-period": "0"}
            async with session.put(f"{url}&comp=lease", headers=breaking, raise_for_status=True):
                pass
            async with session.delete(url, headers=headers, raise_for_status=True):
                pass
        elif status != 202:
            raise RealServerFailedError(f"Azurite answered {status} when container {container} was to be deleted")


async def _delete_tables(session: aiohttp.ClientSession, account: str, headers: Mapping[str, str]) -> None:
    headers = {**headers, "x-ms-version": TABLE_API_VERSION, "Accept": "application/json;odata=nometadata"}
    async with session.get(f"{account}/Tables", headers=headers, raise_for_status=True) as answer:
        tables = [table["TableName"] for table in json.loads(await answer.read())["value"]]
    for table in tables:
        async with session.delete(f"{account}/Tables('{table}')", headers=headers, raise_for_status=True):
            pass


def _tail(log: Path) -> str:
    return log.read_text(errors="replace")[-LOG_TAIL_CHARACTERS:]
