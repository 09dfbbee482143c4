"""Child processes that never outlive the lab."""

import asyncio
import ctypes
import functools
import os
import signal
from collections.abc import Mapping, Sequence
from pathlib import Path

PR_SET_PDEATHSIG = 1  # prctl(2)
STOP_SECONDS = 3.0

_LIBC = ctypes.CDLL(None, use_errno=True)


def die_with_parent(parent: int) -> None:
    """Ask the kernel to kill this process when its parent ends; for `preexec_fn`, with the parent's process id.

    This also works for a parent that is killed and cannot end its children. The parent must start the child from a
    thread that lives as long as the parent (prctl(2): the end of the thread counts).
    """
    if _LIBC.prctl(PR_SET_PDEATHSIG, signal.SIGKILL, 0, 0, 0) != 0:
        raise OSError(ctypes.get_errno(), "prctl(PR_SET_PDEATHSIG)")
    if os.getppid() != parent:  # The parent ended before the kernel got the request.
        os.kill(os.getpid(), signal.SIGKILL)


async def start(
    command: Sequence[str | Path], *, directory: Path, environ: Mapping[str, str], log: Path
) -> asyncio.subprocess.Process:
    """Start a command that dies with the lab; its standard output and error go to the end of the file `log`."""
    with log.open("ab") as output:
        return await asyncio.create_subprocess_exec(
            *command,
            cwd=directory,
            env=dict(environ),
            stdin=asyncio.subprocess.DEVNULL,
            stdout=output,
            stderr=asyncio.subprocess.STDOUT,
            preexec_fn=functools.partial(die_with_parent, os.getpid()),
        )


async def stop(process: asyncio.subprocess.Process) -> None:
    """End a child: first with SIGTERM, after STOP_SECONDS with SIGKILL."""
    if process.returncode is not None:
        return
    process.terminate()
    try:
        await asyncio.wait_for(process.wait(), STOP_SECONDS)
    except asyncio.TimeoutError:
        process.kill()
        await process.wait()
