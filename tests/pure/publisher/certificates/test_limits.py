"""The publisher keeps the certificate authority's limits. A second, simple count checks it."""

import random
from dataclasses import replace
from datetime import datetime, timedelta, timezone
from typing import Any

import pytest

from publisher.certificates.limits import (
    FAILURES,
    NEW_CERTIFICATES,
    ORDERS,
    SAME_NAMES,
    Attempt,
    Limit,
    wait_for,
)

NOW = datetime(2026, 11, 29, 12, tzinfo=timezone.utc)
HOUR, SECOND = timedelta(hours=1), timedelta(seconds=1)
ORDER = Attempt(host="a.example", ordered_at=NOW)


def others(count: int, *, ago: timedelta, host: str = "", **fields: object) -> tuple[Attempt, ...]:
    made = [Attempt(host=host or f"h{number}.example", ordered_at=NOW - ago) for number in range(count)]
    return tuple(replace(each, **fields) for each in made)  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("limit", "attempts"),
    [
        (NEW_CERTIFICATES, others(50, ago=2 * HOUR, issued_at=NOW - HOUR)),
        (NEW_CERTIFICATES, others(50, ago=HOUR)),  # each may become a certificate at any moment
        (SAME_NAMES, others(5, ago=2 * HOUR, issued_at=NOW - HOUR, host="a.example")),
        (ORDERS, others(300, ago=HOUR, given_up=True)),
        (FAILURES, others(5, ago=HOUR, failed_at=NOW - HOUR / 2, given_up=True, host="a.example")),
    ],
)
def test_an_order_that_would_break_a_limit_waits_until_it_breaks_none(
    limit: Limit, attempts: tuple[Attempt, ...]
) -> None:
    wait = wait_for(attempts, ORDER, NOW)
    assert wait is not None and wait.limit == limit
    assert wait_for(attempts, ORDER, wait.until - SECOND) == wait
    assert wait_for(attempts, ORDER, wait.until) is None
    assert wait_for(attempts[1:], ORDER, NOW) is None, "one less is allowed"


@pytest.mark.parametrize(
    ("order", "free_of"),
    [
        (replace(ORDER, exempt=True), {NEW_CERTIFICATES, SAME_NAMES, ORDERS}),
        (replace(ORDER, known=True), {NEW_CERTIFICATES, ORDERS}),
        (ORDER, set()),
    ],
)
def test_renewals_are_exempt(order: Attempt, free_of: set[Limit]) -> None:
    full = {
        NEW_CERTIFICATES: others(50, ago=HOUR),
        SAME_NAMES: others(5, ago=HOUR, host="a.example"),
        ORDERS: others(300, ago=HOUR, given_up=True),
        FAILURES: others(5, ago=HOUR, failed_at=NOW - SECOND, given_up=True, host="a.example"),
    }
    for limit, attempts in full.items():
        assert (wait_for(attempts, order, NOW) is None) == (limit in free_of)


def test_an_order_that_is_withdrawn_or_exempt_does_not_count() -> None:
    assert wait_for(others(400, ago=HOUR, withdrawn=True), ORDER, NOW) is None
    assert wait_for(others(200, ago=HOUR, exempt=True, issued_at=NOW), ORDER, NOW) is None
    assert wait_for(others(200, ago=HOUR, known=True, issued_at=NOW), ORDER, NOW) is None


def test_of_several_limits_the_longest_wait_counts() -> None:
    attempts = others(50, ago=HOUR) + others(5, ago=3 * HOUR, host="a.example")
    wait = wait_for(attempts, ORDER, NOW)
    assert wait is not None and wait.limit == NEW_CERTIFICATES and wait.until == NOW - HOUR + NEW_CERTIFICATES.period


def test_orders_that_wait_break_no_limit() -> None:
    source = random.Random(14)  # noqa: S311 - a test's dice
    attempts: list[Attempt] = []
    now, sent = NOW, 0
    for _ in range(1200):
        now += timedelta(minutes=source.choice([0, 1, 5, 90]))
        host = f"h{source.randrange(150)}.example"
        known = any(each.host == host and each.issued_at for each in attempts)
        order = Attempt(host=host, ordered_at=now, known=known, exempt=known and source.random() < 0.5)
        if wait := wait_for(attempts, order, now):
            assert wait.until > now
            continue
        sent += 1
        became: dict[str, Any] = source.choice(
            [{"issued_at": now}, {"issued_at": now}, {"failed_at": now, "given_up": True}]
        )
        attempts.append(replace(order, **became))
    assert sent > 300
    new = [each for each in attempts if not each.exempt and not each.known]
    assert _most([each.issued_at for each in new if each.issued_at], NEW_CERTIFICATES) == NEW_CERTIFICATES.most
    assert _most([each.ordered_at for each in new], ORDERS) <= ORDERS.most
    for host in {each.host for each in attempts}:
        own = [each for each in attempts if each.host == host]
        assert _most([each.issued_at for each in own if each.issued_at and not each.exempt], SAME_NAMES) <= 5
        assert _most([each.failed_at for each in own if each.failed_at], FAILURES) <= 5


def _most(times: list[datetime], limit: Limit) -> int:
    """Return the greatest number in any period of the limit."""
    return max((sum(each - limit.period < other <= each for other in times) for each in times), default=0)
