import math
from collections.abc import Mapping
from datetime import datetime, timezone
from functools import partial
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from requests.structures import CaseInsensitiveDict

from runbook_lib.network.retry import (
    NETWORK_CONNECT_SECONDS,
    NETWORK_READ_SECONDS,
    Attempts,
    GiveUp,
    NetworkRetryPolicy,
    Wait,
    decide,
    retry_after_seconds,
)
from tests.support.fake_clock import FakeClock

NOW = datetime(2026, 11, 23, 10, 0, tzinfo=timezone.utc)
PASSING = (408, 429, 500, 502, 503, 504)
SAFE = ("GET", "HEAD", "OPTIONS", "PUT", "DELETE", "get")
UNSAFE = ("POST", "PATCH", "MERGE")

policies = st.builds(
    NetworkRetryPolicy,
    max_retries=st.integers(0, 10),
    delay_seconds=st.floats(0.1, 60),
    total_seconds=st.floats(1, 600),
)
outcomes: Any = st.fixed_dictionaries({"status": st.integers(100, 599)}) | st.fixed_dictionaries(
    {"connection_failure": st.sampled_from(["not_sent", "ambiguous"])}
)
requests_ = st.fixed_dictionaries(
    {
        "attempt": st.integers(1, 12),
        "method": st.sampled_from(SAFE + UNSAFE),
        "elapsed": st.floats(0, 600),
        "repeatable": st.none() | st.booleans(),
        "retry_after": st.none() | st.floats(0, 600),
    }
)


@given(policies, requests_, outcomes)
def test_every_wait_keeps_within_the_policy(policy: NetworkRetryPolicy, request: Any, outcome: Any) -> None:
    decision = decide(policy, **request, **outcome)
    if isinstance(decision, GiveUp):
        return
    assert request["attempt"] <= policy.max_retries
    assert decision.seconds >= max(policy.delay_seconds, request["retry_after"] or 0)
    assert decision.seconds in (policy.delay_seconds, request["retry_after"])
    assert request["elapsed"] + decision.seconds <= policy.total_seconds


@given(policies, requests_, st.integers(100, 599).filter(lambda status: status not in PASSING))
def test_other_answers_are_final(policy: NetworkRetryPolicy, request: Any, status: int) -> None:
    assert decide(policy, **request, status=status) == GiveUp("final")


@pytest.mark.parametrize("method", SAFE)
@pytest.mark.parametrize("outcome", [*({"status": status} for status in PASSING), {"connection_failure": "ambiguous"}])
def test_what_may_be_repeated_is(method: str, outcome: Mapping[str, Any]) -> None:
    assert decide(NetworkRetryPolicy(), attempt=1, method=method, elapsed=0, **outcome) == Wait(2)


@pytest.mark.parametrize("method", UNSAFE)
@pytest.mark.parametrize(
    ("outcome", "decision"),
    [
        ({"connection_failure": "not_sent"}, Wait(2)),
        ({"status": 429}, Wait(2)),
        ({"status": 503, "retry_after": 5.0}, Wait(5)),
        ({"status": 503, "retry_after": 0.0}, Wait(2)),
        ({"connection_failure": "ambiguous"}, GiveUp("unsafe")),
        ({"status": 503}, GiveUp("unsafe")),
        ({"status": 500, "retry_after": 5.0}, GiveUp("unsafe")),
        ({"status": 408}, GiveUp("unsafe")),
        ({"status": 502}, GiveUp("unsafe")),
        ({"status": 504}, GiveUp("unsafe")),
    ],
)
def test_what_must_not_be_repeated_is_only_where_it_was_not_carried_out(
    method: str, outcome: Mapping[str, Any], decision: Wait | GiveUp
) -> None:
    assert decide(NetworkRetryPolicy(), attempt=1, method=method, elapsed=0, **outcome) == decision
    assert isinstance(
        decide(NetworkRetryPolicy(), attempt=1, method=method, elapsed=0, repeatable=True, **outcome), Wait
    )


