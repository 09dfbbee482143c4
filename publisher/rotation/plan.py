"""Decide the publisher's next step in the rotation of any credential. All pure.

Each kind of credential has its own Rules: the changes before a rotation begins, the changes until both sides use the
new credential, and the changes until the former one is gone.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime
from typing import Any, Generic, Protocol, TypeVar

from publisher.rotation.record import Rotation
from runbook_lib.basics.clock import rfc3339
from runbook_lib.change import ActionKind, Change, Plan
from runbook_lib.errors import publisher
from runbook_lib.rotation.states import REACHED, Phase, State

F = TypeVar("F", bound="RotationFacts")
S = TypeVar("S")


class Timed(Protocol):
    """Facts with the time at which they were found: a frozen dataclass with a field `now`."""

    @property
    def now(self) -> datetime:
        """The time, aware."""


Seen = TypeVar("Seen", bound=Timed)


@dataclass(frozen=True, slots=True, kw_only=True)
class RotationFacts:
    """The facts about one instance's credential, of any kind.

    Attributes:
        now: The present time (aware).
        newest: The last rotation of the credential, None before the first.
        new: The rotation that this run would begin.
        driven: The id of the rotation that this run drives, "" for none yet.
    """

    now: datetime
    newest: Rotation | None
    new: Rotation
    driven: str = ""


@dataclass(frozen=True, slots=True)
class Effect(Generic[F, S]):
    """The effect of a kind of change. `then` is pure: it returns the facts after a change of `subject`."""

    kind: ActionKind[S]
    then: Callable[[F, S], F]


@dataclass(frozen=True, slots=True, kw_only=True)
class RotationRequest:
    """The operator's request.

    Attributes:
        emergency: The operator believes that the credential in use was stolen.
        supersede: The id of an open rotation that is given up for a new one. The id makes sure that a repeated request
            does not give up the new one.
        overlap_seconds: How long the former credential may still be used after the new one is in use.
        only: The id of the one rotation to drive, "" for no such limit. If it is given, the run begins no rotation,
            even if that one is over.
    """

    emergency: bool = False
    supersede: str = ""
    overlap_seconds: int
    only: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Step:
    """The next step. A step without a change and without a waiting time means that the rotation is over.

    Attributes:
        plan: The changes to make now.
        wait_until: There is nothing to do before this time, None if there is no need to wait.
        brief: Whether the wait is so short that the command itself can wait.
        why: The reason for the wait, "" if the command says it anyway.
    """

    plan: Plan = field(default_factory=Plan)
    wait_until: datetime | None = None
    brief: bool = False
    why: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Rules(Generic[F]):
    """The special rules of one kind of credential. All functions are pure.

    Attributes:
        begin: The kind of the change that begins a rotation.
        phases: The kinds of the changes that are phases, by the phase's name.
        end: The kind of the change that ends a rotation.
        opening: Returns the changes before a rotation is begun.
        delivery: Returns the changes until both sides use the new credential.
        retirement: Returns the step after both sides use the new credential.
        effects: What the changes do to the facts that only this kind of credential has.
    """

    begin: ActionKind[Rotation]
    phases: Mapping[Phase, ActionKind[Phase]]
    end: ActionKind[Rotation]
    opening: Callable[[RotationRequest, F], Sequence[Change]]
    delivery: Callable[[Rotation, F], Sequence[Change]]
    retirement: Callable[[RotationRequest, Rotation, F], Step]
    effects: Sequence[Effect[F, Any]]


def next_step(rules: Rules[F], request: RotationRequest, facts: F) -> Step:
    """Return the next step.

    Raises:
        RunbookError: VD-ROTATION-034 if another rotation has replaced the one that this run drives, and the errors of
            `begins` and of the rules.
    """
    if begins(request, facts.newest, facts.driven):
        begin = rules.begin.change(facts.new, number_of(facts.new), None, "open")
        return step(*rules.opening(request, facts), begin)
    rotation = facts.newest
    if rotation is None or (facts.driven and rotation.rotation_id != facts.driven):
        raise publisher.OVERTAKEN.error("" if rotation is None else number_of(rotation), target=facts.driven)
    if not rotation.open:
        return Step()
    changes = rules.delivery(rotation, facts)
    return step(*changes) if changes else rules.retirement(request, rotation, facts)


def begins(request: RotationRequest, newest: Rotation | None, driven: str) -> bool:
    """Return whether the run must begin a new rotation. `driven` is the id of the rotation that it drives already.

    Raises RunbookError VD-ROTATION-036 if the rotation to give up is not open, and was not given up for the open one.
    """
    if driven or request.only:
        return False
    open_one = newest if newest is not None and newest.open else None
    if request.supersede and (
        open_one is None or request.supersede not in (open_one.rotation_id, *open_one.supersedes)
    ):
        raise publisher.ROTATION_NOT_OPEN.error(target=request.supersede)
    if open_one is None or open_one.overtaken or open_one.rotation_id == request.supersede:
        return True
    return request.emergency and not open_one.emergency


def preview(rules: Rules[F], request: RotationRequest, facts: F) -> Plan:
    """Return all changes of a run until the rotation is over, each change in a separate stage.

    It leaves out the waiting times.
    """
    return foreseen(
        lambda seen: next_step(rules, request, seen), lambda change, seen: after(rules, change, seen), facts
    )


def foreseen(step_of: Callable[[Seen], Step], after_change: Callable[[Change, Seen], Seen], facts: Seen) -> Plan:
    """Return all changes of the steps that follow each other, each change in a separate stage.

    Args:
        step_of: Returns the next step.
        after_change: Returns the facts after a change.
        facts: The facts before the first step.
    """
    changes: list[Change] = []
    while True:
        then = step_of(facts)
        if then.wait_until is not None:
            facts = replace(facts, now=then.wait_until)  # type: ignore[type-var] # as Timed says
        elif not then.plan.changes:
            return Plan(tuple(replace(change, stage=index) for index, change in enumerate(changes, start=1)))
        for change in then.plan.changes:
            changes.append(change)
            facts = after_change(change, facts)


def after(rules: Rules[F], change: Change, facts: F) -> F:
    """Return the facts that a run will find after a change is made."""
    if rules.begin.is_of(change):
        facts = replace(facts, newest=change.subject, driven=change.subject.rotation_id)
    elif rules.end.is_of(change):
        facts = replace(facts, newest=replace(change.subject, ended_at=rfc3339(facts.now)))
    elif any(kind.is_of(change) for kind in rules.phases.values()) and facts.newest is not None:
        facts = replace(facts, newest=replace(facts.newest, customer=REACHED[change.subject]))
    for effect in rules.effects:
        if effect.kind.is_of(change):
            facts = effect.then(facts, change.subject)
    return facts


def phase_kinds(*, prepare: int, retire: int) -> Mapping[Phase, ActionKind[Phase]]:
    """Return the kinds of the phases, by name.

    Args:
        prepare: The stage of phase prepare. The stages of the other phases follow it one by one.
        retire: The stage of phase retire, which is separate from the others.
    """
    kinds: dict[Phase, ActionKind[Phase]] = {
        phase: ActionKind(phase, prepare + offset) for offset, phase in enumerate(REACHED)
    }
    return {**kinds, "retire": ActionKind("retire", retire)}


def phase_change(kinds: Mapping[Phase, ActionKind[Phase]], phase: Phase, rotation: Rotation, secret: str) -> Change:
    """Return the change that a phase makes. `secret` is the name of the secret in the customer's vault."""
    return kinds[phase].change(phase, f"customer's {secret}", rotation.customer, REACHED[phase])


def phases_left(kinds: Mapping[Phase, ActionKind[Phase]], rotation: Rotation, secret: str) -> list[Change]:
    """Return the changes of the remaining phases before `retire`.

    `secret` is the name of the secret in the customer's vault.
    """
    # After the credential has arrived, nobody needs the wrapping key.
    useless: dict[Phase, State] = {**REACHED, "prepare": "pending"}
    wanted = (phase for phase in REACHED if phase != "retire" and not rotation.reached(useless[phase]))
    return [phase_change(kinds, phase, rotation, secret) for phase in wanted]


def number_of(rotation: Rotation) -> str:
    """Return the target of a change to the record of a rotation."""
    return f"rotation {rotation.number} ({rotation.rotation_id})"


def step(*changes: Change) -> Step:
    """Return the step that makes these changes."""
    return Step(plan=Plan(changes))
