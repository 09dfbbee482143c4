"""ARM's long-running operations: 202 with Location and Retry-After, then a poll of that address until it is done.

Faithful: the poll answers 202 (with Location and Retry-After again) while the operation runs, then 200 with its result,
204 (Automation: 200 with nothing, as recorded in 2021) if it has none, or the failure's status and error body; an
unknown id is 404 (learn async-operations, "Location"). Left out: `Azure-AsyncOperation`, but for the tokens of a
container registry (lab/arm_registry_tokens.py). Kept until reset.
"""

import asyncio
import logging
from collections.abc import Coroutine, Mapping
from typing import Any

from aiohttp import web

from lab import answers
from lab.arm_requests import ArmRefusal

LOGGER = logging.getLogger("lab")

# What an operation returns: its JSON result (200), or None (204).
Operation = Coroutine[Any, Any, Mapping[str, Any] | None]


class Operations:
    """The operations under way and those done."""

    def __init__(self) -> None:
        """Start with none."""
        self._tasks: dict[str, tuple[asyncio.Task[Mapping[str, Any] | None], int, int]] = {}

    def start(self, operation_id: str, operation: Operation, *, retry_after: int, empty: int = 204) -> None:
        """Start `operation`, which fails by raising ArmRefusal. `retry_after` is in seconds.

        `empty` is the status of the last poll where there is no result.
        """
        task = asyncio.ensure_future(operation)
        task.add_done_callback(_log_failure)
        self._tasks[operation_id] = task, retry_after, empty

    def answer(self, operation_id: str, location: str) -> web.Response:
        """Return the answer to a poll at the address `location`."""
        if operation_id not in self._tasks:
            raise ArmRefusal(404, "OperationNotFound", f"The operation '{operation_id}' could not be found.")
        task, retry_after, empty = self._tasks[operation_id]
        if not task.done():
            return accepted(location, retry_after)
        failure = task.exception()
        if isinstance(failure, ArmRefusal):
            return answers.arm_error(failure.status, failure.code, failure.message, failure.headers)
        if failure is not None:
            raise failure
        result = task.result()
        if result is not None:
            return web.json_response(result)
        return web.Response(status=204) if empty == 204 else web.Response(status=empty, text="")

    def status(self, operation_id: str, resource_id: str) -> web.Response:
        """Return what an `Azure-AsyncOperation` address tells of an operation (learn async-operations)."""
        if operation_id not in self._tasks:
            raise ArmRefusal(404, "OperationNotFound", f"The operation '{operation_id}' could not be found.")
        task, retry_after, _ = self._tasks[operation_id]
        shown: dict[str, Any] = {"id": resource_id, "name": operation_id, "status": "InProgress"}
        if not task.done():
            return web.json_response(shown, headers={"Retry-After": str(retry_after)})
        failure = task.exception()
        if isinstance(failure, ArmRefusal):
            error = {"code": failure.code, "message": failure.message}
            return web.json_response({**shown, "status": "Failed", "error": error})
        if failure is not None:
            raise failure
        return web.json_response({**shown, "status": "Succeeded"})

    async def clear(self) -> None:
        """End the operations under way and forget all."""
        tasks = [task for task, *_ in self._tasks.values()]
        self._tasks.clear()
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)


def accepted(location: str, retry_after: int, headers: Mapping[str, str] | None = None, body: str = "") -> web.Response:
    """Return 202 with the address to poll, the seconds to wait, other headers, and a body, JSON text ("": none)."""
    every = {"Location": location, "Retry-After": str(retry_after), **(headers or {})}
    if body:
        return web.Response(status=202, headers=every, text=body, content_type="application/json")
    return web.Response(status=202, headers=every)


def _log_failure(task: "asyncio.Task[Mapping[str, Any] | None]") -> None:
    if not task.cancelled() and task.exception() is not None and not isinstance(task.exception(), ArmRefusal):
        LOGGER.error("a long-running operation failed in the lab itself", exc_info=task.exception())
