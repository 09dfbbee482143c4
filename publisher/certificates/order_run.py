"""The order of one issuance: how each of its changes is made and seen.

A step writes its intention into the record, under the record's ETag. Only then does it act at the authority or in the
zone.
"""

import base64
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import replace
from typing import Any

from publisher.certificates import plan
from publisher.certificates.attempts import Attempts
from publisher.certificates.authority import Authority, OrderView, TooManyOrdersError, certificate_id
from publisher.certificates.challenge import Challenge
from publisher.certificates.claim import Claim
from publisher.certificates.driven import DrivenIssuance
from publisher.certificates.plan import OrderStatus
from publisher.certificates.record import Issuance
from runbook_lib.basics.clock import Clock, rfc3339
from runbook_lib.basics.looks import pause_between_looks
from runbook_lib.change import Action, Change
from runbook_lib.errors import ErrorEntry, RunbookError, publisher, tls
from runbook_lib.tls_certificate.chain import Chain, check_order, key_of, names_of, read_chain, text_of

# How long a run waits until the authority has checked the proof or signed the certificate. Both take seconds.
AUTHORITY_SECONDS = 120.0
LEAST_PAUSE_SECONDS, MOST_PAUSE_SECONDS = 1.0, 5.0
PROVEN: tuple[OrderStatus, ...] = ("ready", "processing", "valid")
OVER: tuple[OrderStatus, ...] = ("invalid", "gone")


