"""ARM's long-running operations: 202 with Location and Retry-After, then a poll of that address until it is done.

Faithful: the poll answers 202 (with Location and Retry-After again) while the operation runs, then 200 with its result,
204 if it has none, or the failure's status and error body; an unknown id is 404 (learn async-operations, "Location").
Left out: `Azure-AsyncOperation`, which neither importImage nor Automation's publish needs. Kept until reset.
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
        self._tasks: dict[str, tuple[asyncio.Task[Mapping[str, Any] | None], int]] = {}

    def start(self, operation_id: str, operation: Operation, *, retry_after: int) -> None:
        """Start `operation`, which fails by raising ArmRefusal. `retry_after` is in seconds."""
        task = asyncio.ensure_future(operation)
        task.add_done_callback(_log_failure)
        self._tasks[operation_id] = task, retry_after

    def answer(self, operation_id: str, location: str) -> web.Response:
        """Return the answer to a poll at the address `location`."""
        if operation_id not in self._tasks:
            raise ArmRefusal(404, "OperationNotFound", f"The operation '{operation_id}' could not be found.")
        task, retry_after = self._tasks[operation_id]
        if not task.done():
            return accepted(location, retry_after)
        failure = task.exception()
        if isinstance(failure, ArmRefusal):
            return answers.arm_error(failure.status, failure.code, failure.message, failure.headers)
        if failure is not None:
            raise failure
        result = task.result()
        return web.Response(status=204) if result is None else web.json_response(result)

    async def clear(self) -> None:
        """End the operations under way and forget all."""
        tasks = [task for task, _ in self._tasks.values()]
        self._tasks.clear()
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)


def accepted(location: str, retry_after: int) -> web.Response:
    """Return 202 with the address to poll and the seconds to wait."""
    return web.Response(status=202, headers={"Location": location, "Retry-After": str(retry_after)})


def _log_failure(task: "asyncio.Task[Mapping[str, Any] | None]") -> None:
    if not task.cancelled() and task.exception() is not None and not isinstance(task.exception(), ArmRefusal):
        LOGGER.error("a long-running operation failed in the lab itself", exc_info=task.exception())
