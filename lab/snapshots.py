"""Keep the lab's state at one moment under a name, and restore it as often as a test wants.

    POST /snapshots            {"name"}: keep what the lab holds now; this replaces a snapshot with the same name
    POST /snapshots/put_back   {"name"}: restore the snapshot; from now on the lab holds only what the snapshot holds

A snapshot holds everything that clients can change, the jobs that have ended, and the data of the real servers. The
real servers end and start again, so that no data is only in their memory. Before you keep a snapshot, wait for all jobs
and operations: the answer is 400 while a job runs. A restore ends everything that runs at that moment: jobs and the
publisher's processes.

After a restore the journal is empty, and the time goes on. A restore does not change faults, latencies, the operator's
process and the applications' modes.
"""

import asyncio
import copy
import re
from pathlib import Path
from typing import Any, TypeVar

from lab.front.faults import InvalidFaultError
from lab.real_servers import RealServers
from lab.shared import Keep, Lab, PutBack

NAME = re.compile(r"[a-z0-9_]{1,64}")


def of_attributes(owner: object, *names: str) -> Keep:
    """Return a hook that keeps the values of an object's attributes."""

    def keep() -> PutBack:
        kept = {name: copy.deepcopy(getattr(owner, name)) for name in names}

        def put_back() -> None:
            for name, value in kept.items():
                setattr(owner, name, copy.deepcopy(value))

        return put_back

    return keep


Content = TypeVar("Content", dict[str, Any], dict[str, str], set[str])


def of_content(held: Content) -> Keep:
    """Return a hook that keeps the content of a dictionary or set. The object stays: other code refers to it, too."""

    def keep() -> PutBack:
        kept = copy.deepcopy(held)

        def put_back() -> None:
            held.clear()
            held.update(copy.deepcopy(kept))

        return put_back

    return keep


class Snapshots:
    """The snapshots of one running lab. Their folders are below the lab's own."""

    def __init__(self, lab: Lab, servers: RealServers) -> None:
        """Start without snapshots, and add both commands to the control API."""
        self._lab = lab
        self._servers = servers
        self._kept: dict[str, list[PutBack]] = {}
        self._changing = asyncio.Lock()
        lab.controls["POST", "/snapshots"] = self._keep
        lab.controls["POST", "/snapshots/put_back"] = self._put_back

    async def _keep(self, body: object) -> object:
        name = _name(body)
        async with self._changing:
            kept = [keep() for keep in self._lab.on_keep]
            await self._servers.keep(self._folder(name))
            self._kept[name] = kept
        return {"name": name}

    async def _put_back(self, body: object) -> object:
        name = _name(body)
        async with self._changing:
            if name not in self._kept:
                raise InvalidFaultError(f"there is no snapshot {name!r}; there are {', '.join(self._kept) or 'none'}")
            # These hooks also run at the end of the lab. Here they end the tasks that make requests in the background,
            # before the services forget their state.
            for hook in reversed(self._lab.on_close):
                await hook()
            await self._servers.put_back(self._folder(name))
            for put_back in self._kept[name]:
                put_back()
            self._lab.gate.forget_requests()
        return {"name": name}

    def _folder(self, name: str) -> Path:
        return self._lab.dir / "snapshots" / name


def _name(body: object) -> str:
    name = body.get("name") if isinstance(body, dict) and len(body) == 1 else None
    if not isinstance(name, str) or not NAME.fullmatch(name):
        raise InvalidFaultError("a snapshot takes name: small letters, digits and underscores")
    return name
