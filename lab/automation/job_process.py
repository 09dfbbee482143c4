"""One job's process: started as the sandbox starts it, watched, and ended when it breaks a limit.

Azure says that subprocesses of a runbook are unsupported, but not what happens to them. The lab allows them, because
the Azure SDKs make Python start `uname` for their user agent. It adds their memory to the job's, and ends them with the
job.
"""

import asyncio
import contextlib
import enum
import functools
import os
import signal
import subprocess
from collections.abc import AsyncIterator, Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import IO

from lab.machine import children, process_table

# Sandbox limits: learn automation-subscription-limits-faq ("maximum amount of memory given to a sandbox").
MEMORY_LIMIT_BYTES = 400 * 1024 * 1024
LOOK_SECONDS = 0.05
READ_BYTES = 64 * 1024
STDERR_KEPT_BYTES = 1024 * 1024
# A line longer than this exceeds the stream limit by itself.
LONGEST_LINE_BYTES = 1024 * 1024
# How long a process that left the job's session may hold the pipes open after the job's end.
PIPE_SECONDS = 2.0


class End(enum.Enum):
    """Why a job's process ended."""

    EXITED = "exited"
    OUT_OF_MEMORY = "out of memory"
    STREAM_LIMIT = "stream limit"
    TIME_LIMIT = "time limit"
    STOPPED = "stopped"
    KILLED = "killed"  # killed by the control API, or by something outside the lab


@dataclass(frozen=True, slots=True, kw_only=True)
class Outcome:
    """How a job's process ended; `exit_code` is negative for a signal, as in `subprocess`."""

    end: End
    exit_code: int
    stderr: str
    cpu_seconds: float


class JobProcess:
    """A running job."""

    def __init__(
        self,
        *,
        command: Sequence[str | Path],
        directory: Path,
        environment: Mapping[str, str],
        on_line: Callable[[str], bool],
        time_is_up: Callable[[], bool],
    ) -> None:
        """Start `command` in `directory` with exactly `environment`.

        `on_line` gets each line of stdout without its line end. It returns False if the line exceeds the stream limit.
        `time_is_up` is called about 20 times a second.
        """
        self._process = subprocess.Popen(  # noqa: S603 - the lab's own environment's python and a published runbook
            command,
            cwd=directory,
            env=dict(environment),
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            start_new_session=True,
            preexec_fn=functools.partial(children.die_with_parent, os.getpid()),  # noqa: PLW1509 - it takes no lock
        )
        self._on_line = on_line
        self._time_is_up = time_is_up
        self._end: End | None = None
        self._descendants: frozenset[int] = frozenset()
        self.peak_memory_bytes = 0

    @property
    def pids(self) -> list[int]:
        """Return the ids of the job's process and its descendants."""
        return [self._process.pid, *process_table.descendants(self._process.pid)]

    def cpu_seconds(self) -> float | None:
        """Return the processor time that the job's own process has used so far, None if it has ended."""
        return process_table.cpu_seconds(self._process.pid)

    def end(self, reason: End) -> None:
        """Kill the job and every process that it started. Only the first reason is kept."""
        if self._end is None and self._process.returncode is None:
            self._end = reason
            for pid in self.pids:
                with contextlib.suppress(ProcessLookupError):
                    os.kill(pid, signal.SIGKILL)

    async def run(self) -> Outcome:
        """Watch the job until it has ended and its output has been read."""
        stderr = bytearray()
        async with _pipe(self._process.stdout) as stdout_pipe, _pipe(self._process.stderr) as stderr_pipe:
            readers = [
                asyncio.ensure_future(self._read_lines(stdout_pipe)),
                asyncio.ensure_future(_read_into(stderr, stderr_pipe)),
            ]
            try:
                exit_code, cpu_seconds = await self._ended()
                await asyncio.wait(readers, timeout=PIPE_SECONDS)
            finally:
                self.end(End.STOPPED)  # If the job has not ended, the lab itself is ending.
                for reader in readers:
                    reader.cancel()
        end = self._end or (End.KILLED if exit_code == -signal.SIGKILL else End.EXITED)
        return Outcome(end=end, exit_code=exit_code, stderr=stderr.decode(errors="replace"), cpu_seconds=cpu_seconds)

    async def _ended(self) -> tuple[int, float]:
        while True:
            pid, status, usage = os.wait4(self._process.pid, os.WNOHANG)
            if pid:
                self._process.returncode = os.waitstatus_to_exitcode(status)
                # Processes that are left in its session would hold the pipes open and outlive the job.
                with contextlib.suppress(ProcessLookupError):
                    os.killpg(pid, signal.SIGKILL)
                return self._process.returncode, usage.ru_utime + usage.ru_stime
            self._look()
            await asyncio.sleep(LOOK_SECONDS)

    def _look(self) -> None:
        own = process_table.memory(self._process.pid)
        if own is not None:
            descendants = frozenset(process_table.descendants(self._process.pid))
            # A new child shares its parent's pages until it executes its program, so it counts from the second look.
            others = [process_table.memory(pid) for pid in descendants & self._descendants]
            self._descendants = descendants
            together = own.now + sum(other.now for other in others if other is not None)
            self.peak_memory_bytes = max(self.peak_memory_bytes, own.most, together)
        if self.peak_memory_bytes > MEMORY_LIMIT_BYTES:
            self.end(End.OUT_OF_MEMORY)
        elif self._time_is_up():
            self.end(End.TIME_LIMIT)

    async def _read_lines(self, reader: asyncio.StreamReader) -> None:
        async for line in _lines(reader):
            if not self._on_line(line):
                self.end(End.STREAM_LIMIT)
                return


async def _lines(reader: asyncio.StreamReader) -> AsyncIterator[str]:
    rest = b""
    while block := await reader.read(READ_BYTES):
        *whole, rest = (rest + block).split(b"\n")
        if len(rest) > LONGEST_LINE_BYTES:
            whole, rest = [*whole, rest], b""
        for line in whole:
            yield line.decode(errors="replace")
    if rest:
        yield rest.decode(errors="replace")


async def _read_into(kept: bytearray, reader: asyncio.StreamReader) -> None:
    while block := await reader.read(READ_BYTES):
        kept += block[: STDERR_KEPT_BYTES - len(kept)]


@contextlib.asynccontextmanager
async def _pipe(file: IO[bytes] | None) -> AsyncIterator[asyncio.StreamReader]:
    reader = asyncio.StreamReader()
    transport, _ = await asyncio.get_running_loop().connect_read_pipe(
        lambda: asyncio.StreamReaderProtocol(reader), file
    )
    try:
        yield reader
    finally:
        transport.close()
