"""The words of the one mechanism: what a plan says, and what came of it."""

from dataclasses import dataclass
from typing import Literal

from runbook_lib.errors import RunbookError

Outcome = Literal["done", "failed", "skipped"]


@dataclass(frozen=True, slots=True)
class Change:
    """One thing to do.

    stage: changes of a stage run side by side, stages one after the other. action and target: together unique within a
    plan. before: what was observed (None: nothing). after: what must be observed when it is done.
    """

    stage: int
    action: str
    target: str
    before: str | None
    after: str


@dataclass(frozen=True, slots=True)
class NoChange:
    """One thing that is as it should be, and why nothing is to be done."""

    target: str
    why: str


@dataclass(frozen=True, slots=True)
class Plan:
    """What a runbook wants done. No change means that nothing is to be done.

    Raises ValueError where two changes do the same to the same target: they would race.
    """

    changes: tuple[Change, ...] = ()
    unchanged: tuple[NoChange, ...] = ()

    def __post_init__(self) -> None:
        """Check that no change stands twice."""
        if len({(change.action, change.target) for change in self.changes}) != len(self.changes):
            raise ValueError("a plan names a change twice")


@dataclass(frozen=True, slots=True, kw_only=True)
class Result:
    """What came of one change: the outcome as observed, not as hoped.

    observed: what the read-back showed (None: nothing, or never looked). attempts: how often it was applied.
    """

    change: Change
    outcome: Outcome
    observed: str | None = None
    attempts: int = 0
    duration_ms: int = 0
    error: RunbookError | None = None
