"""A thousand instances and some new ones for seventy days, on a scripted clock. The lab's limits check the orders."""

import random
from collections import Counter
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta, timezone

import pytest

from lab.acme.limits import Limits, Order
from publisher.certificates import plan
from publisher.certificates.limits import REMEMBERED, Attempt
from publisher.certificates.plan import Facts, IssuanceRequest, after, next_step
from publisher.certificates.record import Issuance
from runbook_lib.basics.clock import rfc3339
from runbook_lib.change import Change

START = datetime(2026, 12, 1, tzinfo=timezone.utc)
TICK, DAY = timedelta(hours=6), timedelta(days=1)
ASKED = IssuanceRequest()


@dataclass
class World:
    """All instances, the authority, and the publisher's record of orders."""

    life: timedelta
    failing: float
    dice: random.Random = field(default_factory=lambda: random.Random(14))  # noqa: S311 - a test's dice
    now: datetime = START
    judge: Limits = field(default_factory=Limits)
    attempts: list[Attempt] = field(default_factory=list)
    newest: dict[str, Issuance] = field(default_factory=dict)
    in_use: dict[str, datetime] = field(default_factory=dict)
    issued: Counter[tuple[str, int]] = field(default_factory=Counter)
    waits: list[str] = field(default_factory=list)
    replaces_taken: bool = True

    def look(self, instance: str) -> datetime:
        """Do what is due at an instance, and return when to look again."""
        driven = ""
        while True:
            newest = self.newest.get(instance)
            if newest is not None and newest.open and not plan.is_followed(newest, self.now, ASKED):
                driven = newest.rotation_id
            facts = Facts(
                now=self.now,
                newest=newest,
                new=self._new(instance, newest),
                driven=driven,
                status="pending" if newest is not None and newest.order == "placed" else "ready",
                attempts=tuple(self.attempts) if newest is not None and newest.customer == "prepared" else (),
            )
            then = next_step(ASKED, facts)
            if then.wait_until is not None:
                self.waits += [then.why] * bool(then.why)
                return then.wait_until
            if not then.plan.changes:
                return self.now
            for change in then.plan.changes:
                if not self._make(instance, change, facts):
                    break
                made = after(change, replace(facts, newest=self.newest.get(instance)))
                if made.newest is not None:
                    self.newest[instance] = self._detailed(instance, change, made.newest)
                    driven = made.driven

    def _new(self, instance: str, newest: Issuance | None) -> Issuance:
        number = 1 if newest is None else newest.number + 1
        return Issuance(
            instance_id=instance,
            number=number,
            rotation_id=f"{instance}-{number}",
            host=f"{instance}.vibedata.ai",
            known=newest is not None and bool(newest.certificate_id or newest.known),
            renews=newest.certificate_id if newest is not None and self.replaces_taken else "",
        )

    def _make(self, instance: str, change: Change, facts: Facts) -> bool:
        """Make a change's effect at the authority. Return whether it succeeded."""
        issuance = self.newest.get(instance)
        if issuance is None:
            return True
        order = Order("account", frozenset({issuance.host}), renews=bool(issuance.renews))
        now = self.now.timestamp()
        if plan.ORDER.is_of(change):
            self.judge.check(order, now=now)  # raises if a limit is broken
            self.judge.ordered(order, now=now)
            self.attempts = [each for each in self.attempts if each.ordered_at > self.now - REMEMBERED]
            self.attempts.append(plan.attempt_of(issuance, facts.now))
        if plan.ANSWER.is_of(change) and self.dice.random() < self.failing:
            self.judge.failed(issuance.host, now=now)
            self._last(issuance.host, failed_at=self.now, given_up=True)
            failed = {"failures": issuance.failures + 1, "failed_at": rfc3339(self.now)}
            self.newest[instance] = replace(issuance, order="", challenge="", **failed)  # type: ignore[arg-type]
            return False
        if plan.FINALIZE.is_of(change):
            self.judge.issued(order, now=now)
            self._last(issuance.host, issued_at=self.now)
            self.issued[instance, issuance.number] += 1
        return True

    def _last(self, host: str, **fields: object) -> None:
        at = max(index for index, each in enumerate(self.attempts) if each.host == host)
        self.attempts[at] = replace(self.attempts[at], **fields)  # type: ignore[arg-type]

    def _detailed(self, instance: str, change: Change, made: Issuance) -> Issuance:
        """Return an issuance with the facts that only the authority and the customer know."""
        if plan.ANSWER.is_of(change):
            return replace(made, order="answered")
        if plan.FINALIZE.is_of(change):
            return certificate(made, self.now, self.life)
        if change.action == "install":
            self.in_use[instance] = self.now + self.life
            return replace(made, retire_after=rfc3339(self.now + timedelta(hours=8)) if made.known else "")
        return made


def certificate(issuance: Issuance, begin: datetime, life: timedelta) -> Issuance:
    """Return an issuance with a certificate, and with the window that Let's Encrypt suggests."""
    ideal = begin + life * 2 / 3
    return replace(
        issuance,
        certificate_id=f"key.{issuance.rotation_id}",
        not_before=rfc3339(begin),
        not_after=rfc3339(begin + life),
        window_start=rfc3339(ideal - life / 90),
        window_end=rfc3339(ideal + life / 90),
        failures=0,
        failed_at="",
        order="",
    )


def populated(world: World, count: int) -> None:
    """Give certificates to instances. The certificates have all ages before their renewal is due."""
    for number in range(count):
        instance = f"i{number:04d}"
        age = world.life * 0.6 * world.dice.random()
        blank = Issuance(instance_id=instance, number=1, rotation_id=f"{instance}-1", host=f"{instance}.vibedata.ai")
        over = replace(blank, customer="retired", chain="c", ended_at=rfc3339(START - age))
        world.newest[instance] = replace(certificate(over, START - age, world.life), ask_after=rfc3339(START))
        world.in_use[instance] = START - age + world.life
        names = frozenset({blank.host})
        world.judge.same_names.setdefault(names, [])


@pytest.mark.slow
@pytest.mark.parametrize(
    ("life", "count", "days", "failing", "replaces_taken"),
    [
        (90 * DAY, 1000, 70, 0.05, True),
        (90 * DAY, 300, 40, 0.05, False),
        (64 * DAY, 100, 50, 0.05, True),
        (45 * DAY, 100, 50, 0.05, True),
        (timedelta(hours=160), 60, 30, 0.05, True),
    ],
)
def test_no_certificate_expires_or_is_ordered_twice_and_no_limit_is_broken(
    life: timedelta, count: int, days: int, failing: float, replaces_taken: bool
) -> None:
    world = World(life=life, failing=failing, replaces_taken=replaces_taken)
    populated(world, count)
    newcomers = [f"n{number:03d}" for number in range(120)]
    look_at = dict.fromkeys([*world.newest, *newcomers], START)
    while world.now < START + days * DAY:
        for instance, at in look_at.items():
            if at <= world.now:
                look_at[instance] = world.look(instance)
        assert all(end > world.now for end in world.in_use.values()), "a certificate in use has expired"
        world.now += TICK
    assert set(world.issued.values()) == {1}, "an issuance brought two certificates"
    assert set(newcomers) <= set(world.in_use) or days < 21
    assert any("50 new certificates" in why for why in world.waits), "more came than a week takes"
    renewed = {instance for instance, number in world.issued if number > 1}
    assert len(renewed) > count / 4
