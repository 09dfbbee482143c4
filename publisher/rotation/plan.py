"""The common parts of a key's and a token's rotation at the publisher's. Pure."""

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field, replace
from datetime import datetime
from typing import Any, Generic, TypeVar

from publisher.rotation.record import CustomerState, Rotation
from runbook_lib.change import ActionKind, Change, Plan
from runbook_lib.errors import publisher

# The customer's phases in their order, each with the state after it.
PHASES: tuple[tuple[str, CustomerState], ...] = (
    ("prepare", "prepared"),
    ("stage", "pending"),
    ("test", "tested"),
    ("promote", "promoted"),
)
RETIRE = "retire"

F = TypeVar("F")
S = TypeVar("S")


@dataclass(frozen=True, slots=True)
class Phase:
    """A phase at the customer's, and the state of the rotation after it."""

    name: str
    reached: CustomerState


@dataclass(frozen=True, slots=True)
class Effect(Generic[F, S]):
    """The effect of a kind of change. `then` is pure: it returns the facts after a change of `subject`."""

    kind: ActionKind[S]
    then: Callable[[F, S], F]


@dataclass(frozen=True, slots=True, kw_only=True)
class Request:
    """The operator's request.

    Attributes:
        emergency: The credential in use is believed stolen.
        supersede: The id of an open rotation to give up for a new one. So a repeated request does not give up the new
        one.
        overlap_seconds: How long the former credential may still be used after the new one is in use.
    """

    emergency: bool = False
    supersede: str = ""
    overlap_seconds: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Step:
    """The next step. Without a change and without a time to wait for, the rotation is over.

    `wait_until` is the time before which there is nothing to do. `brief` says that the command itself can wait for it.
    """

    plan: Plan = field(default_factory=Plan)
    wait_until: datetime | None = None
    brief: bool = False


def begins(request: Request, newest: Rotation | None, driven: str) -> bool:
    """Return whether the run must begin a new rotation. `driven` is the id of the rotation that it drives already.

    Raises RunbookError VD-ROTATION-036 if the rotation to give up is not open, and was not given up for the open one.
    """
    if driven:
        return False
    open_one = newest if newest is not None and newest.open else None
    if request.supersede and (
        open_one is None or request.supersede not in (open_one.rotation_id, *open_one.supersedes)
    ):
        raise publisher.ROTATION_NOT_OPEN.error(target=request.supersede)
    if open_one is None or open_one.overtaken or open_one.rotation_id == request.supersede:
        return True
    return request.emergency and not open_one.emergency


def preview(
    facts: F,
    *,
    next_step: Callable[[F], Step],
    after: Callable[[Change, F], F],
    wait: Callable[[F, datetime], F],
) -> Plan:
    """Return all changes of a run from `facts` until the rotation is over. Each change has a stage of its own.

    `next_step` returns the step for facts, `after` the facts after a change, and `wait` the facts at a later time.
    """
    changes: list[Change] = []
    while True:
        step = next_step(facts)
        if step.wait_until is not None:
            facts = wait(facts, step.wait_until)
        elif not step.plan.changes:
            return Plan(tuple(replace(change, stage=index) for index, change in enumerate(changes, start=1)))
        for change in step.plan.changes:
            changes.append(change)
            facts = after(change, facts)


def facts_after(change: Change, facts: F, effects: Iterable[Effect[F, Any]]) -> F:
    """Return the facts after a change. `effects` has one effect for each kind of change."""
    return next(effect.then(facts, change.subject) for effect in effects if effect.kind.is_of(change))


def phase_kinds(*, stage: int) -> Mapping[str, ActionKind[Phase]]:
    """Return the kinds of the phases before `retire`, by name, in their order. `stage` is that of the first."""
    return {phase: ActionKind(phase, stage + offset) for offset, (phase, _) in enumerate(PHASES)}


def phase_changes(rotation: Rotation, secret: str, kinds: Mapping[str, ActionKind[Phase]]) -> list[Change]:
    """Return the remaining phases before `retire`. `secret` is its name at the customer's; `kinds` are the phases'."""
    changes = []
    for phase, reached in PHASES:
        # The wrapping key is not needed after the credential has arrived.
        if not rotation.reached("pending" if phase == "prepare" else reached):
            changes.append(kinds[phase].change(Phase(phase, reached), customers(secret), rotation.customer, reached))
    return changes


def customers(secret: str) -> str:
    """Return the target of a change in the customer's vault."""
    return f"customer's {secret}"


def number_of(rotation: Rotation) -> str:
    """Return the target of a change to the record of a rotation."""
    return f"rotation {rotation.number} ({rotation.rotation_id})"
