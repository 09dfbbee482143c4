"""Decide the next step of a rotation of a customer's token for the publisher's container registry. Pure.

The token has two passwords, and the customer uses one of them. While that one works, the publisher generates the other
one again, and delivers, tests and promotes it. After the overlap the customer retires the former password, and the
publisher removes it. The publisher stores a password only while it is on its way, and only encrypted for the customer's
vault. Until it has arrived, each run sends the same password, because a job of a killed run may still deliver it. A
password is generated again, in the same place, if it was never sent, or if it was encrypted for an older wrapping key.

In an emergency both passwords are removed first. Then imports fail until the new password has arrived.
"""

from dataclasses import dataclass, replace
from datetime import datetime, timedelta

from publisher.rotation.plan import (
    Effect,
    RotationFacts,
    RotationRequest,
    Rules,
    Step,
    number_of,
    phase_change,
    phase_kinds,
    phases_left,
    step,
)
from publisher.rotation.record import Rotation
from runbook_lib.basics.clock import from_rfc3339, rfc3339
from runbook_lib.change import ActionKind, Change
from runbook_lib.rotation.states import Phase
from runbook_lib.vault.publisher_token import SECRET

SLOTS = ("password1", "password2")

# Remove the two passwords one after the other: an update names the passwords that are kept, so two updates at once
# would undo each other.
REMOVALS: tuple[ActionKind[str], ...] = (ActionKind("remove", stage=1), ActionKind("remove", stage=2))
BEGIN: ActionKind[Rotation] = ActionKind("begin", stage=3)
PHASES = phase_kinds(prepare=3, retire=1)
END: ActionKind[Rotation] = ActionKind("end", stage=3)


@dataclass(frozen=True, slots=True, kw_only=True)
class Password:
    """A token's password as ARM shows it: its place and its creation time, never its value."""

    slot: str
    created: datetime


@dataclass(frozen=True, slots=True, kw_only=True)
class Facts(RotationFacts):
    """The facts about one instance's token.

    Attributes:
        passwords: The passwords that exist.
    """

    passwords: tuple[Password, ...]


def free_slot(newest: Rotation | None, passwords: tuple[Password, ...]) -> str:
    """Return the place of the password that the customer does not use.

    If the last rotation was promoted, the customer uses its password. Otherwise the customer uses the other password.
    Before the first rotation the customer uses the only password, or the newer one of two.
    """
    if newest is not None:
        return _other(newest.slot) if newest.promoted_at else newest.slot
    by_age = sorted(passwords, key=lambda password: password.created)
    return _other(by_age[-1].slot) if by_age else SLOTS[0]


def _opening(request: RotationRequest, facts: Facts) -> list[Change]:
    return _removals(facts.passwords) if request.emergency else []


def _delivery(rotation: Rotation, facts: Facts) -> list[Change]:
    """Return the changes until both sides use the new password."""
    removals = _removals(_others(rotation, facts)) if rotation.emergency else []
    return [*removals, *phases_left(PHASES, rotation, SECRET)]


def _retirement(request: RotationRequest, rotation: Rotation, facts: Facts) -> Step:
    """Return the step after both sides use the new password."""
    others = _others(rotation, facts)
    due = from_rfc3339(rotation.promoted_at) + timedelta(seconds=request.overlap_seconds)
    if others and facts.now < due:
        return Step(wait_until=due)
    if not rotation.reached("retired"):
        return step(phase_change(PHASES, "retire", rotation, SECRET))
    return step(*_removals(others), END.change(rotation, number_of(rotation), "open", "over"))


def _removals(passwords: tuple[Password, ...]) -> list[Change]:
    return [
        kind.change(each.slot, f"password {each.slot}", "there", "removed")
        for kind, each in zip(REMOVALS, passwords, strict=False)
    ]


def _others(rotation: Rotation, facts: Facts) -> tuple[Password, ...]:
    """Return the passwords that this rotation has not generated."""
    return tuple(password for password in facts.passwords if password.slot != rotation.slot)


def _removed(facts: Facts, slot: str) -> Facts:
    return replace(facts, passwords=tuple(each for each in facts.passwords if each.slot != slot))


def _staged(facts: Facts, _phase: Phase) -> Facts:
    rotation = facts.newest
    if rotation is None:
        return facts
    made = Password(slot=rotation.slot, created=facts.now)
    return replace(facts, passwords=(*_others(rotation, facts), made))


def _promoted(facts: Facts, _phase: Phase) -> Facts:
    rotation = facts.newest
    return facts if rotation is None else replace(facts, newest=replace(rotation, promoted_at=rfc3339(facts.now)))


def _other(slot: str) -> str:
    return SLOTS[1] if slot == SLOTS[0] else SLOTS[0]


RULES: Rules[Facts] = Rules(
    begin=BEGIN,
    phases=PHASES,
    end=END,
    opening=_opening,
    delivery=_delivery,
    retirement=_retirement,
    effects=(
        *(Effect(removal, _removed) for removal in REMOVALS),
        Effect(PHASES["stage"], _staged),
        Effect(PHASES["promote"], _promoted),
    ),
)
