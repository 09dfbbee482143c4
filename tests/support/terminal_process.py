"""A command on a real pseudo-terminal of a given size, started like a person starts it."""

import fcntl
import os
import pty
import signal
import struct
import subprocess
import termios
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from select import select
from typing import Any

CTRL_C = b"\x03"
ROWS = 40


@dataclass(slots=True)
class TerminalProcess:
    """The command. written: everything that it wrote to the terminal so far."""

    process: "subprocess.Popen[Any]"
    master: int
    written: str = ""
    _bytes: bytearray = field(default_factory=bytearray)

    def read_until(self, look: Callable[[str], bool], *, seconds: float) -> None:
        """Read until the output satisfies `look`, or the process has ended."""
        deadline = time.monotonic() + seconds
        while not look(self.written):
            assert time.monotonic() < deadline, self.written[-2000:]
            ready, _, _ = select([self.master], [], [], 0.2)
            if not ready:
                continue
            try:
                content = os.read(self.master, 65536)
            except OSError:  # the other end is closed: the process has ended
                return
            self._bytes += content
            self.written = self._bytes.decode(errors="replace")

    def to_the_end(self, *, seconds: float) -> int:
        """Read everything, and return the exit code."""
        self.read_until(lambda _: False, seconds=seconds)
        return self.process.wait(seconds)

    def type(self, content: bytes) -> None:
        """Type on the terminal's keyboard."""
        os.write(self.master, content)


def _take_terminal() -> None:
    """Make the terminal send Ctrl-C as a signal to this process.

    Only the terminal of a session does so. The children of a shell's background job would ignore the signal.
    """
    signal.signal(signal.SIGINT, signal.SIG_DFL)
    fcntl.ioctl(0, termios.TIOCSCTTY, 0)


@contextmanager
def on_terminal(
    command: Sequence[str], *, columns: int, environ: Mapping[str, str], cwd: Path
) -> Iterator[TerminalProcess]:
    """Start a command whose three streams are a terminal that it controls. It is killed at the end."""
    master, slave = pty.openpty()
    try:
        fcntl.ioctl(slave, termios.TIOCSWINSZ, struct.pack("HHHH", ROWS, columns, 0, 0))
        with subprocess.Popen(
            command,
            stdin=slave,
            stdout=slave,
            stderr=slave,
            cwd=cwd,
            env={**environ, "TERM": "xterm"},
            start_new_session=True,
            preexec_fn=_take_terminal,  # noqa: PLW1509 - no threads that hold locks
        ) as process:
            os.close(slave)
            slave = -1
            try:
                yield TerminalProcess(process, master)
            finally:
                process.kill()
    finally:
        os.close(master)
        if slave >= 0:
            os.close(slave)
