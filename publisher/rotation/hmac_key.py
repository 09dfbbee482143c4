"""Decide the publisher's next step in a rotation of the key that signs an instance's callbacks. Pure.

No signed request is ever refused because of a rotation:

1. The new key is kept in the vault and accepted (`pending`) before the customer gets it.
2. The customer tests it, and then signs only with it. A run that read the former key a moment ago may still use that
   one.
3. The former keys become `previous` and are still accepted. The customer retires them only after the overlap.
4. Each is accepted for GRACE_SECONDS more, for any overlap. Then it is retired, and its secret is disabled.

The record says what has been done: a row in HmacRotations for the rotation and a row in HmacKeys for each key. If a run
is killed, the next one goes on from these rows. The customer's phases can be repeated.

In an emergency all existing keys are revoked first, before there is a new one. Reports then wait at the customer's
until the new key has arrived. An open rotation is given up, because its key may be known, too.
"""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from typing import Any

from publisher.custody.key_records import KeyRecord, KeyState
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
from runbook_lib.request_signing.signer import LIFE_SECONDS, SKEW_SECONDS
from runbook_lib.vault.hmac_key import KEY_CACHE_SECONDS, SECRET

# A signature's life, the tolerated skew, and the time for which a signer keeps a key that it has read
# (docs/design.md#log-lock-callbacks).
GRACE_SECONDS = LIFE_SECONDS + SKEW_SECONDS + KEY_CACHE_SECONDS


@dataclass(frozen=True, slots=True)
class KeyChange:
    """A change to a key's record. `state` is the new state. `accept_until` is RFC 3339, "" if it does not change."""

    key_id: str
    state: KeyState
    accept_until: str = ""


REVOKE: ActionKind[KeyChange] = ActionKind("revoke", stage=1)
KEEP: ActionKind[str] = ActionKind("keep", stage=2)
BEGIN: ActionKind[Rotation] = ActionKind("begin", stage=3)
ACCEPT: ActionKind[KeyChange] = ActionKind("accept", stage=4)
PHASE_KINDS = phase_kinds(stage=5)
PROMOTE: ActionKind[KeyChange] = ActionKind("promote", stage=9)
SUCCEED: ActionKind[KeyChange] = ActionKind("succeed", stage=10)
RETIRE_FORMER: ActionKind[Phase] = ActionKind(RETIRE, stage=11)
LIMIT: ActionKind[KeyChange] = ActionKind("limit", stage=12)
RETIRE_KEY: ActionKind[KeyChange] = ActionKind("retire", stage=13)
DISABLE: ActionKind[str] = ActionKind("disable", stage=13)
END: ActionKind[Rotation] = ActionKind("end", stage=14)


@dataclass(frozen=True, slots=True, kw_only=True)
class Facts:
    """The publisher's record of one instance.

    `newest` is its last rotation, and `keys` are all its keys. `with_secret` are the ids of revoked keys whose secret
    is still enabled. `new` is the rotation that this run would begin. `driven` is the id of the rotation that it
    drives, "" for none yet. For `grace_seconds` see GRACE_SECONDS.
    """

    now: datetime
    newest: Rotation | None
    keys: tuple[KeyRecord, ...]
    with_secret: frozenset[str]
    new: Rotation
    driven: str = ""
    grace_seconds: float = GRACE_SECONDS


def next_step(request: Request, facts: Facts) -> Step:
    """Return the next step.

    Raises RunbookError VD-ROTATION-032 (the rotation's key was revoked or retired meanwhile), -034 (another rotation
    has replaced the one that this run drives).
    """
    if begins(request, facts.newest, facts.driven):
        return Step(plan=Plan(tuple(_opening(request, facts))))
    rotation = facts.newest
    if rotation is None or (facts.driven and rotation.rotation_id != facts.driven):
        raise publisher.OVERTAKEN.error("" if rotation is None else number_of(rotation), target=facts.driven)
    if not rotation.open:
        return Step()
    changes = _delivery(rotation, facts)
    return Step(plan=Plan(tuple(changes))) if changes else _retirement(request, rotation, facts)


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


def key_after(change: KeyChange, facts: Facts) -> KeyRecord:
    """Return a key's record after a change.

    Raises RunbookError VD-ROTATION-034 if the key was retired or revoked meanwhile: it never comes back.
    """
    key_id, now = change.key_id, rfc3339(facts.now)
    known = next((key for key in facts.keys if key.key_id == key_id), None)
    rotation = facts.newest
    if known is None:
        assert rotation is not None and rotation.credential_id == key_id  # noqa: S101 - only `accept` adds a key
        return KeyRecord(
            instance_id=rotation.instance_id,
            key_id=key_id,
            state="pending",
            rotation_id=rotation.rotation_id,
            created_at=now,
        )
    if known.state in ("retired", "revoked") and change.state not in ("retired", "revoked"):
        raise publisher.OVERTAKEN.error(f"it is {known.state}", target=key_id)
    if change.accept_until:
        return replace(known, accept_until=change.accept_until)
    if change.state == "current":
        return replace(known, state="current", promoted_at=now)
    return replace(known, state=change.state)


