"""The real servers behind the lab's fronts, each as its service describes it.

They listen on loopback ports that the kernel chooses, and only the fronts use them. They are empty after each start of
the lab and after each reset, because the stand-ins' own state lives in memory and starts empty, too.
"""

import asyncio
import re
import shutil
import time
from collections.abc import Awaitable, Callable, Mapping, Sequence
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

    name: the name of its log. command: writes its settings, if it has any, and returns the command that starts it;
    ToolMissingError if the program is missing. listening: patterns of the log lines that say that it listens, by the
    address's name in Lab.real_urls; a pattern's group is the address. scheme: `http` or `https`, the scheme of its
    addresses. empty: deletes everything that it holds, while it runs; it gets the lab and the directory.
    """

    name: str
    command: Callable[[Ground], Tool]
    listening: Mapping[str, re.Pattern[str]]
    scheme: str
    empty: Callable[[Lab, Path], Awaitable[None]]


class RealServers:
    """The running servers of one lab and where they listen."""

    def __init__(self, servers: Sequence[RealServer], *, directory: Path) -> None:
        """Keep data and logs of `servers` in `directory`."""
        self._servers = servers
        self._directory = directory
        self._processes: dict[str, asyncio.subprocess.Process] = {}
        self.urls: dict[str, str] = {}

    async def start(self, *, names: Names, certificates: Certificates) -> None:
        """Start all, wait until each listens, set `urls`; RealServerFailedError or ToolMissingError if one fails."""
        shutil.rmtree(self._directory, ignore_errors=True)
        self._directory.mkdir(parents=True)
        ground = Ground(directory=self._directory, names=names, certificates=certificates)
        starts = [self._start(server, ground) for server in self._servers]
        for done in await asyncio.gather(*starts, return_exceptions=True):
            if isinstance(done, BaseException):
                raise done

    async def _start(self, server: RealServer, ground: Ground) -> None:
        tool = server.command(ground)
        log = self._directory / f"{server.name}.log"
        self._processes[server.name] = await children.start(
            tool.command, directory=self._directory, environ=tool.environ, log=log
        )
        for name, listening in server.listening.items():
            self.urls[name] = f"{server.scheme}://{await self._wait_for(listening, log, server.name)}"

    async def _wait_for(self, pattern: re.Pattern[str], log: Path, name: str) -> str:
        deadline = time.monotonic() + START_SECONDS
        while True:
            found = pattern.search(log.read_text(errors="replace"))
            if found:
                return found[1]
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
        for server in self._servers:
            await server.empty(lab, self._directory)

    async def stop(self) -> None:
        """End every server."""
        await asyncio.gather(*map(children.stop, self._processes.values()))


def _tail(log: Path) -> str:
    return log.read_text(errors="replace")[-LOG_TAIL_CHARACTERS:]
