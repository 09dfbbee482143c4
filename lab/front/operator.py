"""The operator's process: the process on this machine that drives a deployment. The control API is told its id.

Its requests and those of jobs count as the deployment's own. Other requests do not count: those of the container
registry's imports, of the publisher's callback API, and of people who look at the lab meanwhile.
"""

import contextlib
import os
import signal

from lab.front.faults import InvalidFaultError
from lab.machine import process_table
from lab.machine.loopback_sockets import Address, client_inode


class Operator:
    """The operator's process, if there is one."""

    def __init__(self) -> None:
        """Start without one."""
        self._pid: int | None = None

    async def name(self, body: object) -> object:
        """Answer POST /operator of the control API: `{"pid"}`, or null for no process."""
        pid = body.get("pid", 0) if isinstance(body, dict) and set(body) == {"pid"} else 0
        if isinstance(pid, bool) or not (pid is None or (isinstance(pid, int) and pid > 1)):
            raise InvalidFaultError("the operator is a JSON object with pid: a process of this machine, or null")
        self._pid = pid
        return {"pid": pid}

    def forget(self) -> None:
        """Forget the process."""
        self._pid = None

    def made(self, client: Address, server: Address) -> bool:
        """Tell whether the operator's process, or a process that it started, made a loopback connection."""
        if self._pid is None:
            return False
        inode = client_inode(client, server)
        processes = [self._pid, *process_table.descendants(self._pid)]
        return inode is not None and process_table.owner_of_socket(inode, processes) is not None

    def kill(self) -> None:
        """Kill the process with SIGKILL."""
        if self._pid is not None:
            with contextlib.suppress(ProcessLookupError):
                os.kill(self._pid, signal.SIGKILL)
