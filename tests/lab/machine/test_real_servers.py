"""A real server counts as started when it accepts connections, whatever its log says before that."""

import asyncio
import re
import socket
import sys
from pathlib import Path
from urllib.parse import urlsplit

import pytest

from lab.machine.certificates import Certificates
from lab.machine.ports import free_ports
from lab.machine.tools import Tool
from lab.names import Names
from lab.real_servers import Ground, RealServer, RealServerFailedError, RealServers
from lab.shared import Lab

# It tells its address at once, and listens one second later, or never.
EARLY = """
import socket, sys, time
print(f"Listening on: 127.0.0.1:{sys.argv[1]}", flush=True)
time.sleep(1)
if sys.argv[2] == "ends":
    sys.exit(3)
with socket.create_server(("127.0.0.1", int(sys.argv[1]))) as server:
    while True:
        server.accept()[0].close()
"""

UNUSED = Certificates(ca=Path("unused"), server=Path("unused"), server_key=Path("unused"))


async def _holds_nothing(_lab: Lab, _directory: Path) -> None:
    return


def early_server(then: str) -> RealServer:
    def command(_ground: Ground) -> Tool:
        return Tool((sys.executable, "-c", EARLY, str(free_ports(1)[0]), then), {})

    pattern = re.compile(r"Listening on: (127\.0\.0\.1:\d+)")
    return RealServer(
        name="early", command=command, listening={"early": pattern}, scheme="http", empty=_holds_nothing, on_disk=False
    )


def test_a_server_counts_as_started_when_it_accepts_connections(tmp_path: Path) -> None:
    async def start() -> None:
        servers = RealServers([early_server("listens")], directory=tmp_path / "servers")
        try:
            await servers.start(names=Names(), certificates=UNUSED)
            url = urlsplit(servers.urls["early"])
            socket.create_connection((url.hostname or "", url.port or 0), timeout=60).close()
        finally:
            await servers.stop()

    asyncio.run(start())


def test_a_server_that_ends_before_it_listens_is_reported(tmp_path: Path) -> None:
    async def start() -> None:
        servers = RealServers([early_server("ends")], directory=tmp_path / "servers")
        try:
            with pytest.raises(RealServerFailedError, match=r"^early ended with 3: Listening on: 127\.0\.0\.1:"):
                await servers.start(names=Names(), certificates=UNUSED)
        finally:
            await servers.stop()

    asyncio.run(start())
