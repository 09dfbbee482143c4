"""Azurite, the real server behind the fronts of Blob and Table: start it, empty it, make tokens for it."""

import base64
import json
import re
import secrets
import time
from collections.abc import Mapping
from pathlib import Path
from xml.etree import ElementTree

import aiohttp

from lab.machine import tools
from lab.machine.tools import Tool
from lab.real_servers import Ground, RealServer, RealServerFailedError
from lab.shared import Lab
from lab.storage.access import STORAGE_AUDIENCES
from lab.tokens import TokenIssuer

# Its addresses' names in Lab.real_urls.
BLOB, TABLE = "blob", "table"
BLOB_API_VERSION = "2023-11-03"
TABLE_API_VERSION = "2019-02-02"
LEASE_HELD = 412
# Queues are not used, but Azurite starts all three services and would use its default port for them.
LISTEN = tuple(f"--{kind}{part}" for kind in ("blob", "queue", "table") for part in ("Host=127.0.0.1", "Port=0"))


def token(tokens: TokenIssuer, principal_id: str, client_id: str) -> str:
    """Return a token that Azurite accepts for an hour. Azurite uses the machine's clock, not the lab's."""
    now = int(time.time())
    times = {"iat": now, "nbf": now, "exp": now + 3600}
    return tokens.issue(STORAGE_AUDIENCES[0], principal_id, appid=client_id, **times)


def _command(ground: Ground) -> Tool:
    tool, names, certificates = tools.azurite(), ground.names, ground.certificates
    accounts = (names.storage_account, names.publisher_storage_account)
    keyed = [f"{account}:{base64.b64encode(secrets.token_bytes(64)).decode()}" for account in accounts]
    options = (
        f"--location={ground.directory / 'azurite'}",
        "--oauth=basic",
        f"--cert={certificates.server}",
        f"--key={certificates.server_key}",
        "--disableTelemetry",
        "--skipApiVersionCheck",
        "--silent",
    )
    return Tool((*tool.command, *LISTEN, *options), {**tool.environ, "AZURITE_ACCOUNTS": ";".join(keyed)})


async def _empty(lab: Lab, _directory: Path) -> None:
    names = lab.names
    headers = {"Authorization": f"Bearer {token(lab.tokens, names.operator_principal_id, names.operator_client_id)}"}
    for account in (names.storage_account, names.publisher_storage_account):
        await _delete_containers(lab.upstream, f"{lab.real_urls[BLOB]}/{account}", headers)
        await _delete_tables(lab.upstream, f"{lab.real_urls[TABLE]}/{account}", headers)


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
            raise RealServerFailedError(f"Azurite answered {status} to the deletion of container {container}")


async def _delete_tables(session: aiohttp.ClientSession, account: str, headers: Mapping[str, str]) -> None:
    headers = {**headers, "x-ms-version": TABLE_API_VERSION, "Accept": "application/json;odata=nometadata"}
    async with session.get(f"{account}/Tables", headers=headers, raise_for_status=True) as answer:
        tables = [table["TableName"] for table in json.loads(await answer.read())["value"]]
    for table in tables:
        async with session.delete(f"{account}/Tables('{table}')", headers=headers, raise_for_status=True):
            pass


SERVER = RealServer(
    name="azurite",
    command=_command,
    listening={
        name: re.compile(rf"Azurite {name.title()} service is successfully listening at https://(\S+)")
        for name in (BLOB, TABLE)
    },
    scheme="https",
    empty=_empty,
)