class OrderRun:
    """One run's work on the order of the issuance that it drives.

    Args:
        driven: The issuance.
        attempts: The record of all orders.
        authority: The certificate authority.
        challenge: How the name is proven.
        clock: Gives the time.
    """

    def __init__(
        self, *, driven: DrivenIssuance, attempts: Attempts, authority: Authority, challenge: Challenge, clock: Clock
    ) -> None:
        self._driven = driven
        self._attempts = attempts
        self._authority = authority
        self._challenge = challenge
        self._clock = clock
        self._claim = Claim(driven=driven, attempts=attempts, clock=clock)

    def actions(self) -> Sequence[Action[Any]]:
        """Return the action of each kind of change of an order."""
        return (
            Action(plan.CLEAN, self._clean, see=self._see_clean),
            Action(plan.FORGET, self._forget, see=self._see_forgotten),
            Action(plan.GIVE_UP, self._give_up, see=self._see_given_up),
            Action(plan.ORDER, self._order, see=self._see_order, instead=self._instead),
            Action(plan.PUBLISH, self._publish, see=self._see_published),
            Action(plan.ANSWER, self._answer, see=self._see_answered),
            Action(plan.FINALIZE, self._finalize, see=lambda _: "issued" if self._driven.recorded().chain else None),
        )

    def _order(self, _planned: Issuance) -> None:
        issuance = self._driven.recorded()
        if issuance.order:
            self._claim.give_up(issuance)
            return
        if issuance.authority not in ("", self._authority.host):
            # What the former authority has issued does not count at this one.
            issuance = self._driven.change(authority=self._authority.host, known=False, renews="")
        host, account = issuance.host, self._authority.account
        against = self._challenge.obstacle(host, identities=self._authority.identities, account=account)
        if against:
            raise tls.FORBIDDEN_BY_CAA.error(against, target=host)
        issuance = self._claim.take(issuance)
        try:
            order = self._authority.order(host, replaces=issuance.renews)
        except TooManyOrdersError as error:
            self._claim.give_back(wait_until=rfc3339(error.until))
            raise
        except RunbookError as error:
            if error.is_(tls.REPLACES_REFUSED):
                self._claim.give_back(renews="")
            else:
                self._claim.give_back(**self._failure(issuance))
            raise
        self._claim.end(order)

    def _see_order(self, _planned: Issuance) -> str | None:
        return "open" if self._driven.recorded().order else None

    def _instead(self, planned: Issuance, error: RunbookError) -> Sequence[Change]:
        """Order without `replaces` if the authority does not accept it."""
        if not error.is_(tls.REPLACES_REFUSED):
            return ()
        return (plan.ORDER.change(planned, f"order for {planned.host}, replacing none", None, "open"),)

    def _publish(self, _planned: Issuance) -> None:
        issuance = self._driven.recorded()
        seen = self._authority.look(issuance.order) if issuance.order else OrderView(status="none")
        if seen.status != "pending":
            return
        value = self._authority.proof(seen, self._challenge.kind)
        if issuance.challenge not in ("", value):
            self._challenge.remove(issuance.host, issuance.challenge)
        if issuance.challenge != value:
            # This must replace exactly the row that was read. Another run may have published another value meanwhile.
            self._driven.record(replace(issuance, challenge=value))
        try:
            self._challenge.publish(issuance.host, value)
        except RunbookError as error:
            if error.is_(publisher.RECORD_NOT_SERVED):
                self._challenge.remove(issuance.host, value)
                self._forget(value, **self._failure(issuance))
            raise

    def _see_published(self, _planned: Issuance) -> str | None:
        issuance = self._driven.recorded()
        if issuance.challenge:
            return "served" if self._challenge.is_published(issuance.host, issuance.challenge) else None
        # Another run may have gone further.
        return "served" if issuance.chain or (issuance.order and self._look().status in PROVEN) else None

    def _answer(self, _order: str) -> None:
        seen = self._look()
        if seen.status == "pending":
            with self._unless_done_by_another("pending"):
                self._authority.answer(seen, self._challenge.kind)
        self._wait_for(PROVEN)

    def _see_answered(self, _order: str) -> str | None:
        issuance = self._driven.recorded()
        if issuance.chain:
            return "valid"
        status = self._look().status if issuance.order else "none"
        return "valid" if status in PROVEN else status

    def _finalize(self, _order: str) -> None:
        from cryptography import x509

        issuance = self._driven.recorded()
        if issuance.chain:
            return
        request = base64.b64decode(issuance.signing_request)
        seen = self._wait_for(PROVEN)
        if seen.status == "ready":
            with self._unless_done_by_another("ready"):
                self._authority.finalize(seen, request)
        seen = self._wait_for(("valid",), tls.AUTHORITY_REFUSES)
        chain = _checked(self._authority.chain(seen), issuance.host, key_of(x509.load_der_x509_csr(request)))
        self._attempts.note(issuance.attempt, issuedAt=rfc3339(self._clock.now()))
        described = _described(chain.certificates[0])
        # The failures count until the chain is installed: the customer's side may refuse each chain.
        self._driven.change(chain=text_of(chain.encoded), **described, order="", authority=self._authority.host)

    def _clean(self, value: str) -> None:
        self._challenge.remove(self._driven.recorded().host, value)
        self._forget(value)

    def _forget(self, value: str, **columns: Any) -> None:
        """Clear the record of a value. If another run has published another value meanwhile, change nothing.

        Args:
            value: The value.
            columns: Other columns to set.
        """
        self._driven.update(lambda now: replace(now, challenge="", **columns) if now.challenge == value else now)

    def _see_clean(self, value: str) -> str:
        return "there" if self._driven.recorded().challenge == value else "removed"

    def _see_forgotten(self, value: str) -> str:
        return "recorded" if self._driven.recorded().challenge == value else "forgotten"

    def _give_up(self, _status: OrderStatus) -> None:
        seen = self._look()
        if seen.status in OVER:
            self._over(seen)

    def _see_given_up(self, _status: OrderStatus) -> str | None:
        return None if self._driven.recorded().order else "given up"

    def _look(self) -> OrderView:
        order = self._driven.recorded().order
        return self._authority.look(order) if order else OrderView(status="none")

    @contextmanager
    def _unless_done_by_another(self, status: OrderStatus) -> Iterator[None]:
        """Ignore a refusal if the order no longer has `status`: then another run has done the same step."""
        try:
            yield
        except RunbookError:
            if self._look().status == status:
                raise

    def _wait_for(self, wanted: Sequence[OrderStatus], refused: ErrorEntry = tls.AUTHORIZATION_FAILED) -> OrderView:
        """Look at the order until it has one of the statuses.

        Raises RunbookError `refused` if the order failed, and VD-TLS-028 if the time is over.
        """
        began = self._clock.monotonic()
        while True:
            seen = self._look()
            if seen.status in wanted:
                return seen
            host = self._driven.recorded().host
            if seen.status in (*OVER, "none"):
                self._over(seen)
                raise refused.error(seen.error or f"the order is {seen.status}", target=host)
            waited = self._clock.monotonic() - began
            if waited > AUTHORITY_SECONDS:
                raise tls.ORDER_NOT_DONE.error(f"after {waited:.0f} s it is {seen.status}", target=host)
            self._clock.sleep(pause_between_looks(waited, least=LEAST_PAUSE_SECONDS, most=MOST_PAUSE_SECONDS))

    def _over(self, seen: OrderView) -> None:
        """Record that the order failed, and remove its proof."""
        issuance = self._driven.recorded()
        if not issuance.order:
            return  # another run has recorded it
        failed = {"failedAt": rfc3339(self._clock.now())} if seen.status == "invalid" else {}
        self._attempts.note(issuance.attempt, givenUp=True, **failed)
        over, failure = issuance.order, self._failure(issuance)
        issuance = self._driven.update(
            lambda now: replace(now, order="", attempt="", **failure) if now.order == over else now
        )
        if issuance.challenge and not issuance.order:
            self._clean(issuance.challenge)

    def _failure(self, issuance: Issuance) -> dict[str, Any]:
        return {"failures": issuance.failures + 1, "failed_at": rfc3339(self._clock.now())}


def _checked(text: str, host: str, key: str) -> Chain:
    """Return an issued chain. The customer's side would refuse another one, and it could not be ordered again.

    Raises RunbookError VD-TLS-021: it is not for this host and key, or is no chain.
    """
    try:
        chain = read_chain(text)
        check_order(chain)
    except RunbookError as error:
        raise tls.AUTHORITY_UNREADABLE.error(f"it issued no chain: {error.detail}", target=host) from error
    leaf = chain.certificates[0]
    if names_of(leaf) != (host,) or key_of(leaf) != key:
        raise tls.AUTHORITY_UNREADABLE.error("it issued another certificate", target=host)
    return chain


def _described(leaf: Any) -> dict[str, str]:
    """Return the columns about a new certificate. Raises ValueError."""
    return {
        "certificate_id": certificate_id(leaf),
        "not_before": rfc3339(leaf.not_valid_before_utc),
        "not_after": rfc3339(leaf.not_valid_after_utc),
    }
