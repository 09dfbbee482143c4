"""The operator's process: the one on this machine that drives a deployment, as the control API was told.

Its requests count, beside those of jobs, as the deployment's own. Others that serve a deployment do not: those of the
container registry's imports, of the publisher's callback API, and of whoever looks at the lab meanwhile.
"""

import contextlib
import os
import signal

from lab.front.faults import InvalidFaultError
from lab.machine import process_table
from lab.machine.loopback_sockets import Address, client_inode


class Operator:
    """The operator's process, or none."""

    def __init__(self) -> None:
        """Begin without one."""
        self._pid: int | None = None

    async def name(self, body: object) -> object:
        """Answer POST /operator of the control API: `{"pid"}`, null for none."""
        pid = body.get("pid", 0) if isinstance(body, dict) and set(body) == {"pid"} else 0
        if isinstance(pid, bool) or not (pid is None or (isinstance(pid, int) and pid > 1)):
            raise InvalidFaultError("the operator is a JSON object with pid: a process of this machine, or null")
        self._pid = pid
        return {"pid": pid}

    def forget(self) -> None:
        """Be without one again."""
        self._pid = None

    def made(self, client: Address, server: Address) -> bool:
        """Return whether a connection on loopback is that of the operator's process or of one that it started."""
        if self._pid is None:
            return False
        inode = client_inode(client, server)
        processes = [self._pid, *process_table.descendants(self._pid)]
        return inode is not None and process_table.owner_of_socket(inode, processes) is not None

    def kill(self) -> None:
        """End it with SIGKILL."""
        if self._pid is not None:
            with contextlib.suppress(ProcessLookupError):
                os.kill(self._pid, signal.SIGKILL)
