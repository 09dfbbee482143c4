"""Decide the next step of a rotation of a customer's token for the publisher's container registry. Pure.

The token has two passwords. The customer uses one. The other one is generated anew, delivered, tested and promoted
while the first one works. After the overlap the customer retires the former one, and the publisher removes it. The
publisher stores a password only while it is on its way, and only encrypted for the customer's vault. Until it has
arrived, each run sends the same password, because a job of a killed run may still deliver it. A password is generated
again, in the same place, if it was never sent, or if it was encrypted for an older wrapping key.

In an emergency both passwords are removed first. Then imports fail until the new password has arrived.
"""

from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from typing import Any

from publisher.rotation import plan as rotation_plan
from publisher.rotation.plan import (
    RETIRE,
    Effect,
    Phase,
    Request,
    Step,
    begins,
    customers,
    facts_after,
    number_of,
    phase_changes,
    phase_kinds,
)
from publisher.rotation.record import Rotation
from runbook_lib.basics.clock import from_rfc3339, rfc3339
from runbook_lib.change import ActionKind, Change, Plan
from runbook_lib.errors import publisher
from runbook_lib.vault.publisher_token import SECRET

SLOTS = ("password1", "password2")

# Remove the two passwords one after the other: an update names the passwords that are kept, so two updates at once
# would undo each other.
REMOVALS: tuple[ActionKind[str], ...] = (ActionKind("remove", stage=1), ActionKind("remove", stage=2))
BEGIN: ActionKind[Rotation] = ActionKind("begin", stage=3)
PHASE_KINDS = phase_kinds(stage=3)
RETIRE_FORMER: ActionKind[Phase] = ActionKind(RETIRE, stage=1)
END: ActionKind[Rotation] = ActionKind("end", stage=3)


@dataclass(frozen=True, slots=True, kw_only=True)
class Password:
    """A token's password as ARM shows it: its place and its creation time, never its value."""

    slot: str
    created: datetime


@dataclass(frozen=True, slots=True, kw_only=True)
class Facts:
    """One instance's token: its last rotation and its passwords.

    `new` is the rotation that this run would begin. `driven` is the id of the rotation that it drives, "" for none yet.
    """

    now: datetime
    newest: Rotation | None
    passwords: tuple[Password, ...]
    new: Rotation
    driven: str = ""


def free_slot(newest: Rotation | None, passwords: tuple[Password, ...]) -> str:
    """Return the place of the password that the customer does not use.

    The customer uses that of the last rotation if it was promoted, and else the other one. Before the first rotation,
    the only password is in use, or the newer of two.
    """
    if newest is not None:
        return _other(newest.slot) if newest.promoted_at else newest.slot
    by_age = sorted(passwords, key=lambda password: password.created)
    return _other(by_age[-1].slot) if by_age else SLOTS[0]


def next_step(request: Request, facts: Facts) -> Step:
    """Return the next step.

    Raises RunbookError VD-ROTATION-034 (another rotation has replaced the one that this run drives).
    """
    if begins(request, facts.newest, facts.driven):
        removals = _removals(facts.passwords) if request.emergency else []
        return _step(*removals, BEGIN.change(facts.new, number_of(facts.new), None, "open"))
    rotation = facts.newest
    if rotation is None or (facts.driven and rotation.rotation_id != facts.driven):
        raise publisher.OVERTAKEN.error("" if rotation is None else number_of(rotation), target=facts.driven)
    if not rotation.open:
        return Step()
    others = tuple(password for password in facts.passwords if password.slot != rotation.slot)
    changes = _removals(others) if rotation.emergency else []
    changes += phase_changes(rotation, SECRET, PHASE_KINDS)
    if changes:
        return _step(*changes)
    due = from_rfc3339(rotation.promoted_at) + timedelta(seconds=request.overlap_seconds)
    if others and facts.now < due:
        return Step(wait_until=due)
    if not rotation.reached("retired"):
        retirement = Phase(RETIRE, "retired")
        return _step(RETIRE_FORMER.change(retirement, customers(SECRET), rotation.customer, retirement.reached))
    return _step(*_removals(others), END.change(rotation, number_of(rotation), "open", "over"))


def preview(request: Request, facts: Facts) -> Plan:
    """Return all changes of a run until the rotation is over, without the waits."""
    return rotation_plan.preview(
        facts,
        next_step=lambda then: next_step(request, then),
        after=after,
        wait=lambda then, until: replace(then, now=until),
    )


def after(change: Change, facts: Facts) -> Facts:
    """Return the facts after a change."""
    return facts_after(change, facts, _EFFECTS)


def _without(facts: Facts, slot: str) -> Facts:
    return replace(facts, passwords=tuple(each for each in facts.passwords if each.slot != slot))


def _reached(facts: Facts, phase: Phase) -> Facts:
    rotation = facts.newest
    return facts if rotation is None else replace(facts, newest=replace(rotation, customer=phase.reached))


def _staged(facts: Facts, phase: Phase) -> Facts:
    rotation = facts.newest
    if rotation is None:
        return facts
    others = _without(facts, rotation.slot).passwords
    made = Password(slot=rotation.slot, created=facts.now)
    return _reached(replace(facts, passwords=(*others, made)), phase)


def _promoted(facts: Facts, phase: Phase) -> Facts:
    facts = _reached(facts, phase)
    rotation = facts.newest
    return facts if rotation is None else replace(facts, newest=replace(rotation, promoted_at=rfc3339(facts.now)))


_EFFECTS: tuple[Effect[Facts, Any], ...] = (
    *(Effect(removal, _without) for removal in REMOVALS),
    Effect(BEGIN, lambda facts, new: replace(facts, newest=new, driven=new.rotation_id)),
    Effect(PHASE_KINDS["prepare"], _reached),
    Effect(PHASE_KINDS["stage"], _staged),
    Effect(PHASE_KINDS["test"], _reached),
    Effect(PHASE_KINDS["promote"], _promoted),
    Effect(RETIRE_FORMER, _reached),
    Effect(END, lambda facts, over: replace(facts, newest=replace(over, ended_at=rfc3339(facts.now)))),
)


def _removals(passwords: tuple[Password, ...]) -> list[Change]:
    return [
        kind.change(each.slot, f"password {each.slot}", "there", "removed")
        for kind, each in zip(REMOVALS, passwords, strict=False)
    ]


def _other(slot: str) -> str:
    return SLOTS[1] if slot == SLOTS[0] else SLOTS[0]


def _step(*changes: Change) -> Step:
    return Step(plan=Plan(changes))