def test_a_put_that_makes_a_version_each_time_is_not_repeated_blindly() -> None:
    once = partial(decide, NetworkRetryPolicy(), attempt=1, method="PUT", elapsed=0, repeatable=False)
    assert once(connection_failure="ambiguous") == once(status=503) == GiveUp("unsafe")
    assert once(connection_failure="not_sent") == once(status=429) == Wait(2)


@pytest.mark.parametrize(("attempt", "decision"), [(3, Wait(2)), (4, GiveUp("spent"))])
def test_three_retries_are_four_attempts(attempt: int, decision: Wait | GiveUp) -> None:
    assert decide(NetworkRetryPolicy(), attempt=attempt, method="GET", elapsed=6, status=500) == decision


@pytest.mark.parametrize(("elapsed", "decision"), [(170, Wait(10)), (170.1, GiveUp("deadline"))])
def test_no_wait_ends_after_the_total_time(elapsed: float, decision: Wait | GiveUp) -> None:
    policy = NetworkRetryPolicy(total_seconds=180)
    assert decide(policy, attempt=1, method="GET", elapsed=elapsed, status=429, retry_after=10) == decision


@pytest.mark.parametrize(
    ("headers", "seconds"),
    [
        ({}, None),
        ({"Retry-After": "7"}, 7),
        ({"retry-after": " 0 "}, 0),
        ({"Retry-After": "Mon, 23 Nov 2026 10:00:30 GMT"}, 30),
        ({"Retry-After": "Mon, 23 Nov 2026 11:00:30 +0100"}, 30),
        ({"Retry-After": "Mon, 23 Nov 2026 09:00:00 GMT"}, 0),
        ({"Retry-After": "Monday, 23-Nov-26 10:01:00 GMT"}, 60),
        ({"x-ms-retry-after-ms": "1500", "Retry-After": "2"}, 1.5),
        ({"retry-after-ms": "250"}, 0.25),
        ({"retry-after-ms": "9" * 5000}, math.inf),
        ({"Retry-After": "9" * 5000}, math.inf),
        ({"Retry-After": f"Mon, 23 Nov {'9' * 30} 10:00:30 GMT"}, None),
        ({"Retry-After": "soon"}, None),
        ({"Retry-After": "-5"}, None),
        ({"Retry-After": "1.5"}, None),
        ({"Retry-After": "\u0665"}, None),
    ],
)
def test_retry_after(headers: Mapping[str, str], seconds: float | None) -> None:
    assert retry_after_seconds(CaseInsensitiveDict(headers), NOW) == seconds


@given(st.text(max_size=40))
def test_whatever_retry_after_holds_it_is_seconds_or_nothing(text: str) -> None:
    seconds = retry_after_seconds({"Retry-After": text}, NOW)
    assert seconds is None or seconds >= 0


@given(
    policies,
    st.lists(st.sampled_from([429, 500]) | st.just("ambiguous"), min_size=12, max_size=12),
    st.floats(0, 30),
)
def test_all_attempts_together_end_in_time(policy: NetworkRetryPolicy, outcomes_: list[Any], takes: float) -> None:
    """The attempts may take any time up to their timeouts, but the last one begins within the total time."""
    clock = FakeClock()
    attempts = Attempts(policy, method="GET", repeatable=False, clock=clock)
    made = 0
    for outcome in outcomes_:
        made += 1
        assert clock.monotonic() <= policy.total_seconds
        connect, read = attempts.next_timeouts()
        assert 0 < connect <= NETWORK_CONNECT_SECONDS and 0 < read <= NETWORK_READ_SECONDS
        clock.advance(min(takes, read))
        again = (
            isinstance(attempts.wait_after_failure("ambiguous"), Wait)
            if outcome == "ambiguous"
            else isinstance(attempts.wait_after_status(outcome, {}), Wait)
        )
        if not again:
            break
    assert made <= policy.max_retries + 1
    assert len(clock.slept) == made - 1
