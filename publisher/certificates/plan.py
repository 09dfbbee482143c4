"""Decide the publisher's next step in the issuance of an instance's certificate. Pure.

1. The customer's vault makes a key and a signing request (phase prepare). The publisher records the request.
2. The publisher orders. It records its claim before it sends the order, and the order's address before it answers the
   challenge. So two runs never send two orders, and a run after a killed one continues the same order.
3. The publisher puts the answer to the challenge into the zone, and sees it there. Only then does it ask the authority
   to look. It removes the answer when the order is over, whether the order succeeded or failed.
4. The authority issues the certificate. The publisher records the chain before it does anything else with it.
5. The customer's vault merges the chain (install), a handshake sees it (test), and the former version is disabled
   (retire). If the vault had no former version, configure_gateway makes the gateway read it before the handshake.

The customer's side decides which certificate is in use: see runbook_lib/tls_certificate/rules.py.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from typing import Any, Literal

from publisher.certificates.limits import Attempt, wait_for
from publisher.certificates.record import Issuance
from publisher.certificates.times import ASK_AGAIN, CLAIM_LOOK, CLAIM_TIME, REPEATED_TIME, retry_time
from publisher.rotation.plan import Step, foreseen, step
from runbook_lib.basics.clock import from_rfc3339, rfc3339
from runbook_lib.change import ActionKind, Change, Plan
from runbook_lib.errors import publisher
from runbook_lib.tls_certificate.name import CERTIFICATE
from runbook_lib.tls_certificate.rules import OVERLAP_SECONDS
from runbook_lib.tls_certificate.versions import REACHED, Phase

# The state of an order at the authority. gone: the authority does not know the order, or not under this account.
# answered: the authority calls the order pending, but its authorization is valid or is being checked.
OrderStatus = Literal["none", "pending", "answered", "ready", "processing", "valid", "invalid", "gone"]

# Each instance of the gateway takes a new certificate within 4 hours (docs/azure-facts.md#gateway-and-dns).
GATEWAY_TIME = timedelta(seconds=OVERLAP_SECONDS / 2)

ASK: ActionKind[Issuance] = ActionKind("ask", stage=1)
BEGIN: ActionKind[Issuance] = ActionKind("begin", stage=2)
CLEAN: ActionKind[str] = ActionKind("clean", stage=3)
FORGET: ActionKind[str] = ActionKind("forget", stage=3)
GIVE_UP: ActionKind[str] = ActionKind("give up", stage=4)
ORDER: ActionKind[Issuance] = ActionKind("order", stage=5)
PUBLISH: ActionKind[Issuance] = ActionKind("publish", stage=6)
ANSWER: ActionKind[str] = ActionKind("answer", stage=7)
FINALIZE: ActionKind[str] = ActionKind("finalize", stage=8)
PHASES: Mapping[Phase, ActionKind[Phase]] = {
    phase: ActionKind(phase, stage) for stage, phase in enumerate(REACHED, start=10)
}
CONFIGURE: ActionKind[str] = ActionKind("configure", stage=9)
CONFIGURED = "it reads the vault"
END: ActionKind[Issuance] = ActionKind("end", stage=20)


@dataclass(frozen=True, slots=True, kw_only=True)
class IssuanceRequest:
    """The operator's request.

    Attributes:
        now: Whether to renew although nothing is due. An order is continued. Another issuance follows an installed one,
            if it was installed longer than REPEATED_TIME ago.
        until_installed: Whether to stop before the handshake, because the gateway may not be configured yet.
        configured: Whether configure_gateway has just run.
        lost: Whether the customer's vault has no certificate any more. Then another issuance follows an installed one.
    """

    now: bool = False
    until_installed: bool = False
    configured: bool = False
    lost: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class Facts:
    """The facts about one instance's certificate.

    Attributes:
        now: The present time (aware).
        newest: The instance's last issuance, None before the first.
        new: The issuance that this run would begin.
        driven: The id of the issuance that this run drives, "" for none yet.
        status: The state of the order at the authority.
        attempts: All other orders of the whole domain.
        elsewhere: Why the publisher cannot remove the last issuance's proof of control, "" if it can.
    """

    now: datetime
    newest: Issuance | None
    new: Issuance
    driven: str = ""
    status: OrderStatus = "none"
    attempts: tuple[Attempt, ...] = ()
    elsewhere: str = ""


def next_step(request: IssuanceRequest, facts: Facts) -> Step:
    """Return the step to do now.

    Raises:
        RunbookError: VD-ROTATION-034 if another issuance has taken the place of the one that this run drives.
    """
    issuance = facts.newest
    if facts.driven and (issuance is None or issuance.rotation_id != facts.driven):
        raise publisher.OVERTAKEN.error("" if issuance is None else number_of(issuance), target=facts.driven)
    if issuance is None:
        return _begin(facts)
    if not issuance.open:
        return Step() if facts.driven else _renewal(request, issuance, facts)
    if issuance.host != facts.new.host:
        return _leave(issuance, facts)
    if not facts.driven and is_followed(issuance, facts.now, request):
        return _begin(facts)
    return _issuance(request, issuance, facts)


def _begin(facts: Facts) -> Step:
    return step(BEGIN.change(facts.new, number_of(facts.new), None, "open"))


def _leave(issuance: Issuance, facts: Facts) -> Step:
    """Return the step to the end of an open issuance for a host that the instance does not have any more."""
    if issuance.challenge and facts.elsewhere:
        target = f"{_challenge(issuance)} ({facts.elsewhere})"
        return step(FORGET.change(issuance.challenge, target, "recorded", "forgotten"))
    if issuance.challenge:
        return step(_clean(issuance))
    return step(END.change(issuance, number_of(issuance), "open", "over"))


def _renewal(request: IssuanceRequest, issuance: Issuance, facts: Facts) -> Step:
    """Return the step if the last issuance is over."""
    due = issuance.due
    if request.now or request.lost or due is None or due <= facts.now or issuance.host != facts.new.host:
        return _begin(facts)
    if issuance.certificate_id and _passed(issuance.ask_after, facts.now):
        target = f"renewal window of certificate {issuance.certificate_id}"
        return step(ASK.change(issuance, target, issuance.window_end or None, "asked"))
    return Step(wait_until=min(due, from_rfc3339(issuance.ask_after)) if issuance.ask_after else due)


def _issuance(request: IssuanceRequest, issuance: Issuance, facts: Facts) -> Step:
    if issuance.challenge and (issuance.chain or not issuance.order):
        return step(_clean(issuance))
    if issuance.reached("installed"):
        return Step() if request.until_installed else _use(request, issuance, facts)
    if not issuance.reached("prepared"):
        return step(_phase("prepare", issuance))
    return step(_phase("install", issuance)) if issuance.chain else _ordering(issuance, facts)


def _use(request: IssuanceRequest, issuance: Issuance, facts: Facts) -> Step:
    """Return the step after the certificate is installed."""
    if not issuance.reached("tested"):
        if not has_former(issuance):
            configure = CONFIGURE.change(issuance.host, f"gateway of {issuance.host}", None, CONFIGURED)
            return step(*([] if request.configured else [configure]), _phase("test", issuance))
        # The gateway still serves the former certificate for some time.
        taken = from_rfc3339(issuance.installed_at) + GATEWAY_TIME if issuance.installed_at else facts.now
        return Step(wait_until=taken) if facts.now < taken else step(_phase("test", issuance))
    if issuance.reached("retired") or not has_former(issuance):
        return step(END.change(issuance, number_of(issuance), "open", "over"))
    if not _passed(issuance.retire_after, facts.now):
        return Step(wait_until=from_rfc3339(issuance.retire_after))
    return step(_phase("retire", issuance))


def _ordering(issuance: Issuance, facts: Facts) -> Step:
    """Return the step between the signing request and the chain."""
    target = f"order for {issuance.host}"
    if issuance.order and facts.status in ("invalid", "gone"):
        return step(GIVE_UP.change(facts.status, target, facts.status, "given up"))
    if issuance.failures and facts.now < (again := retry_time(issuance.failures, from_rfc3339(issuance.failed_at))):
        return Step(wait_until=again)
    if not issuance.order:
        return _waiting(issuance, facts) or step(ORDER.change(issuance, target, None, "open"))
    if facts.status == "pending":
        return step(
            PUBLISH.change(issuance, _challenge(issuance), None, "served"),
            ANSWER.change(issuance.order, f"challenge of {issuance.host}", facts.status, "valid"),
        )
    return step(FINALIZE.change(issuance.order, target, facts.status, "issued"))


def _waiting(issuance: Issuance, facts: Facts) -> Step | None:
    """Return a step that waits until an order may be sent, None if it may be sent now."""
    now = facts.now
    if not _passed(issuance.wait_until, now):
        return Step(wait_until=from_rfc3339(issuance.wait_until), why="the authority takes no order before")
    if is_claimed(issuance, now):
        return Step(wait_until=now + CLAIM_LOOK, brief=True, why="another run may be sending the order")
    wait = wait_for(facts.attempts, attempt_of(issuance, now), now)
    return Step(wait_until=wait.until, why=f"at most {wait.limit.most} {wait.limit.name}") if wait else None


def is_claimed(issuance: Issuance, now: datetime) -> bool:
    """Return whether a run may be sending the order just now.

    If a claim is in the future, one of two clocks is wrong. Such a claim must not stop the other run for long.
    """
    return bool(issuance.claimed_at) and abs(now - from_rfc3339(issuance.claimed_at)) < CLAIM_TIME


def has_former(issuance: Issuance) -> bool:
    """Return whether the customer's vault has a certificate from before an installed one."""
    return bool(issuance.retire_after)


