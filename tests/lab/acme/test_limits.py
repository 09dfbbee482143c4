"""The certificate authority's rate limits, as a pure function of the counts."""

import pytest

from lab.acme.limits import HOUR_SECONDS, WEEK_SECONDS, LimitedError, Limits, Order, registered_domains

ACCOUNT = "https://127.0.0.1/my-account/1"
NOW = 1_800_000_000.0


def order(*names: str, renews: bool = False) -> Order:
    return Order(ACCOUNT, frozenset(names), renews)


def issue(limits: Limits, wanted: Order, now: float = NOW) -> None:
    limits.check(wanted, now=now)
    limits.ordered(wanted, now=now)
    limits.issued(wanted, now=now)


def test_fifty_new_names_of_a_domain_a_week_and_renewals_are_free() -> None:
    limits = Limits()
    for number in range(50):
        issue(limits, order(f"n{number}.vibedata.ai"))
    with pytest.raises(LimitedError, match=r"vibedata\.ai") as refused:
        limits.check(order("n50.vibedata.ai"), now=NOW + 10)
    assert refused.value.retry_after == WEEK_SECONDS - 10
    limits.check(order("n50.example.com"), now=NOW)
    issue(limits, order("n0.vibedata.ai"))  # the same names again, without `replaces`
    issue(limits, order("n1.vibedata.ai", renews=True))
    limits.check(order("n50.vibedata.ai"), now=NOW + WEEK_SECONDS)


def test_five_of_the_same_names_a_week() -> None:
    limits = Limits()
    for _ in range(5):
        issue(limits, order("a.vibedata.ai", "b.vibedata.ai"))
    with pytest.raises(LimitedError, match="exact set"):
        limits.check(order("b.vibedata.ai", "a.vibedata.ai"), now=NOW)
    limits.check(order("a.vibedata.ai"), now=NOW)
    limits.check(order("a.vibedata.ai", "b.vibedata.ai", renews=True), now=NOW)


def test_orders_of_an_account_and_failures_of_a_name() -> None:
    limits = Limits()
    for number in range(300):
        limits.ordered(order(f"n{number}.vibedata.ai"), now=NOW)
    with pytest.raises(LimitedError, match="new orders"):
        limits.check(order("more.vibedata.ai"), now=NOW + 3 * HOUR_SECONDS - 1)
    limits.check(order("more.vibedata.ai"), now=NOW + 3 * HOUR_SECONDS)
    limits.clear()
    for _ in range(5):
        limits.failed("a.vibedata.ai", now=NOW)
    with pytest.raises(LimitedError, match="failed authorizations"):
        limits.check(order("a.vibedata.ai"), now=NOW + HOUR_SECONDS - 1)
    limits.check(order("b.vibedata.ai"), now=NOW)
    limits.check(order("a.vibedata.ai"), now=NOW + HOUR_SECONDS)


def test_a_registered_domain_is_the_last_two_labels() -> None:
    assert registered_domains(["a.b.vibedata.ai", "vibedata.ai", "x.example.com"]) == ["example.com", "vibedata.ai"]
