"""When a lease counts as lost."""

from itertools import product

import pytest

from runbook_lib.deployment_lock.lapse import LEASE_SECONDS, LeaseTime, means_lost

CONFIRMED = LeaseTime(seconds=LEASE_SECONDS, confirmed_at=1000.0)


def test_a_lease_holds_from_the_beginning_of_the_confirmed_request() -> None:
    assert not CONFIRMED.has_lapsed(1000.0)
    assert not CONFIRMED.has_lapsed(1059.9)
    assert CONFIRMED.has_lapsed(1060.0)


@pytest.mark.parametrize(("delay", "took"), list(product((0.0, 0.5, 9.0), repeat=2)))
def test_the_service_never_frees_a_lease_that_its_holder_counts_on(delay: float, took: float) -> None:
    """A request and its answer may take any time, because the service measures from the moment when it gets the
    request.
    """
    sent = 1000.0
    taken = sent + delay
    answered = taken + took
    held = LeaseTime(seconds=LEASE_SECONDS, confirmed_at=sent)
    freed = taken + LEASE_SECONDS
    for now in (answered, freed - 0.001, freed, freed + 1):
        assert held.has_lapsed(now) or now < freed


def test_a_renewal_that_fails_leaves_time_for_others() -> None:
    first = CONFIRMED.pause(failed=False)
    assert first + 3 * 10 < LEASE_SECONDS
    assert CONFIRMED.pause(failed=True) < first


@pytest.mark.parametrize("status", [404, 409, 412])
def test_the_service_says_that_a_lease_is_lost(status: int) -> None:
    assert means_lost(status)


@pytest.mark.parametrize("status", [None, 401, 403, 408, 416, 429, 500, 503])
def test_a_service_that_fails_or_refuses_has_not_said_whose_the_lease_is(status: int | None) -> None:
    assert not means_lost(status)
