"""One run of an issuance for one instance: how it looks, and how it makes each kind of change."""

from collections.abc import Sequence
from dataclasses import replace
from typing import Any

from publisher.certificates import customer, plan
from publisher.certificates.attempts import Attempts
from publisher.certificates.authority import Authority
from publisher.certificates.challenge import Challenge
from publisher.certificates.driven import DrivenIssuance
from publisher.certificates.order_run import OrderRun
from publisher.certificates.plan import CONFIGURED, Facts, IssuanceRequest
from publisher.certificates.record import Issuance, Issuances
from publisher.certificates.times import Life, ask_time, within
from publisher.rotation.customer_phases import PhaseError, RunRunbook, job_report
from publisher.rotation.driven import Random
from publisher.rotation.plan import Step
from runbook_lib.basics.clock import Clock, from_rfc3339, rfc3339
from runbook_lib.change import Action, Plan
from runbook_lib.tls_certificate.versions import REACHED, Phase


class CertificateRun:
    """One run for one instance.

    Args:
        instance_id: The instance.
        host: The instance's public name.
        request: The operator's request.
        issuances: The records of the instances' certificates.
        attempts: The record of all orders.
        authority: The certificate authority.
        challenge: How the name is proven.
        run_runbook: Runs a phase at the customer's.
        clock: Gives the time.
        random: Returns random bytes.

    Attributes:
        newest: The instance's last issuance at the last look, None before the first.
    """

    def __init__(
        self,
        *,
        instance_id: str,
        host: str,
        request: IssuanceRequest,
        issuances: Issuances,
        attempts: Attempts,
        authority: Authority,
        challenge: Challenge,
        run_runbook: RunRunbook,
        clock: Clock,
        random: Random,
    ) -> None:
        self._request = request
        self._attempts = attempts
        self._authority = authority
        self._challenge = challenge
        self._run_runbook = run_runbook
        self._clock = clock
        self._driven = DrivenIssuance(
            issuances=issuances,
            instance_id=instance_id,
            host=host,
            clock=clock,
            random=random,
            request=request,
            authority=authority.host,
        )
        self._order = OrderRun(
            driven=self._driven, attempts=attempts, authority=authority, challenge=challenge, clock=clock
        )
        self._configured = ""
        self.newest: Issuance | None = None

    @property
    def drives(self) -> bool:
        """Whether the run has begun an issuance, or continues an open one."""
        return bool(self._driven.id)

    def next_step(self) -> Step:
        """Look, and return the step to do now. Raises the same errors as publisher.certificates.plan.next_step."""
        return plan.next_step(self._request, self.observe())

    def preview(self) -> Plan:
        """Return all changes of a run, none if nothing is due."""
        return plan.preview(self._request, self.observe())

    def observe(self) -> Facts:
        """Read the record, the orders that count, and the state of an open order."""
        newest = self.newest = self._driven.newest()
        facts = Facts(
            now=self._clock.now(),
            newest=newest,
            new=self._driven.new(newest),
            driven=self._driven.id,
            elsewhere="" if newest is None else self._challenge.elsewhere(newest.host),
        )
        if newest is None or not newest.open or newest.chain or newest.customer != "prepared":
            return facts
        if newest.order:
            return replace(facts, status=self._authority.look(newest.order).status)
        return replace(facts, attempts=self._attempts.others(newest.attempt, facts.now))

    def actions(self) -> Sequence[Action[Any]]:
        """Return the action of each kind of change."""
        driven = self._driven
        return (
            Action(plan.ASK, self._ask, see=self._see_asked),
            Action(plan.BEGIN, driven.begin, see=driven.see_begun),
            *self._order.actions(),
            Action(plan.CONFIGURE, self._configure, see=lambda host: CONFIGURED if self._configured == host else None),
            *(Action(kind, self._phase, see=self._see_phase) for kind in plan.PHASES.values()),
            Action(plan.END, lambda _: driven.end(), see=driven.see_ended),
        )

    def _ask(self, issuance: Issuance) -> None:
        """Record the window that the authority suggests. Without an answer, keep the former window."""
        window, again = self._authority.window(issuance.certificate_id)
        asked = replace(issuance, ask_after=rfc3339(ask_time(self._clock.now(), again)))
        life = Life(from_rfc3339(issuance.not_before), from_rfc3339(issuance.not_after))
        usable = None if window is None else within(window, life)
        if usable is not None:
            asked = replace(asked, window_start=rfc3339(usable.start), window_end=rfc3339(usable.end))
        self._driven.record(asked)

    def _see_asked(self, _issuance: Issuance) -> str | None:
        newest = self._driven.newest()
        if newest is None or not newest.ask_after:
            return None
        return "asked" if self._clock.now() < from_rfc3339(newest.ask_after) else None

    def _configure(self, host: str) -> None:
        """Make the gateway read the vault. The runbook itself reads back what it changes."""
        job_report(self._run_runbook, customer.GATEWAY_RUNBOOK, {}, self._clock)
        self._configured = host

    def _phase(self, phase: Phase) -> None:
        issuance = self._driven.recorded()
        if issuance.reached(REACHED[phase]):
            return  # the report of the phase before says that this phase is done, too
        try:
            reported = customer.run_phase(issuance, phase, self._run_runbook, self._clock)
        except PhaseError as error:
            code = error.customer_code
            # Another run may have ordered again meanwhile.
            self._driven.update(
                lambda now: (
                    customer.after_refusal(now, phase, code, self._clock) if now.chain == issuance.chain else now
                )
            )
            raise
        self._driven.update(reported)

    def _see_phase(self, phase: Phase) -> str:
        issuance = self._driven.recorded()
        return REACHED[phase] if issuance.reached(REACHED[phase]) else issuance.customer
