"""Decide what a phase of the TLS certificate's rotation does, from what the customer's vault holds. Pure.

Only the vault says how far a rotation is (docs/design.md#name-and-certificate).

1. The id of a rotation is a tag of the version that it installed. The rotation is *installed* if that version is the
   current one and enabled. It is *tested* if the version also has the tag for this. It is *retired* if, in addition, no
   former version is enabled. In all other cases it is *prepared* if there is a pending operation that fits, or else
   *none*.
2. If the result of a phase exists already, the phase changes nothing, even if the rotation has gone further. So each
   phase can be repeated.
3. A pending operation belongs to no rotation. It fits if its signing request asks for exactly the wanted names and its
   policy is the suite's policy. It does not matter who began it, because the vault made its key and keeps it. So a
   renewal that stopped half-way can continue weeks later with the same key, and two rotations at the same time ask for
   the same certificate.
4. An operation that does not fit would block every renewal. `prepare` deletes this operation, but never the
   certificate: under purge protection nobody can use the name of a deleted certificate again.
5. `install` accepts only a chain for the key of the pending operation. runbook_lib/tls_certificate/chain.py defines
   which chains it accepts.
6. `test` opens a TLS connection through the gateway and compares the served certificate with the current version.
7. `retire` disables the former versions. It does so only if the current version was tested and has been in use for the
   time `overlap`, counted from its installation. A version that somebody imported by hand is a former version, too,
   after another one was installed.
8. A rotation is over if its version is no longer the current one, or is disabled. Then its phases do nothing.
9. A deleted certificate is recovered before anything else happens to it. Only `prepare` continues in the same run. The
   other phases have to be run again after the recovery. Only a pending operation is ever deleted, and nothing is
   purged.
10. `auto` does the next phase, one phase in each run. If it is too early for the next phase, the run does nothing. This
    is not an error.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from datetime import datetime, timedelta

from runbook_lib.basics.clock import from_rfc3339, rfc3339
from runbook_lib.change import Change, NoChange
from runbook_lib.errors import RunbookError, tls
from runbook_lib.tls_certificate.name import CERTIFICATE
from runbook_lib.tls_certificate.versions import (
    CREATE,
    DISABLE,
    DISCARD,
    INSTALL,
    REACHED,
    RECOVER,
    TEST,
    Leaf,
    Phase,
    RequestedPhase,
    State,
    VaultFacts,
    Version,
)

# The gateway looks into the vault every 4 hours (docs/azure-facts.md#gateway-and-dns). Each instance of the gateway
# looks separately, and the test meets only one of them. Twice that time is enough for all instances.
OVERLAP_SECONDS = 8 * 3600
# The clocks of two runs may differ by this much.
SKEW = timedelta(minutes=5)
TARGET = f"certificate {CERTIFICATE}"
OPERATION = f"pending operation of {CERTIFICATE}"
FITS = "a request for the wanted names"


@dataclass(frozen=True, slots=True, kw_only=True)
class PhaseRequest:
    """A request for a phase.

    `leaf` is the leaf of the chain that the run got, None for none. `overlap` is how long a former version stays
    enabled. `now` is aware.
    """

    phase: RequestedPhase
    rotation_id: str
    leaf: Leaf | None
    overlap: timedelta
    now: datetime

    def wanted(self, leaf: Leaf) -> str:
        """Return the text of the version that this request installs, as Version.__str__ shows it."""
        return f"{leaf.thumbprint} of rotation {self.rotation_id}"


@dataclass(frozen=True, slots=True, kw_only=True)
class Decision:
    """What a phase does. `request` has the rotation id that was found. `state` is the state before the changes, and
    `reached` is the state after them. `retire_after` is when the former versions may be disabled, None if there are
    none.
    """

    request: PhaseRequest
    state: State
    reached: State
    changes: tuple[Change, ...] = ()
    unchanged: tuple[NoChange, ...] = ()
    retire_after: datetime | None = None


def decide(request: PhaseRequest, seen: VaultFacts) -> Decision:
    """Decide which changes `request` makes in the vault. `seen` has the vault's contents.

    Raises RunbookError VD-TLS-001 (an earlier phase is missing), -002 (the rotation is over), -004 (the chain is for
    another key), -008 (this rotation has installed another certificate), -011 (too early to retire).
    """
    request = _completed(request, seen)
    _refuse_over(request, seen)
    state = state_of(request.rotation_id, seen)
    decision = Decision(request=request, state=state, reached=state, retire_after=_retire_after(request, seen))
    phase = _next(request, state) if request.phase == "auto" else request.phase
    if seen.deleted:
        recovery = (RECOVER.change(CERTIFICATE, TARGET, "deleted", "there"),)
        if phase != "prepare" or state not in ("none", "prepared"):
            return replace(decision, changes=recovery)
        prepared = _prepare(decision, seen)
        return replace(prepared, changes=(*recovery, *prepared.changes), unchanged=())
    return _PHASES[phase](decision, seen)


def state_of(rotation_id: str, seen: VaultFacts) -> State:
    """Return the state of a rotation that is not over (rule 1)."""
    current = seen.current
    if current is not None and current.enabled and rotation_id and current.rotation_id == rotation_id:
        if not current.tested:
            return "installed"
        return _after_test(seen)
    return "none" if seen.pending is None or seen.pending.unfit or seen.deleted else "prepared"


def _after_test(seen: VaultFacts) -> State:
    """Return the state of a tested rotation. It is over if no former version is enabled."""
    return "tested" if seen.to_retire else "retired"


def _completed(request: PhaseRequest, seen: VaultFacts) -> PhaseRequest:
    """Return the request with a rotation id. Without an id, `auto` continues the rotation that installed the current
    version, as long as it is not retired.
    """
    current = seen.current
    if request.rotation_id or request.phase != "auto" or current is None or not current.enabled:
        return request
    if state_of(current.rotation_id, seen) not in ("installed", "tested"):
        return request
    return replace(request, rotation_id=current.rotation_id)


def _refuse_over(request: PhaseRequest, seen: VaultFacts) -> None:
    current = seen.current
    mine = [version for version in seen.former if version.rotation_id == request.rotation_id]
    if current is not None and current.rotation_id == request.rotation_id:
        mine = [] if current.enabled else [current]
    if request.rotation_id and mine:
        shown = f"current is {current}" + ("" if current is None or current.enabled else ", disabled")
        raise tls.ROTATION_OVER.error(f"{request.rotation_id}: {shown}", target=CERTIFICATE)


def _next(request: PhaseRequest, state: State) -> Phase:
    if state == "prepared" and request.leaf is not None:
        return "install"
    if state in ("none", "prepared"):
        return "prepare"
    return "test" if state == "installed" else "retire"


def _prepare(decision: Decision, seen: VaultFacts) -> Decision:
    if decision.state not in ("none", "prepared"):
        return _unchanged(decision, TARGET, f"the rotation is {decision.state}")
    pending, changes = seen.pending, []
    if pending is not None and not pending.unfit:
        return _unchanged(decision, OPERATION, FITS)
    if pending is not None:
        changes.append(DISCARD.change(pending.request_id, OPERATION, pending.unfit, "none"))
    changes.append(CREATE.change(CERTIFICATE, OPERATION, None, FITS))
    return replace(decision, changes=tuple(changes), reached=REACHED["prepare"])


def _install(decision: Decision, seen: VaultFacts) -> Decision:
    request, current = decision.request, seen.current
    leaf = request.leaf
    if leaf is None:
        raise tls.PHASE_TOO_EARLY.error("it brings no chain; order one for the request of prepare", target="install")
    if current is not None and decision.state in ("installed", "tested", "retired"):
        if current.thumbprint != leaf.thumbprint:
            raise tls.OTHER_CERTIFICATE_INSTALLED.error(f"it has {current}", target=CERTIFICATE)
        return _unchanged(decision, TARGET, f"the rotation is {decision.state}")
    if seen.pending is None or seen.pending.unfit:
        why = seen.pending.unfit if seen.pending else "there is none"
        raise tls.PHASE_TOO_EARLY.error(f"{why}; phase prepare comes first", target=OPERATION)
    if leaf.key != seen.pending.key:
        raise tls.CHAIN_OF_OTHER_KEY.error(f"{leaf.thumbprint} has another key", target=OPERATION)
    before = None if current is None else str(current)
    changes = (INSTALL.change(leaf, TARGET, before, request.wanted(leaf)),)
    later = request.now + request.overlap if current is not None else None
    return replace(decision, changes=changes, reached=REACHED["install"], retire_after=later)


def _test(decision: Decision, seen: VaultFacts) -> Decision:
    current = seen.current
    if current is None or decision.state in ("none", "prepared"):
        raise _not_installed(decision)
    if decision.state != "installed":
        return _unchanged(decision, TARGET, "it was tested")
    changes = (TEST.change(current, TARGET, "not tested", "tested"),)
    return replace(decision, changes=changes, reached=_after_test(seen))


def _retire(decision: Decision, seen: VaultFacts) -> Decision:
    request, state = decision.request, decision.state
    if state in ("none", "prepared"):
        raise _not_installed(decision)
    if state == "installed":
        raise tls.PHASE_TOO_EARLY.error("it is not tested; phase test comes first", target=request.rotation_id)
    if state == "retired":
        return _unchanged(decision, TARGET, "no former version is enabled")
    due = decision.retire_after
    if due is not None and request.now < due:
        if request.phase != "auto":
            raise tls.RETIREMENT_TOO_EARLY.error(f"it may be retired after {rfc3339(due)}", target=CERTIFICATE)
        return _unchanged(decision, TARGET, f"the former ones are retired after {rfc3339(due)}")
    changes = [
        DISABLE.change(version, f"{TARGET}/{version.version}", "enabled", "disabled") for version in seen.to_retire
    ]
    return replace(decision, changes=tuple(changes), reached=REACHED["retire"])


def _retire_after(request: PhaseRequest, seen: VaultFacts) -> datetime | None:
    if seen.current is None or not seen.to_retire:
        return None
    return _in_use_since(seen.current, request.now) + request.overlap


def _in_use_since(current: Version, now: datetime) -> datetime:
    """Return when a version was installed, as its tag says it.

    The vault's own time is the time of the signing request, which may be days older. It counts if the tag has no time.
    Anybody who may write the tag can write any time. So a time in the future does not count, or the former versions
    would stay for ever. If it is only as far away as clocks differ, it counts as now.
    """
    try:
        written = from_rfc3339(current.written)
        if written > now + SKEW:
            return current.created
    except (TypeError, ValueError):  # a time without an offset is no time, either
        return current.created
    return max(min(written, now), current.created)


def _not_installed(decision: Decision) -> RunbookError:
    waits = "phase install comes first" if decision.state == "prepared" else "phase prepare comes first"
    return tls.PHASE_TOO_EARLY.error(f"it is {decision.state}; {waits}", target=decision.request.rotation_id)


def _unchanged(decision: Decision, target: str, why: str) -> Decision:
    return replace(decision, unchanged=(NoChange(target, why),))


_PHASES: Mapping[Phase, Callable[[Decision, VaultFacts], Decision]] = {
    "prepare": _prepare,
    "install": _install,
    "test": _test,
    "retire": _retire,
}
