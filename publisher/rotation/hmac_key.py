"""Rotating the key that signs an instance's callbacks: what the publisher does next. All pure.

No signed request is ever refused because of a rotation:

1. The new key is kept in the vault and accepted (`pending`) before the customer is given it.
2. The customer tests it, and then signs with it alone; what read the former key a moment ago may still use that.
3. The former keys become `previous`, still accepted, and the customer retires them only after the overlap.
4. Each is accepted for GRACE_SECONDS more, whatever the overlap was; then it is retired, and its secret disabled.

The record says what has been done: a row in HmacRotations for the rotation and one in HmacKeys for each key. A run that
was killed leaves them as far as it came, and the next one goes on from there; the customer's phases can be repeated.

In an emergency every key but the new one is revoked first, before there is a new one: reports wait at the customer's
until it has arrived. An open rotation is then given up, as what it brings may be known, too.
"""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timedelta

from publisher.custody.key_records import KeyRecord
from publisher.rotation import plan as rotation_plan
from publisher.rotation.plan import PHASES, RETIRE, Request, Step, begins, customers, number_of, phase_changes
from publisher.rotation.record import Rotation
from runbook_lib.basics.clock import from_rfc3339, rfc3339
from runbook_lib.change import Change, Plan
from runbook_lib.errors import publisher
from runbook_lib.request_signing.signer import LIFE_SECONDS, SKEW_SECONDS
from runbook_lib.vault.hmac_key import KEY_CACHE_SECONDS, SECRET

# A signature's life, the skew that is tolerated, and how long a signer keeps a key that it has read
# (docs/design.md#log-lock-callbacks).
GRACE_SECONDS = LIFE_SECONDS + SKEW_SECONDS + KEY_CACHE_SECONDS

_KEY, _SECRET = "key ", "secret of key "
_FIRST_PHASE = 5


@dataclass(frozen=True, slots=True, kw_only=True)
class Facts:
    """What the publisher's record says of one instance.

    newest: its last rotation; keys: all its keys. with_secret: ids of the revoked ones whose secret is still enabled.
    new: the rotation that would be begun. driven: the id of the one that this run drives, "" for none yet.
    grace_seconds: see GRACE_SECONDS.
    """

    now: datetime
    newest: Rotation | None
    keys: tuple[KeyRecord, ...]
    with_secret: frozenset[str]
    new: Rotation
    driven: str = ""
    grace_seconds: float = GRACE_SECONDS


def next_step(request: Request, facts: Facts) -> Step:
    """Return what is to be done now.

    Raises RunbookError VD-ROTATION-032 (the rotation's key was revoked or retired under way), -034 (another rotation
    has taken the place of the one that this run drives).
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
    """Return all that a run would do until the rotation is over, with what it would wait for left out."""
    return rotation_plan.preview(
        facts,
        next_step=lambda then: next_step(request, then),
        after=after,
        wait=lambda then, until: replace(then, now=until),
    )


def after(change: Change, facts: Facts) -> Facts:
    """Return what will be found once a change is made."""
    action, target = change.action, change.target
    rotation = facts.newest
    if action == "begin":
        return replace(facts, newest=facts.new, driven=facts.new.rotation_id)
    if action == "disable":
        return replace(facts, with_secret=facts.with_secret - {target.removeprefix(_SECRET)})
    if target.startswith(_KEY):
        keys = {key.key_id: key for key in facts.keys}
        changed = key_after(change, facts)
        return replace(facts, keys=tuple({**keys, changed.key_id: changed}.values()))
    if rotation is not None and action == "end":
        return replace(facts, newest=replace(rotation, ended_at=rfc3339(facts.now)))
    if rotation is not None and target == customers(SECRET):
        return replace(facts, newest=replace(rotation, customer=change.after))  # type: ignore[arg-type] # a phase's end
    return facts


def key_after(change: Change, facts: Facts) -> KeyRecord:
    """Return what a change to a key's record makes of it.

    Raises RunbookError VD-ROTATION-034: the key was retired or revoked meanwhile, and never comes back from that.
    """
    key_id, now = key_of(change), rfc3339(facts.now)
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
    if known.state in ("retired", "revoked") and change.after not in ("retired", "revoked"):
        raise publisher.OVERTAKEN.error(f"it is {known.state}", target=key_id)
    if change.action == "promote":
        return replace(known, state="current", promoted_at=now)
    if change.action == "limit":
        return replace(known, accept_until=change.after.removeprefix("previous until "))
    return replace(known, state=change.after)  # type: ignore[arg-type] # one of the states


def key_of(change: Change) -> str:
    """Return the id of the key that a change is about."""
    return change.target.removeprefix(_SECRET).removeprefix(_KEY)


def is_phase(change: Change) -> bool:
    """Return whether a change is the customer's to make."""
    return change.target == customers(SECRET) and change.action in {RETIRE, *(phase for phase, _ in PHASES)}


