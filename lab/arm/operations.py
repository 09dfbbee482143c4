"""ARM's long-running operations: 202 with Location and Retry-After, then a poll of that address until it is done.

Faithful: the poll answers 202 (with Location and Retry-After again) while the operation runs. Then it answers 200 with
the result, or the failure's status and error body. An operation without a result ends with an empty 200, as recorded of
importImage and Automation. An unknown id is 404 (learn async-operations, "Location"). The address in
`Azure-AsyncOperation` shows only the status of an operation. The tokens of a container registry and Application Gateway
have such an address. Operations are kept until the next reset.
"""

import asyncio
import logging
from collections.abc import Coroutine, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from aiohttp import web

from lab.arm.requests import ArmRefusal

LOGGER = logging.getLogger("lab")

# The code of an operation that another one has ended. Its status is the same word.
CANCELED = "Canceled"

# What an operation returns: its JSON result, or None if it has no result.
Operation = Coroutine[Any, Any, Mapping[str, Any] | None]


@dataclass(frozen=True, slots=True, kw_only=True)
class _Started:
    """An operation: its task, the seconds between polls, and the body of its 202 (JSON text; "" for no body)."""

    task: asyncio.Task[Mapping[str, Any] | None]
    retry_after: int
    body: str


class Operations:
    """The operations under way and those done."""

    def __init__(self) -> None:
        """Start without operations."""
        self._started: dict[str, _Started] = {}

    def start(self, operation_id: str, operation: Operation, *, retry_after: int, body: str = "") -> None:
        """Start `operation`, which fails by raising ArmRefusal. retry_after: in seconds. body: the body of its 202."""
        task = asyncio.ensure_future(operation)
        task.add_done_callback(_log_failure)
        self._started[operation_id] = _Started(task=task, retry_after=retry_after, body=body)

    def answer(self, operation_id: str, location: str) -> web.Response:
        """Return the answer to a poll at the address `location`."""
        started = self._known(operation_id)
        if not started.task.done():
            return accepted(location, started.retry_after, body=started.body)
        failure = started.task.exception()
        if isinstance(failure, ArmRefusal):
            return failure.answer()
        if failure is not None:
            raise failure
        result = started.task.result()
        return web.Response(text="") if result is None else web.json_response(result)

    def status(self, operation_id: str, resource_id: str) -> web.Response:
        """Return the answer of an `Azure-AsyncOperation` address about an operation (learn async-operations)."""
        started = self._known(operation_id)
        shown: dict[str, Any] = {"id": resource_id, "name": operation_id, "status": "InProgress"}
        if not started.task.done():
            return web.json_response(shown, headers={"Retry-After": str(started.retry_after)})
        failure = started.task.exception()
        if isinstance(failure, ArmRefusal):
            status = CANCELED if failure.code == CANCELED else "Failed"
            return web.json_response({**shown, "status": status, "error": failure.as_error()})
        if failure is not None:
            raise failure
        return web.json_response({**shown, "status": "Succeeded"})

    def polled(self, request: web.Request, below: Sequence[str], endpoint: str) -> web.Response | None:
        """Return the answer to a poll at `endpoint`, None if the request is no poll.

        below: the path below the subscription: `providers/{namespace}/locations/{location}/operationResults/{id}`, or
        with `operations` for an `Azure-AsyncOperation`. No role is needed: everybody who knows the id may ask.
        """
        if len(below) == 6 and [below[0].lower(), below[2].lower()] == ["providers", "locations"]:
            if below[4].lower() == "operationresults":
                return self.answer(below[5], f"{endpoint}{request.raw_path}")
            if below[4].lower() == "operations":
                return self.status(below[5], request.path)
        return None

    async def clear(self) -> None:
        """End the operations that run and forget every operation."""
        tasks = [started.task for started in self._started.values()]
        self._started.clear()
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)

    def _known(self, operation_id: str) -> _Started:
        if operation_id not in self._started:
            raise ArmRefusal(404, "OperationNotFound", f"The operation '{operation_id}' could not be found.")
        return self._started[operation_id]


def accepted(location: str, retry_after: int, headers: Mapping[str, str] | None = None, body: str = "") -> web.Response:
    """Return 202 with the address to poll, the seconds to wait, other headers, and a body (JSON text; "" for none)."""
    every = {"Location": location, "Retry-After": str(retry_after), **(headers or {})}
    if body:
        return web.Response(status=202, headers=every, text=body, content_type="application/json")
    return web.Response(status=202, headers=every)


def _log_failure(task: "asyncio.Task[Mapping[str, Any] | None]") -> None:
    if not task.cancelled() and task.exception() is not None and not isinstance(task.exception(), ArmRefusal):
        LOGGER.error("a long-running operation failed in the lab itself", exc_info=task.exception())
