"""The types of a plan and of its results."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Any, Generic, Literal, TypeVar

from runbook_lib.errors import RunbookError

# Replaced: it could not be made, and other changes were made in its place.
Outcome = Literal["done", "failed", "skipped", "replaced"]

S = TypeVar("S")


@dataclass(frozen=True, slots=True)
class Change:
    """One thing to do.

    Attributes:
        stage: Changes of one stage run side by side, and the stages run one after the other.
        action: The name of the kind of change. Action and target together are unique within a plan.
        target: The name of what changes.
        before: What the run observed, None for nothing.
        after: What the run must observe when the change is done.
        subject: The object that the action gets. It is never logged or compared.
    """

    stage: int
    action: str
    target: str
    before: str | None
    after: str
    subject: Any = field(default=None, compare=False, repr=False)

    def as_json(self) -> dict[str, object]:
        """Return the change as programs read it."""
        return {
            "stage": self.stage,
            "action": self.action,
            "target": self.target,
            "before": self.before,
            "after": self.after,
        }


@dataclass(frozen=True, slots=True)
class ActionKind(Generic[S]):
    """A kind of change. S is the type of the subject of such a change. Name and stage together identify a kind.

    Attributes:
        name: The name that the operations log shows.
        stage: The stage of every change of this kind.
    """

    name: str
    stage: int

    def change(self, subject: S, target: str, before: str | None, after: str) -> Change:
        """Return a change of this kind to `subject`."""
        return Change(self.stage, self.name, target, before, after, subject)

    def is_of(self, change: Change) -> bool:
        """Return whether a change is of this kind."""
        return (change.stage, change.action) == (self.stage, self.name)


def no_others(_subject: object, _error: RunbookError) -> Sequence[Change]:
    """Return no other changes: a change of this kind has no other way."""
    return ()


@dataclass(frozen=True, slots=True)
class Action(Generic[S]):
    """How changes of one kind are made and read back.

    Attributes:
        kind: The kind of change.
        make: Makes one change to a subject. Many threads call it at the same time. If it raises an exception, only this
            change fails.
        see: Returns the observed state of a subject, None for nothing. It equals `change.after` exactly if the change
            is done.
        instead: Returns the changes that replace a change after this error, none if the failure is final. They run
            before the plan's next stage.
    """

    kind: ActionKind[S]
    make: Callable[[S], None]
    see: Callable[[S], str | None]
    instead: Callable[[S, RunbookError], Sequence[Change]] = no_others


@dataclass(frozen=True, slots=True)
class NoChange:
    """One thing that needs no change, and the reason."""

    target: str
    why: str


@dataclass(frozen=True, slots=True)
class Plan:
    """What a runbook will do.

    Raises:
        ValueError: Two changes do the same to the same target, so they would race.
    """

    changes: tuple[Change, ...] = ()
    unchanged: tuple[NoChange, ...] = ()

    def __post_init__(self) -> None:
        """Check that no change is there twice."""
        if len({(change.action, change.target) for change in self.changes}) != len(self.changes):
            raise ValueError("a plan names a change twice")


@dataclass(frozen=True, slots=True, kw_only=True)
class Result:
    """The result of one change.

    Attributes:
        change: The change.
        outcome: How it ended.
        observed: The state that the read-back showed, None for nothing, or if nothing was read back.
        attempts: How often the change was made.
        duration_ms: How long it took, in milliseconds.
        error: Why it failed or was replaced, None if it did not.
        instead: The changes that replaced it.
    """

    change: Change
    outcome: Outcome
    observed: str | None = None
    attempts: int = 0
    duration_ms: int = 0
    error: RunbookError | None = None
    instead: Sequence[Change] = ()
