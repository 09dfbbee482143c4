"""The real servers behind the lab's fronts, each as its service describes it.

They listen on free loopback ports. Clients use the fronts instead, but they ask the name server directly. The servers
are empty after each start of the lab and after each reset, because the stand-ins' own state lives in memory and starts
empty, too.
"""

import asyncio
import re
import shutil
import time
from collections.abc import Awaitable, Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from lab.machine import children
from lab.machine.certificates import Certificates
from lab.machine.tools import Tool
from lab.names import Names
from lab.shared import Lab

# The folder of their data, logs and settings, below the lab's own.
FOLDER = "servers"
# Far longer than a start takes, because a machine may have other work on all its cores.
START_SECONDS = 120.0
POLL_SECONDS = 0.02
LOG_TAIL_CHARACTERS = 2000


class RealServerFailedError(Exception):
    """A real server did not start, or it ended by itself. The text has the end of its log."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Ground:
    """What a real server is started with. directory: absolute, for its data and its settings."""

    directory: Path
    names: Names
    certificates: Certificates


@dataclass(frozen=True, slots=True, kw_only=True)
class RealServer:
    """One real server.

    name: the name of its log and of the folder of its data. command: writes its settings, if it has any, and returns
    the command that starts it; ToolMissingError if the program is missing. listening: patterns of the log lines that
    say that it listens, by the address's name in Lab.real_urls; a pattern's group is the address. scheme: the scheme of
    its addresses, such as `https`. empty: deletes everything that it holds, while it runs; it gets the lab and the
    directory. on_disk: whether its folder has all its data. If not, a snapshot neither holds its data nor ends it.
    """

    name: str
    command: Callable[[Ground], Tool]
    listening: Mapping[str, re.Pattern[str]]
    scheme: str
    empty: Callable[[Lab, Path], Awaitable[None]]
    on_disk: bool = True


class RealServers:
    """The running servers of one lab and where they listen."""

    def __init__(self, servers: Sequence[RealServer], *, directory: Path) -> None:
        """Keep data and logs of `servers` in `directory`."""
        self._servers = servers
        self._directory = directory
        self._tools: dict[str, Tool] = {}
        self._processes: dict[str, asyncio.subprocess.Process] = {}
        self._restarting = asyncio.Lock()
        self.urls: dict[str, str] = {}

    async def start(self, *, names: Names, certificates: Certificates) -> None:
        """Start all, wait until each listens, set `urls`; RealServerFailedError or ToolMissingError if one fails."""
        shutil.rmtree(self._directory, ignore_errors=True)
        self._directory.mkdir(parents=True)
        ground = Ground(directory=self._directory, names=names, certificates=certificates)
        # The commands are made only once, so that a server that starts again has the same settings.
        self._tools = {server.name: server.command(ground) for server in self._servers}
        await self._start_all(self._servers)

    async def _start_all(self, servers: Iterable[RealServer]) -> None:
        for done in await asyncio.gather(*map(self._start, servers), return_exceptions=True):
            if isinstance(done, BaseException):
                raise done

    async def _start(self, server: RealServer) -> None:
        tool = self._tools[server.name]
        log = self._log(server.name)
        told = log.stat().st_size if log.exists() else 0
        self._processes[server.name] = await children.start(
            tool.command, directory=self._directory, environ=tool.environ, log=log
        )
        for name, listening in server.listening.items():
            self.urls[name] = f"{server.scheme}://{await self._wait_for(listening, server.name, told)}"

    async def _wait_for(self, pattern: re.Pattern[str], name: str, told: int) -> str:
        """Return the address that the log tells after its first `told` bytes, which a former start has written.

        A server may write that line shortly before it listens. So the address is returned when it accepts a connection.
        """
        deadline, log = time.monotonic() + START_SECONDS, self._log(name)
        while True:
            found = pattern.search(log.read_bytes()[told:].decode(errors="replace"))
            if found and await _accepts(found[1]):
                return found[1]
            code = self._processes[name].returncode
            if code is not None or time.monotonic() > deadline:
                why = f"ended with {code}" if code is not None else f"did not listen within {START_SECONDS:.0f} s"
                raise RealServerFailedError(f"{name} {why}: {_tail(log)}")
            await asyncio.sleep(POLL_SECONDS)

    async def failure(self) -> RealServerFailedError:
        """Wait until a server ends by itself, and return the error that says so."""
        while True:
            waits = {asyncio.ensure_future(process.wait()): name for name, process in self._processes.items()}
            try:
                done, _ = await asyncio.wait(waits, return_when=asyncio.FIRST_COMPLETED)
            finally:
                for wait in waits:
                    wait.cancel()
            name, code = waits[(ended := done.pop())], ended.result()
            async with self._restarting:
                # If the lab ended it only to start it again, another process runs by now.
                if self._processes[name].returncode is not None:
                    return RealServerFailedError(f"{name} ended with {code}: {_tail(self._log(name))}")

    async def empty(self, lab: Lab) -> None:
        """Delete everything that the servers hold."""
        for server in self._servers:
            await server.empty(lab, self._directory)

    async def keep(self, folder: Path) -> None:
        """Copy the servers' data to `folder`. They are ended first, because some data may be only in their memory."""
        async with self._restarting:
            await asyncio.gather(*(self._end_in_order(server.name) for server in self._on_disk()))
            _copy([server.name for server in self._on_disk()], self._directory, folder)
            await self._start_all(self._on_disk())

    async def put_back(self, folder: Path) -> None:
        """Give the servers the data that `keep` has copied, and nothing else."""
        async with self._restarting:
            for process in (self._processes[server.name] for server in self._on_disk()):
                process.kill()  # what it holds is thrown away
                await process.wait()
            _copy([server.name for server in self._on_disk()], folder, self._directory)
            await self._start_all(self._on_disk())

    async def _end_in_order(self, name: str) -> None:
        process = self._processes[name]
        process.terminate()
        try:
            await asyncio.wait_for(process.wait(), START_SECONDS)
        except asyncio.TimeoutError:
            raise RealServerFailedError(f"{name} did not end: {_tail(self._log(name))}") from None

    def _on_disk(self) -> list[RealServer]:
        return [server for server in self._servers if server.on_disk]

    def _log(self, name: str) -> Path:
        return self._directory / f"{name}.log"

    async def stop(self) -> None:
        """End every server."""
        await asyncio.gather(*map(children.stop, self._processes.values()))


def _copy(names: Iterable[str], source: Path, target: Path) -> None:
    for name in names:
        shutil.rmtree(target / name, ignore_errors=True)
        if (source / name).exists():  # a server makes its folder when it gets its first data
            shutil.copytree(source / name, target / name)


async def _accepts(address: str) -> bool:
    """Return whether `address` (HOST:PORT, or HOST@PORT as a name server writes it) accepts a TCP connection."""
    host, port = re.split("[:@]", address)
    try:
        _, writer = await asyncio.open_connection(host, int(port))
    except ConnectionRefusedError:
        return False
    writer.close()
    return True


def _tail(log: Path) -> str:
    return log.read_text(errors="replace")[-LOG_TAIL_CHARACTERS:]