def is_followed(issuance: Issuance, now: datetime, request: IssuanceRequest) -> bool:
    """Return whether another issuance must follow an open one. Then nobody finishes the open one.

    This is so if the customer's side has said that it is over, if its certificate is installed and the request is for
    another one (see IssuanceRequest), or if its certificate is already due for renewal.
    """
    another = request.lost or (request.now and _passed(issuance.installed_at, now - REPEATED_TIME))
    gone = issuance.overtaken or (another and issuance.reached("installed"))
    return gone or (issuance.due is not None and issuance.due <= now)


def attempt_of(issuance: Issuance, now: datetime) -> Attempt:
    """Return the order of an issuance, as the limits count it."""
    return Attempt(host=issuance.host, ordered_at=now, exempt=bool(issuance.renews), known=issuance.known)


def _passed(moment: str, now: datetime) -> bool:
    return not moment or from_rfc3339(moment) <= now


def _phase(phase: Phase, issuance: Issuance) -> Change:
    return PHASES[phase].change(phase, f"customer's {CERTIFICATE}", issuance.customer, REACHED[phase])


def _clean(issuance: Issuance) -> Change:
    # Until the order is proven, the value belongs to a former order, and another one follows it.
    former = "" if issuance.chain else "former "
    return CLEAN.change(issuance.challenge, f"{former}{_challenge(issuance)}", "there", "removed")


