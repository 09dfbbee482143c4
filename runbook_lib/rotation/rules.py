"""Decide what a phase of a rotation does, from what the customer's vault holds. Pure.

Only the vault says how far a rotation is (docs/design.md#log-lock-callbacks). Two secrets hold a credential: the
current one, which is in use, and `<name>-pending`, which is not in use yet.

1. A rotation is known by its id. It is *promoted* if the newest enabled version of the current secret is its own, and
   *retired* when no older version is in use. It is *pending* if the newest version of the pending secret is its own and
   enabled, and *tested* when that version says so. Otherwise it is *prepared* if there is a usable wrapping key, or
   else *none*.
2. A phase whose result is there changes nothing, also if the rotation is beyond it. So each phase can be repeated.
3. `prepare` makes the wrapping key, or a new version if the newest one cannot wrap. A version that somebody disabled
   stays disabled.
4. `stage` accepts only a credential that was wrapped for an existing, enabled and valid version of the wrapping key. A
   rotation of the wrapping key in between does no harm: its older version still unwraps.
5. Without a delivery, a pending secret of another rotation blocks this one until that rotation is promoted.
   `supersedes` names it to replace it. Then the phases of the replaced rotation are refused.
6. `promote` accepts only a tested credential, in exactly the tested version. It is one write, so a reader always finds
   the former credential or the new one.
7. `retire` disables all versions before the current credential, and leftovers of the pending secret. It does so
   `overlap` after the current credential came into use. If no older version is in use, it does not wait.
8. A rotation is over if a newer one has overtaken it, or if somebody disabled its version. Then its phases do nothing.
   So no former credential ever becomes current again.
9. A deleted secret counts as if it still held its last version, and is recovered before anything else happens to it.
   Any phase recovers the current secret. After that, `promote` and `retire` do nothing else: only a recovered secret
   shows its older versions, and these may show that the rotation is over. Run the same phase again. Nothing is deleted
   or purged here, so purge protection changes nothing. A purged secret is absent, and can be staged again.
10. `auto` does the next phase, one phase a run. If there is nothing to do yet, it waits, and that is no error.
11. The publisher names its *delivery*: the SHA-256 of the wrapped bytes that it sends. Then a version belongs to the
   publisher's rotation if the delivery, the credential's id and the expiry are the same, whatever rotation it is
   labelled with, and wherever it stands among the pending ones. Others who may start jobs see ids and wrapped
   credentials, and can stage anything under any id. Such a version never counts as the publisher's, and never blocks
   it. If they run a phase with the publisher's own delivery, the publisher would have done the same. Nothing is
   promoted without the publisher's test. A delivery that was in use, or was staged before the last promotion, is over
   (rule 8).

A late read shows an earlier state. Then a phase is repeated with the same credential, which changes nothing for
readers, or the phase is refused. A version that the read does not show is never disabled. If two rotations promote at
the same moment, a vault without conditional writes cannot order them: the newest version wins, and the other rotation
is over.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timedelta

from runbook_lib.basics.clock import rfc3339
from runbook_lib.change import Change, NoChange
from runbook_lib.errors import RunbookError, rotation
from runbook_lib.request_signing.signer import SKEW_SECONDS
from runbook_lib.rotation.kinds import CREATE, DISABLE, PROMOTE, RECOVER, STAGE, TEST, SecretVersion, VaultObject
from runbook_lib.rotation.request import PhaseRequest, held, means, state_for
from runbook_lib.rotation.states import Phase, State
from runbook_lib.rotation.versions import (
    USABLE,
    WRAPPING_KEY,
    Secret,
    VaultFacts,
    former,
    in_use_since,
    is_overtaken,
    leftovers,
    open_rotation,
    pending_name,
)

# How much the vault's clock may be ahead of this machine's: as much as a signature's reader tolerates.
SKEW = timedelta(seconds=SKEW_SECONDS)


@dataclass(frozen=True, slots=True, kw_only=True)
class Decision:
    """What a phase does. `request` has the phase that `auto` chose, and the rotation id. `state` is that before the
    changes, and `reached` that after them. `retire_after` is when the former credential may be retired, None if there
    is nothing to wait for.
    """

    request: PhaseRequest
    state: State
    reached: State
    changes: tuple[Change, ...] = ()
    unchanged: tuple[NoChange, ...] = ()
    retire_after: datetime | None = None


def decide(request: PhaseRequest, seen: VaultFacts) -> Decision:
    """Decide what `request` does to the vault that was `seen`.

    Raises RunbookError VD-ROTATION-001 (an earlier phase is missing), -002 (another rotation is pending), -003 (the
    rotation is over), -004 (no such wrapping key), -007 (too early to retire), -008 (clocks), -010 (another credential
    was staged).
    """
    request = _completed(request, seen)
    _refuse_over(request, seen)
    state = state_for(request, seen)
    decision = Decision(request=request, state=state, reached=state, retire_after=_retire_after(request, seen))
    phase = _next(request, state) if request.phase == "auto" else request.phase
    recovery = _recovery(request.secret, seen.current)
    if recovery and phase in ("promote", "retire"):
        return replace(decision, changes=tuple(recovery))
    decision = _PHASES[phase](decision, seen)
    return replace(decision, changes=(*recovery, *decision.changes), unchanged=()) if recovery else decision


def _completed(request: PhaseRequest, seen: VaultFacts) -> PhaseRequest:
    """Return the request with a rotation id. Without one, it is about the open rotation, or the last promoted one."""
    found = open_rotation(seen) or seen.current.in_use
    if not request.rotation_id and request.phase == "auto" and not request.wrapped and found is not None:
        request = replace(request, rotation_id=found.rotation_id)
    if request.credential_id:
        return request
    for version in (seen.current.in_use, seen.pending.newest):
        if version is not None and request.rotation_id and version.rotation_id == request.rotation_id:
            return replace(request, credential_id=version.credential_id)
    return request


def _refuse_over(request: PhaseRequest, seen: VaultFacts) -> None:
    current = seen.current.in_use
    if current is not None and means(request, current):
        return
    late = [version for version in seen.pending.versions if is_overtaken(version, seen)]
    known = any(means(request, version) for version in seen.current.versions)
    if request.delivery:
        known = known or any(means(request, version) for version in late)
    brought = request.brings and any(version.delivery == request.brings for version in (*seen.current.versions, *late))
    if known or brought:
        shown = "no version is enabled" if current is None else f"in use is {current}"
        raise rotation.ROTATION_OVER.error(f"{request.rotation_id}: {shown}", target=request.secret)


def _refuse_other(request: PhaseRequest, seen: VaultFacts) -> None:
    found = open_rotation(seen)
    if request.delivery or found is None or found.rotation_id in (request.rotation_id, request.supersedes):
        return
    since = rfc3339(found.created)
    raise rotation.OTHER_ROTATION_PENDING.error(f"{found}, since {since}", target=pending_name(request.secret))


def _next(request: PhaseRequest, state: State) -> Phase:
    if state in ("none", "prepared"):
        return "stage" if request.wrapped and state == "prepared" else "prepare"
    if state == "pending":
        return "test"
    return "promote" if state == "tested" else "retire"


def _prepare(decision: Decision, seen: VaultFacts) -> Decision:
    # Without a rotation, the request is only about the wrapping key.
    if decision.request.rotation_id and decision.state in ("none", "prepared"):
        _refuse_other(decision.request, seen)
    wrapping_key, key = VaultObject("key", WRAPPING_KEY), seen.newest_key
    target = str(wrapping_key)
    changes = [RECOVER.change(wrapping_key, target, "deleted", "there")] if seen.key_deleted else []
    if key is None or not key.usable:
        changes.append(CREATE.change(wrapping_key, target, None if key is None else key.shown, USABLE))
    reached: State = "prepared" if decision.state == "none" else decision.state
    return _decided(decision, changes, reached, target, f"{USABLE}; the rotation is {decision.state}")


def _stage(decision: Decision, seen: VaultFacts) -> Decision:
    request, state = decision.request, decision.state
    name = pending_name(request.secret)
    done = state in ("promoted", "retired")
    holder = seen.current.in_use if done else (held(request, seen) or seen.pending.newest)
    changes = [] if done else _recovery(name, seen.pending)
    if state in ("pending", "tested", "promoted", "retired"):
        if holder is not None and holder.credential_id != request.credential_id:
            raise rotation.OTHER_CREDENTIAL.error(f"it has {holder}", target=name)
        return _decided(decision, changes, state, f"secret {name}", f"the rotation is {state}")
    _refuse_other(request, seen)
    key = seen.named_key
    if seen.key_deleted:
        raise rotation.WRAPPING_KEY_UNUSABLE.error("the key is deleted; phase prepare recovers it", target=WRAPPING_KEY)
    if key is None or not key.usable:
        shown = "there is no such version" if key is None else f"it is {key.shown}"
        newest = "" if seen.newest_key is None else f"; the newest is {seen.newest_key.version}"
        raise rotation.WRAPPING_KEY_UNUSABLE.error(
            f"version {request.key_version}: {shown}{newest}", target=WRAPPING_KEY
        )
    before = str(holder) if holder is not None and holder.enabled else None
    changes.append(STAGE.change(request, f"secret {name}", before, request.wanted))
    return replace(decision, changes=tuple(changes), reached="pending")


def _test(decision: Decision, seen: VaultFacts) -> Decision:
    request, state = decision.request, decision.state
    name = pending_name(request.secret)
    if state in ("promoted", "retired"):
        return _decided(decision, [], state, f"secret {name}", f"the rotation is {state}")
    changes = _recovery(name, seen.pending)
    if state == "tested":
        return _decided(decision, changes, state, f"secret {name}", "it was tested")
    if state != "pending":
        raise _not_staged(request, seen)
    changes.append(TEST.change(request, f"secret {name}", "not tested", "tested"))
    return replace(decision, changes=tuple(changes), reached="tested")


def _promote(decision: Decision, seen: VaultFacts) -> Decision:
    request, state = decision.request, decision.state
    if state in ("promoted", "retired"):
        return _decided(decision, [], state, f"secret {request.secret}", f"the rotation is {state}")
    if state == "pending":
        raise rotation.PHASE_TOO_EARLY.error("it is not tested; phase test comes first", target=request.rotation_id)
    if state != "tested":
        raise _not_staged(request, seen)
    changes = _recovery(pending_name(request.secret), seen.pending)
    current = seen.current.in_use
    before = None if current is None else str(current)
    changes.append(PROMOTE.change(request, f"secret {request.secret}", before, request.wanted))
    former = current is not None and current.credential_id != request.credential_id
    later = request.now + request.overlap if former else None
    return replace(decision, changes=tuple(changes), reached="promoted", retire_after=later)


def _retire(decision: Decision, seen: VaultFacts) -> Decision:
    request, state = decision.request, decision.state
    target = f"secret {request.secret}"
    if state not in ("promoted", "retired"):
        if state in ("pending", "tested"):
            detail = f"it is {state}; phase promote comes first"
            raise rotation.PHASE_TOO_EARLY.error(detail, target=request.rotation_id)
        raise _not_staged(request, seen)
    if state == "retired":
        return _decided(decision, [], state, target, "nothing older is in use")
    due = decision.retire_after
    if due is not None and request.now < due:
        _check_clocks(request, seen)
        if request.phase != "auto":
            raise rotation.RETIREMENT_TOO_EARLY.error(f"it may be retired after {rfc3339(due)}", target=request.secret)
        return _decided(decision, [], state, target, f"the former one is retired after {rfc3339(due)}")
    unused = [SecretVersion(request.secret, version) for version in former(seen)]
    unused += [SecretVersion(pending_name(request.secret), version) for version in leftovers(seen)]
    changes = [DISABLE.change(each, str(each), "enabled", "disabled") for each in unused]
    return replace(decision, changes=tuple(changes), reached="retired")


def _retire_after(request: PhaseRequest, seen: VaultFacts) -> datetime | None:
    """Return the end of the overlap. It begins when the current credential came into use, with its first version."""
    if not former(seen):
        return None
    since = in_use_since(seen)
    return None if since is None else since + request.overlap


def _check_clocks(request: PhaseRequest, seen: VaultFacts) -> None:
    since = in_use_since(seen)
    if since is not None and since > request.now + SKEW:
        detail = f"the vault wrote it at {rfc3339(since)}, here it is {rfc3339(request.now)}"
        raise rotation.CLOCKS_DIFFER.error(detail, target=request.secret)


def _recovery(name: str, secret: Secret) -> list[Change]:
    deleted = VaultObject("secret", name)
    return [RECOVER.change(deleted, str(deleted), "deleted", "there")] if secret.deleted else []


def _not_staged(request: PhaseRequest, seen: VaultFacts) -> RunbookError:
    found = open_rotation(seen)
    target = request.rotation_id
    if not request.delivery and found is not None and found.rotation_id != request.rotation_id:
        where = pending_name(request.secret)
        return rotation.OTHER_ROTATION_PENDING.error(f"{found}, since {rfc3339(found.created)}", target=where)
    newest = next((version for version in seen.pending.versions if means(request, version)), None)
    if newest is not None and not newest.enabled:
        return rotation.PHASE_TOO_EARLY.error("what was staged was disabled; stage it again", target=target)
    return rotation.PHASE_TOO_EARLY.error("nothing is staged; phase stage comes first", target=target)


_PHASES: Mapping[Phase, Callable[[Decision, VaultFacts], Decision]] = {
    "prepare": _prepare,
    "stage": _stage,
    "test": _test,
    "promote": _promote,
    "retire": _retire,
}


def _decided(decision: Decision, changes: Sequence[Change], reached: State, target: str, why: str) -> Decision:
    """Return the decision to make `changes`, or why no change is needed."""
    unchanged = () if changes else (NoChange(target, why),)
    return replace(decision, changes=tuple(changes), unchanged=unchanged, reached=reached)
