"""How one step of a deployment has ended, and how long it took."""

import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

from vibedata.progress_view.events import StepEnded

# The statuses of a step that succeeded.
WELL = ("succeeded", "unchanged")


@dataclass(frozen=True, slots=True, kw_only=True)
class StepResult:
    """How one step of a deployment has ended. `seconds` is wall time. `changed` is the number of changes."""

    name: str
    status: str
    seconds: float
    changed: int
    error: Mapping[str, Any] | None = None


def unchanged(name: str, seconds: float = 0.0) -> StepResult:
    """Return the result of a step with nothing to do."""
    return StepResult(name=name, status="unchanged", seconds=seconds, changed=0)


def step_ended(result: StepResult) -> StepEnded:
    """Return the event for the view."""
    return StepEnded(status=result.status, changed=result.changed)


@contextmanager
def stopwatch() -> Iterator[Callable[[], float]]:
    """Yield a function that returns the wall time of the block in seconds, once the block has ended."""
    started = time.monotonic()
    ended: list[float] = []
    yield lambda: round(ended[0], 3)
    ended.append(time.monotonic() - started)