def _key_changed(facts: Facts, change: KeyChange) -> Facts:
    keys = {key.key_id: key for key in facts.keys}
    return replace(facts, keys=tuple({**keys, change.key_id: key_after(change, facts)}.values()))


def _reached(facts: Facts, phase: Phase) -> Facts:
    rotation = facts.newest
    return facts if rotation is None else replace(facts, newest=replace(rotation, customer=phase.reached))


_EFFECTS: tuple[Effect[Facts, Any], ...] = (
    *(Effect(kind, _key_changed) for kind in (REVOKE, ACCEPT, PROMOTE, SUCCEED, LIMIT, RETIRE_KEY)),
    Effect(KEEP, lambda facts, _: facts),
    Effect(BEGIN, lambda facts, new: replace(facts, newest=new, driven=new.rotation_id)),
    *(Effect(kind, _reached) for kind in (*PHASE_KINDS.values(), RETIRE_FORMER)),
    Effect(DISABLE, lambda facts, key_id: replace(facts, with_secret=facts.with_secret - {key_id})),
    Effect(END, lambda facts, over: replace(facts, newest=replace(over, ended_at=rfc3339(facts.now)))),
)


def _opening(request: Request, facts: Facts) -> list[Change]:
    new, changes = facts.new, _revocations(facts.keys) if request.emergency else []
    changes.append(KEEP.change(new.credential_id, f"secret of key {new.credential_id}", None, "kept"))
    changes.append(BEGIN.change(new, number_of(new), None, "open"))
    return changes


def _revocations(keys: Sequence[KeyRecord]) -> list[Change]:
    accepted = [key for key in keys if key.state in ("pending", "current", "previous")]
    return [_key_change(REVOKE, KeyChange(key.key_id, "revoked"), str(key)) for key in accepted]


def _key_change(kind: ActionKind[KeyChange], change: KeyChange, before: str | None) -> Change:
    after = f"{change.state} until {change.accept_until}" if change.accept_until else change.state
    return kind.change(change, f"key {change.key_id}", before, after)


def _delivery(rotation: Rotation, facts: Facts) -> list[Change]:
    """Return the changes until both sides use the new key."""
    key_id = rotation.credential_id
    others = [key for key in facts.keys if key.key_id != key_id]
    key = next((key for key in facts.keys if key.key_id == key_id), None)
    changes = _revocations(others) if rotation.emergency else []
    if key is None:
        changes.append(_key_change(ACCEPT, KeyChange(key_id, "pending"), None))
    elif key.state in ("retired", "revoked"):
        raise publisher.KEY_LOST.error(f"it is {key.state}", target=key_id)
    changes += phase_changes(rotation, SECRET, PHASE_KINDS)
    if key is None or key.state != "current":
        changes.append(_key_change(PROMOTE, KeyChange(key_id, "current"), "pending"))
    # The pending key of an abandoned rotation may have come into use after all.
    former = [] if rotation.emergency else [key for key in others if key.state in ("pending", "current")]
    changes += [_key_change(SUCCEED, KeyChange(key.key_id, "previous"), str(key)) for key in former]
    return changes


def _retirement(request: Request, rotation: Rotation, facts: Facts) -> Step:
    """Return the step after both sides use the new key."""
    previous = [key for key in facts.keys if key.state == "previous"]
    if previous and facts.now < (due := _due(request, rotation, facts)):
        return Step(wait_until=due)
    if not rotation.reached("retired"):
        retirement = Phase(RETIRE, "retired")
        return _step(RETIRE_FORMER.change(retirement, customers(SECRET), rotation.customer, retirement.reached))
    until = rfc3339(facts.now + timedelta(seconds=facts.grace_seconds))
    limits = [
        _key_change(LIMIT, KeyChange(key.key_id, "previous", accept_until=until), str(key))
        for key in previous
        if not key.accept_until
    ]
    if limits:
        return _step(*limits)
    last = max((from_rfc3339(key.accept_until) for key in previous), default=facts.now)
    if facts.now < last:
        return Step(wait_until=last, brief=True)
    changes = [_key_change(RETIRE_KEY, KeyChange(key.key_id, "retired"), str(key)) for key in previous]
    changes += [
        DISABLE.change(key_id, f"secret of key {key_id}", "enabled", "disabled") for key_id in sorted(facts.with_secret)
    ]
    return _step(*changes, END.change(rotation, number_of(rotation), "open", "over"))


def _due(request: Request, rotation: Rotation, facts: Facts) -> datetime:
    """Return the end of the overlap. It begins when both sides use the new key."""
    key = next(key for key in facts.keys if key.key_id == rotation.credential_id)
    return from_rfc3339(key.promoted_at) + timedelta(seconds=request.overlap_seconds)


def _step(*changes: Change) -> Step:
    return Step(plan=Plan(changes))
