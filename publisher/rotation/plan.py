"""What rotations of a key and of a token have in common, seen from the publisher. All pure."""

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field, replace
from datetime import datetime
from typing import Any, Generic, TypeVar

from publisher.rotation.record import CustomerState, Rotation
from runbook_lib.change import ActionKind, Change, Plan
from runbook_lib.errors import publisher

# How the customer's side goes on, each phase with what it comes to.
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
    """A phase at the customer's, and how far the rotation is there once it is done."""

    name: str
    reached: CustomerState


@dataclass(frozen=True, slots=True)
class Effect(Generic[F, S]):
    """What a change of a kind will have done. then: pure; facts and the change's subject to what will be found."""

    kind: ActionKind[S]
    then: Callable[[F, S], F]


@dataclass(frozen=True, slots=True, kw_only=True)
class Request:
    """What the operator asks for.

    emergency: what is in use is believed stolen. supersede: the id of an open rotation that is given up for a new one;
    by its id, so that to ask again does not give up the new one. overlap_seconds: how long the former credential stays
    in use after the new one is.
    """

    emergency: bool = False
    supersede: str = ""
    overlap_seconds: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Step:
    """What is to be done now. No change and no time to wait for: the rotation is over.

    wait_until: before that time nothing is to be done. brief: whether that is so soon that nobody need come back.
    """

    plan: Plan = field(default_factory=Plan)
    wait_until: datetime | None = None
    brief: bool = False


def begins(request: Request, newest: Rotation | None, driven: str) -> bool:
    """Return whether a new rotation is to be begun. driven: the id of the rotation that this run drives already.

    Raises RunbookError VD-ROTATION-036 if the rotation that is to be given up is not open, nor given up already for
    the one that is.
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
    """Return all that a run would do from `facts` until the rotation is over, each change a stage of its own.

    Parameters: next_step, what is to be done at given facts; after, the facts once a change is made; wait, the facts at
    a later time.
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
    """Return what will be found once a change is made. effects: one for each kind of change."""
    return next(effect.then(facts, change.subject) for effect in effects if effect.kind.is_of(change))


def phase_kinds(*, stage: int) -> Mapping[str, ActionKind[Phase]]:
    """Return the kinds of the phases before `retire`, by name, one after the other. stage: the first one's."""
    return {phase: ActionKind(phase, stage + offset) for offset, (phase, _) in enumerate(PHASES)}


def phase_changes(rotation: Rotation, secret: str, kinds: Mapping[str, ActionKind[Phase]]) -> list[Change]:
    """Return what is left of the phases before `retire`. secret: its name at the customer's; kinds: of the phases."""
    changes = []
    for phase, reached in PHASES:
        # The wrapping key is of no use once the credential has arrived.
        if not rotation.reached("pending" if phase == "prepare" else reached):
            changes.append(kinds[phase].change(Phase(phase, reached), customers(secret), rotation.customer, reached))
    return changes


def customers(secret: str) -> str:
    """Return the target of a change in the customer's vault."""
    return f"customer's {secret}"


def number_of(rotation: Rotation) -> str:
    """Return the target of a change to the record of a rotation."""
    return f"rotation {rotation.number} ({rotation.rotation_id})"
