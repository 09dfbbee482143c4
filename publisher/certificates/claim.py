"""One run's claim on an order. Only the run that has the claim sends the order.

1. The run counts the order: it writes a row into the record of all orders.
2. It writes the claim and the key of this row into the issuance, under the ETag that it read.
3. It reads the rows of all other orders. If the order would break a limit, the run gives the claim back.
4. It sends the order only as long as the claim lasts for some time (publisher/certificates/times.py, CLAIM_TIME).

If the answer to the write of step 2 is lost, the run does all steps again, with the same row of step 1.
"""

from dataclasses import dataclass, replace
from typing import Any

from publisher.certificates import plan, times
from publisher.certificates.attempts import Attempts, key_of
from publisher.certificates.authority import TooManyOrdersError
from publisher.certificates.driven import DrivenIssuance
from publisher.certificates.limits import Attempt, wait_for
from publisher.certificates.record import Issuance
from runbook_lib.basics.clock import Clock, from_rfc3339, rfc3339
from runbook_lib.errors import tls
from runbook_lib.network.retry import may_have_been_carried_out


@dataclass(frozen=True, slots=True, kw_only=True)
class _Counted:
    """The row that counts this run's order. former: the row of an order before it, whose address was lost, or ""."""

    key: str
    attempt: Attempt
    former: str


class Claim:
    """The claim of one run.

    Args:
        driven: The issuance.
        attempts: The record of all orders.
        clock: Gives the time.

    Raises:
        azure.core's errors: The records cannot be reached.
    """

    def __init__(self, *, driven: DrivenIssuance, attempts: Attempts, clock: Clock) -> None:
        self._driven = driven
        self._attempts = attempts
        self._clock = clock
        self._counted: _Counted | None = None

    def take(self, issuance: Issuance) -> Issuance:
        """Count the order, and record that this run sends it. Return the issuance with the claim.

        Args:
            issuance: The issuance as it is recorded. It has no order.

        Raises:
            TooManyOrdersError: The order would break a limit.
            RunbookError: VD-TLS-029 if another run has the claim, or if this run took so long that another run may soon
                send the order.
        """
        counted = self._counted
        if counted is None or issuance.attempt != counted.key:
            counted = self._record(issuance)
        if counted.former:
            # Its order's address was lost, so nobody can finalize it: it will never count as a certificate.
            self._attempts.note(counted.former, givenUp=True)
        now = self._clock.now()
        wait = wait_for(self._attempts.others(counted.key, now), counted.attempt, now)
        if wait is not None:
            self.give_back()
            words = f"at most {wait.limit.most} {wait.limit.name}"
            raise TooManyOrdersError(words, target=issuance.host, until=wait.until)
        return self._fresh()

    def give_back(self, **columns: Any) -> None:
        """Record that this run does not send its order after all. columns: other columns of the issuance to set."""
        self.give_up(self._driven.update(lambda now: replace(self._mine(now), claimed_at="", attempt="", **columns)))

    def give_up(self, issuance: Issuance) -> None:
        """Do not count the order of this run any more, if `issuance`, as it is recorded, does not have the claim."""
        counted = self._counted
        if counted is None or counted.key == issuance.attempt:
            return
        # An order that is sent later gets another row. If the answer to this write is lost, the row may still count.
        self._counted = None
        self._attempts.note(counted.key, withdrawn=True)

    def end(self, order: str) -> None:
        """Record the order's address. Raises RunbookError VD-TLS-029 if another run has the claim."""
        self._driven.update(lambda now: replace(self._mine(now), order=order, claimed_at=""))

    def _record(self, issuance: Issuance) -> _Counted:
        now = self._clock.now()
        if plan.is_claimed(issuance, now):
            self.give_up(issuance)
            raise tls.ORDERED_BY_ANOTHER.error(target=issuance.host)
        # If the answer to a former write was lost, and the write was not carried out, its row counts this order.
        attempt = self._counted.attempt if self._counted else plan.attempt_of(issuance, now)
        counted = _Counted(key=key_of(attempt, issuance.rotation_id), attempt=attempt, former=issuance.attempt)
        self._counted = counted
        self._attempts.reserve(attempt, issuance.rotation_id)
        try:
            # `change` would read the row again. But this must replace exactly the row that nobody had claimed.
            self._driven.record(replace(issuance, claimed_at=rfc3339(now), attempt=counted.key))
        except Exception as error:
            if not may_have_been_carried_out(error):
                self.give_up(issuance)
            raise
        return counted

    def _fresh(self) -> Issuance:
        """Return the issuance if this run may send the order now."""
        issuance = self._mine(self._driven.recorded())
        age = self._clock.now() - from_rfc3339(issuance.claimed_at)
        if age > times.SEND_TIME:
            self.give_back()
            raise tls.ORDERED_BY_ANOTHER.error(f"the claim is {age.total_seconds():.0f} s old", target=issuance.host)
        return issuance

    def _mine(self, now: Issuance) -> Issuance:
        """Return the record if this run still has the claim. Raises RunbookError VD-TLS-029 if it does not."""
        if self._counted is None or now.attempt != self._counted.key:
            raise tls.ORDERED_BY_ANOTHER.error(target=now.host)
        return now