def _opening(request: Request, facts: Facts) -> list[Change]:
    changes = _revocations(facts.keys) if request.emergency else []
    changes.append(Change(2, "keep", f"{_SECRET}{facts.new.credential_id}", None, "kept"))
    changes.append(Change(3, "begin", number_of(facts.new), None, "open"))
    return changes


def _revocations(keys: Sequence[KeyRecord]) -> list[Change]:
    accepted = [key for key in keys if key.state in ("pending", "current", "previous")]
    return [Change(1, "revoke", f"{_KEY}{key.key_id}", str(key), "revoked") for key in accepted]


def _delivery(rotation: Rotation, facts: Facts) -> list[Change]:
    """Until both sides use the new key."""
    key_id = rotation.credential_id
    others = [key for key in facts.keys if key.key_id != key_id]
    key = next((key for key in facts.keys if key.key_id == key_id), None)
    changes = _revocations(others) if rotation.emergency else []
    if key is None:
        changes.append(Change(4, "accept", f"{_KEY}{key_id}", None, "pending"))
    elif key.state in ("retired", "revoked"):
        raise publisher.KEY_LOST.error(f"it is {key.state}", target=key_id)
    changes += phase_changes(rotation, SECRET, stage=_FIRST_PHASE)
    if key is None or key.state != "current":
        changes.append(Change(9, "promote", f"{_KEY}{key_id}", "pending", "current"))
    # Of a rotation that was given up, what is pending may have come into use all the same.
    former = [] if rotation.emergency else [key for key in others if key.state in ("pending", "current")]
    changes += [Change(10, "succeed", f"{_KEY}{key.key_id}", str(key), "previous") for key in former]
    return changes


def _retirement(request: Request, rotation: Rotation, facts: Facts) -> Step:
    """Once both sides use the new key."""
    previous = [key for key in facts.keys if key.state == "previous"]
    if previous and facts.now < (due := _due(request, rotation, facts)):
        return Step(wait_until=due)
    if not rotation.reached("retired"):
        return _step(Change(11, RETIRE, customers(SECRET), rotation.customer, "retired"))
    until = rfc3339(facts.now + timedelta(seconds=facts.grace_seconds))
    limits = [
        Change(12, "limit", f"{_KEY}{key.key_id}", str(key), f"previous until {until}")
        for key in previous
        if not key.accept_until
    ]
    if limits:
        return _step(*limits)
    last = max((from_rfc3339(key.accept_until) for key in previous), default=facts.now)
    if facts.now < last:
        return Step(wait_until=last, brief=True)
    changes = [Change(13, "retire", f"{_KEY}{key.key_id}", str(key), "retired") for key in previous]
    changes += [
        Change(13, "disable", f"{_SECRET}{key_id}", "enabled", "disabled") for key_id in sorted(facts.with_secret)
    ]
    return _step(*changes, Change(14, "end", number_of(rotation), "open", "over"))


def _due(request: Request, rotation: Rotation, facts: Facts) -> datetime:
    """Return the end of the overlap, which begins when both sides use the new key."""
    key = next(key for key in facts.keys if key.key_id == rotation.credential_id)
    return from_rfc3339(key.promoted_at) + timedelta(seconds=request.overlap_seconds)


def _step(*changes: Change) -> Step:
    return Step(plan=Plan(changes))
