"""The processes of the publisher's callback API: started when needed, restarted when ended, ended with the lab.

Each runs `python -m publisher --port PORT` in the project's folder (or in the folder that the lab is given). It gets
only those environment variables that a host would give it.
"""

import asyncio
import os
import sys
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path

from lab.machine import children
from lab.machine.ports import free_ports

START_SECONDS = 60.0
POLL_SECONDS = 0.02
# How long an ending process may take to answer its present requests.
DRAIN_SECONDS = 30.0
LOG_TAIL_CHARACTERS = 500


class CannotStartError(Exception):
    """A process did not start to listen. The text names its log and shows the log's end."""


@dataclass(slots=True, eq=False, kw_only=True)
class _Running:
    """A process that listens."""

    process: asyncio.subprocess.Process
    port: int
    log: Path
    in_flight: int = 0
    idle: asyncio.Event = field(default_factory=asyncio.Event)


class PublisherProcesses:
    """A number of processes that are asked in turn."""

    def __init__(self, *, root: Path, environ: Mapping[str, str], logs: Path) -> None:
        """Run the package `publisher` of the folder `root`, with `environ`; the logs go to the folder `logs`."""
        self._root = root
        self._environ = dict(environ)
        self._logs = logs
        self._slots: list[_Running | None] = [None]
        self._starting = asyncio.Lock()
        self._next = 0
        self._draining: set[asyncio.Task[None]] = set()

    def view(self) -> dict[str, object]:
        """Return what the control API shows."""
        running = [one for one in self._slots if one is not None and one.process.returncode is None]
        shown = [{"pid": one.process.pid, "port": one.port, "log": str(one.log)} for one in running]
        return {"processes": len(self._slots), "running": shown}

    @asynccontextmanager
    async def turn(self) -> AsyncIterator[str]:
        """Give the base address of the next process; CannotStartError if it does not start.

        A restart without `kill` waits until the block is left, at most DRAIN_SECONDS.
        """
        async with self._starting:
            number = self._next = (self._next + 1) % len(self._slots)
            running = self._slots[number]
            if running is None or running.process.returncode is not None:
                running = self._slots[number] = await self._start(number)
            running.in_flight += 1
        try:
            yield f"http://127.0.0.1:{running.port}"
        finally:
            running.in_flight -= 1
            if not running.in_flight:
                running.idle.set()

    async def restart(self, *, processes: int | None = None, kill: bool = False) -> None:
        """End every process: at once if `kill`, otherwise after its present requests. The next requests reach new ones.

        `processes`: how many run from now on; None: as many as before.
        """
        async with self._starting:
            ended = [one for one in self._slots if one is not None]
            self._slots = [None] * (len(self._slots) if processes is None else processes)
        if kill:
            await asyncio.gather(*map(_kill, ended))
            return
        for one in ended:
            task = asyncio.ensure_future(_drain(one))
            self._draining.add(task)
            task.add_done_callback(self._draining.discard)

    async def stop(self, *, processes: int | None = None) -> None:
        """End every process now, also those that are still answering."""
        for task in self._draining:
            task.cancel()
        await asyncio.gather(*self._draining, return_exceptions=True)
        await self.restart(processes=processes, kill=True)

    async def _start(self, number: int) -> _Running:
        (port,) = free_ports(1)
        command = [sys.executable, "-m", "publisher", "--port", str(port)]
        log = self._logs / f"publisher-api-{number + 1}.log"
        process = await children.start(command, directory=self._root, environ=self._environ, log=log)
        try:
            await asyncio.wait_for(_listening(process, port), START_SECONDS)
        except (asyncio.TimeoutError, ChildProcessError) as error:
            await children.stop(process)
            tail = log.read_text(errors="replace")[-LOG_TAIL_CHARACTERS:]
            raise CannotStartError(f"`python -m publisher` does not start; its log, {log}, ends: {tail}") from error
        return _Running(process=process, port=port, log=log)


async def _listening(process: asyncio.subprocess.Process, port: int) -> None:
    while True:
        try:
            _, writer = await asyncio.open_connection("127.0.0.1", port)
        except OSError:
            if process.returncode is not None:
                raise ChildProcessError(process.returncode) from None
            await asyncio.sleep(POLL_SECONDS)
        else:
            writer.close()
            return


async def _drain(running: _Running) -> None:
    """End a process that gets no further requests, after it has answered the present ones."""
    try:
        while running.in_flight:
            running.idle.clear()
            await asyncio.wait_for(running.idle.wait(), DRAIN_SECONDS)
    except asyncio.TimeoutError:
        pass  # Its time is over.
    finally:
        await children.stop(running.process)


async def _kill(running: _Running) -> None:
    if running.process.returncode is None:
        running.process.kill()
        await running.process.wait()


def environment(variables: Mapping[str, str]) -> dict[str, str]:
    """Return `variables` and the variables that every program needs."""
    return {**variables, "PATH": os.environ.get("PATH", os.defpath), "LANG": "C.UTF-8"}