def _challenge(issuance: Issuance) -> str:
    return f"challenge record of {issuance.host}"


def number_of(issuance: Issuance) -> str:
    """Return the target of a change to the record of an issuance."""
    return f"certificate rotation {issuance.number} ({issuance.rotation_id})"


def preview(request: IssuanceRequest, facts: Facts) -> Plan:
    """Return all changes of a run until the issuance is over, none if nothing is due yet."""

    def step_of(seen: Facts) -> Step:
        then = next_step(request, seen)
        # The wait of a closed issuance is for the next renewal, which another run begins.
        is_over = seen.newest is None or not seen.newest.open
        return Step() if is_over and then.wait_until is not None else then

    return foreseen(step_of, after, facts)


def after(change: Change, facts: Facts) -> Facts:
    """Return the facts that a look finds after a change, if the change succeeds."""
    issuance, now = facts.newest, rfc3339(facts.now)
    if BEGIN.is_of(change):
        return replace(facts, newest=change.subject, driven=change.subject.rotation_id, status="none")
    if issuance is None:
        return facts
    changed, status = issuance, facts.status
    if END.is_of(change) and issuance.host != facts.new.host:
        facts = replace(facts, driven="")
    for each, then in _AFTER:
        if each.is_of(change):
            changed = then(issuance, now)
    if ORDER.is_of(change):
        status = "pending"
    elif ANSWER.is_of(change):
        status = "ready"
    elif GIVE_UP.is_of(change):
        status = "none"
    for phase, kind in PHASES.items():
        if kind.is_of(change):
            changed = replace(changed, customer=REACHED[phase])
    return replace(facts, newest=changed, status=status)


_AFTER: tuple[tuple[ActionKind[Any], Callable[[Issuance, str], Issuance]], ...] = (
    (ASK, lambda issuance, now: replace(issuance, ask_after=rfc3339(from_rfc3339(now) + ASK_AGAIN))),
    (CLEAN, lambda issuance, _: replace(issuance, challenge="")),
    (FORGET, lambda issuance, _: replace(issuance, challenge="")),
    (GIVE_UP, lambda issuance, _: replace(issuance, order="")),
    (ORDER, lambda issuance, _: replace(issuance, order="placed")),
    (PUBLISH, lambda issuance, _: replace(issuance, challenge="published")),
    (FINALIZE, lambda issuance, _: replace(issuance, chain="issued")),
    (
        PHASES["install"],
        lambda issuance, now: replace(issuance, installed_at=now, retire_after=now if issuance.known else ""),
    ),
    (END, lambda issuance, now: replace(issuance, ended_at=now)),
)
