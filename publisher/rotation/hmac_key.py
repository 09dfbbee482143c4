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

from publisher.custody.key_records import KeyRecord, KeyState
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
from publisher.rotation.record import Rotation, is_time
from runbook_lib.basics.clock import from_rfc3339, rfc3339
from runbook_lib.change import ActionKind, Change
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
PHASES = phase_kinds(prepare=5, retire=11)
PROMOTE: ActionKind[KeyChange] = ActionKind("promote", stage=9)
SUCCEED: ActionKind[KeyChange] = ActionKind("succeed", stage=10)
LIMIT: ActionKind[KeyChange] = ActionKind("limit", stage=12)
RETIRE_KEY: ActionKind[KeyChange] = ActionKind("retire", stage=13)
DISABLE: ActionKind[str] = ActionKind("disable", stage=13)
END: ActionKind[Rotation] = ActionKind("end", stage=14)


@dataclass(frozen=True, slots=True, kw_only=True)
class Facts(RotationFacts):
    """The publisher's record of one instance.

    Attributes:
        keys: All keys of the instance.
        with_secret: The ids of the revoked keys whose secret is still enabled.
        grace_seconds: See GRACE_SECONDS.
    """

    keys: tuple[KeyRecord, ...]
    with_secret: frozenset[str]
    grace_seconds: float = GRACE_SECONDS


def key_added(rotation: Rotation, now: datetime) -> KeyRecord:
    """Return the record of a rotation's key once it is accepted."""
    return KeyRecord(
        instance_id=rotation.instance_id,
        key_id=rotation.credential_id,
        state="pending",
        rotation_id=rotation.rotation_id,
        created_at=rfc3339(now),
    )


def key_changed(known: KeyRecord, change: KeyChange, now: datetime) -> KeyRecord:
    """Return a key's record after a change.

    Raises RunbookError VD-ROTATION-034 if the key was retired or revoked meanwhile. Such a key never comes back.
    """
    if known.state in ("retired", "revoked") and change.state not in ("retired", "revoked"):
        raise publisher.OVERTAKEN.error(f"it is {known.state}", target=known.key_id)
    if change.accept_until:
        return replace(known, accept_until=change.accept_until)
    if change.state == "current":
        return replace(known, state="current", promoted_at=rfc3339(now))
    return replace(known, state=change.state)


def _accepted(facts: Facts, _change: KeyChange) -> Facts:
    rotation = facts.newest
    return facts if rotation is None else replace(facts, keys=(*facts.keys, key_added(rotation, facts.now)))


def _changed(facts: Facts, change: KeyChange) -> Facts:
    return replace(
        facts,
        keys=tuple(key_changed(key, change, facts.now) if key.key_id == change.key_id else key for key in facts.keys),
    )


def _opening(request: RotationRequest, facts: Facts) -> list[Change]:
    key_id, changes = facts.new.credential_id, _revocations(facts.keys) if request.emergency else []
    return [*changes, KEEP.change(key_id, f"secret of key {key_id}", None, "kept")]


def _revocations(keys: Sequence[KeyRecord]) -> list[Change]:
    accepted = [key for key in keys if key.state in ("pending", "current", "previous")]
    return [_key_change(REVOKE, KeyChange(key.key_id, "revoked"), str(key)) for key in accepted]


def _key_change(kind: ActionKind[KeyChange], change: KeyChange, before: str | None) -> Change:
    after = f"{change.state} until {change.accept_until}" if change.accept_until else change.state
    return kind.change(change, f"key {change.key_id}", before, after)


def _delivery(rotation: Rotation, facts: Facts) -> list[Change]:
    """Return the changes until both sides use the new key.

    Raises RunbookError VD-ROTATION-032 if the key was revoked or retired before that.
    """
    key_id = rotation.credential_id
    others = [key for key in facts.keys if key.key_id != key_id]
    key = next((key for key in facts.keys if key.key_id == key_id), None)
    changes = _revocations(others) if rotation.emergency else []
    if key is None:
        changes.append(_key_change(ACCEPT, KeyChange(key_id, "pending"), None))
    elif key.state in ("retired", "revoked"):
        raise publisher.KEY_LOST.error(f"it is {key.state}", target=key_id)
    changes += phases_left(PHASES, rotation, SECRET)
    if key is None or key.state != "current":
        changes.append(_key_change(PROMOTE, KeyChange(key_id, "current"), "pending"))
    # The pending key of an abandoned rotation may have come into use after all.
    former = [] if rotation.emergency else [key for key in others if key.state in ("pending", "current")]
    changes += [_key_change(SUCCEED, KeyChange(key.key_id, "previous"), str(key)) for key in former]
    return changes


def _retirement(request: RotationRequest, rotation: Rotation, facts: Facts) -> Step:
    """Return the step after both sides use the new key."""
    previous = [key for key in facts.keys if key.state == "previous"]
    if previous and facts.now < (due := _due(request, rotation, facts)):
        return Step(wait_until=due)
    if not rotation.reached("retired"):
        return step(phase_change(PHASES, "retire", rotation, SECRET))
    until = rfc3339(facts.now + timedelta(seconds=facts.grace_seconds))
    limits = [
        _key_change(LIMIT, KeyChange(key.key_id, "previous", accept_until=until), str(key))
        for key in previous
        if not key.accept_until
    ]
    if limits:
        return step(*limits)
    # If such a time is malformed, the key is not accepted any more (KeyRecord.accepted).
    times = [key.accept_until for key in previous if is_time(key.accept_until)]
    last = max(map(from_rfc3339, times), default=facts.now)
    if facts.now < last:
        return Step(wait_until=last, brief=True)
    changes = [_key_change(RETIRE_KEY, KeyChange(key.key_id, "retired"), str(key)) for key in previous]
    changes += [
        DISABLE.change(key_id, f"secret of key {key_id}", "enabled", "disabled") for key_id in sorted(facts.with_secret)
    ]
    return step(*changes, END.change(rotation, number_of(rotation), "open", "over"))


def _due(request: RotationRequest, rotation: Rotation, facts: Facts) -> datetime:
    """Return the end of the overlap. It begins when both sides use the new key. Raises RunbookError VD-ROTATION-040."""
    key = next(key for key in facts.keys if key.key_id == rotation.credential_id)
    if not key.promoted_at or not is_time(key.promoted_at):
        raise publisher.RECORD_MALFORMED.error("promotedAt", target=f"{key.instance_id}/{key.key_id}")
    return from_rfc3339(key.promoted_at) + timedelta(seconds=request.overlap_seconds)


RULES: Rules[Facts] = Rules(
    begin=BEGIN,
    phases=PHASES,
    end=END,
    opening=_opening,
    delivery=_delivery,
    retirement=_retirement,
    effects=(
        Effect(ACCEPT, _accepted),
        *(Effect(kind, _changed) for kind in (REVOKE, PROMOTE, SUCCEED, LIMIT, RETIRE_KEY)),
        Effect(DISABLE, lambda facts, key_id: replace(facts, with_secret=facts.with_secret - {key_id})),
    ),
)
