"""HAProxy, the real listener: start it, give it another configuration or certificate, end it.

During these changes no connection is refused. The running process exchanges a certificate in one step. A new
configuration starts a new process, which takes over the listening sockets of the old process. The old process ends when
its requests have ended (HAProxy's management guide 2.6, "seamless reload" and "set ssl cert").
"""

import asyncio
import contextlib
import time
from collections.abc import Mapping
from pathlib import Path

from lab.application_gateway.configuration import CERTIFICATE, CONTROL, FOLDER, SETTINGS
from lab.machine import children, tools
from lab.real_servers import LOG_TAIL_CHARACTERS, POLL_SECONDS, START_SECONDS, RealServerFailedError

LOG = f"{FOLDER}.log"


class Proxy:
    """One proxy. It allows only one call at a time."""

    def __init__(self, directory: Path) -> None:
        """Keep the proxy's files in `directory`, its working directory. Raises ToolMissingError without HAProxy."""
        self._directory = directory
        self._tool = tools.haproxy()
        self._process: asyncio.subprocess.Process | None = None
        # The processes that end by themselves, because another one has taken over.
        self._replaced: list[asyncio.subprocess.Process] = []

    @property
    def running(self) -> bool:
        """Tell whether it runs."""
        return self._process is not None and self._process.returncode is None

    def write_certificate(self, pem: str) -> None:
        """Write the file that the next configuration reads."""
        (self._directory / FOLDER).mkdir(parents=True, exist_ok=True)
        file = self._directory / CERTIFICATE
        file.touch(mode=0o600)
        file.write_text(pem)

    async def configure(self, files: Mapping[str, str], number: int) -> None:
        """Run the proxy with these files; RealServerFailedError if it fails. number: this configuration's."""
        (self._directory / FOLDER).mkdir(parents=True, exist_ok=True)
        for path, text in files.items():
            (self._directory / path).write_text(text)
        tool, old = self._tool, self._process
        takes_over = ["-x", CONTROL, "-sf", str(old.pid)] if old is not None and self.running else []
        command = (*tool.command, "-db", "-f", SETTINGS, *takes_over)
        log = self._directory / LOG
        self._process = await children.start(command, directory=self._directory, environ=tool.environ, log=log)
        if old is not None and old.returncode is None:
            self._replaced = [one for one in (*self._replaced, old) if one.returncode is None]
        await self._wait_for(number)

    async def exchange_certificate(self, pem: str) -> None:
        """Serve another certificate from the next handshake on; RealServerFailedError if the proxy refuses it."""
        self.write_certificate(pem)
        lines = "\n".join(line for line in pem.splitlines() if line)
        told = await self._ask(f"set ssl cert {CERTIFICATE} <<\n{lines}\n\n")
        told += await self._ask(f"commit ssl cert {CERTIFICATE}\n")
        if "Success!" not in told:
            raise RealServerFailedError(f"haproxy refused a certificate: {told}")

    async def stop(self) -> None:
        """End the process, and the processes that it has replaced."""
        ended = [*self._replaced, *([self._process] if self._process is not None else [])]
        self._replaced, self._process = [], None
        await asyncio.gather(*map(children.stop, ended))

    async def _wait_for(self, number: int) -> None:
        deadline = time.monotonic() + START_SECONDS
        while True:
            with contextlib.suppress(OSError):  # the proxy does not listen yet
                if f"\ndescription: {number}\n" in await self._ask("show info\n"):
                    return
            if not self.running or time.monotonic() > deadline:
                text = (self._directory / LOG).read_text(errors="replace")
                raise RealServerFailedError(f"haproxy does not listen: {text[-LOG_TAIL_CHARACTERS:]}")
            await asyncio.sleep(POLL_SECONDS)

    async def _ask(self, command: str) -> str:
        assert self._process is not None  # noqa: S101 - it has been started
        # The path of a socket has at most 107 characters (unix(7)). The path of a lab's folder may be longer.
        reader, writer = await asyncio.open_unix_connection(f"/proc/{self._process.pid}/cwd/{CONTROL}")
        try:
            writer.write(command.encode())
            await writer.drain()
            return (await reader.read()).decode(errors="replace")
        finally:
            writer.close()
