"""When a certificate is renewed, and when a failed order is tried again."""

from datetime import datetime, timedelta, timezone

import pytest

from publisher.certificates.times import (
    ASK_AGAIN,
    MAX_ASK_AGAIN,
    MIN_ASK_AGAIN,
    Life,
    Window,
    ask_time,
    renewal_time,
    retry_time,
    within,
)
from runbook_lib.basics.clock import from_rfc3339, rfc3339

BEGIN = datetime(2026, 11, 1, tzinfo=timezone.utc)
LIVES = [timedelta(days=90), timedelta(days=64), timedelta(days=45), timedelta(hours=160)]


@pytest.mark.parametrize("length", LIVES)
def test_without_a_window_a_third_of_the_life_is_left(length: timedelta) -> None:
    life = Life(BEGIN, BEGIN + length)
    assert renewal_time(life, None, "a.b") == BEGIN + length * 2 / 3


@pytest.mark.parametrize("length", LIVES)
def test_the_moment_is_in_the_window_and_differs_from_certificate_to_certificate(length: timedelta) -> None:
    life, start = Life(BEGIN, BEGIN + length), BEGIN + length / 2
    window = Window(start, start + length / 20)
    moments = {renewal_time(life, window, f"key.{number}") for number in range(50)}
    assert len(moments) == 50 and all(window.start <= moment < window.end for moment in moments)
    assert renewal_time(life, window, "a.b") == renewal_time(life, window, "a.b")


@pytest.mark.parametrize("length", LIVES)
def test_no_window_moves_the_renewal_beyond_the_backstop(length: timedelta) -> None:
    life, late = Life(BEGIN, BEGIN + length), BEGIN + length * 2
    assert renewal_time(life, Window(late, late + length), "a.b") == BEGIN + length * 2 / 3
    past = Window(BEGIN - timedelta(hours=2), BEGIN - timedelta(hours=1))
    assert renewal_time(life, past, "a.b") < BEGIN, "a mass revocation: at once"


ZERO = datetime(1, 1, 1, tzinfo=timezone.utc)
FAR = datetime(9999, 12, 31, 23, 59, 59, tzinfo=timezone(timedelta(hours=-14)))
LIFE = Life(BEGIN, BEGIN + timedelta(days=90))


@pytest.mark.parametrize("window", [Window(BEGIN, BEGIN), Window(LIFE.end, BEGIN), Window(ZERO, ZERO)])
def test_a_window_that_ends_before_it_starts_is_no_answer(window: Window) -> None:
    assert within(window, LIFE) is None


@pytest.mark.parametrize(
    ("window", "part"),
    [
        (Window(BEGIN + timedelta(days=60), BEGIN + timedelta(days=61)), None),
        (Window(ZERO, BEGIN - timedelta(days=1)), Window(BEGIN, BEGIN)),
        (Window(ZERO.replace(tzinfo=timezone(timedelta(hours=14))), FAR), Window(BEGIN, LIFE.end)),
        (Window(BEGIN + timedelta(days=36_500), FAR), Window(LIFE.end, LIFE.end)),
    ],
)
def test_of_a_window_only_the_part_in_the_certificates_life_is_kept(window: Window, part: Window | None) -> None:
    kept = within(window, LIFE)
    assert kept is not None and kept == (part or window)
    assert [from_rfc3339(rfc3339(each)) for each in (kept.start, kept.end)] == [kept.start, kept.end]


def test_failures_are_tried_again_after_1_10_and_100_minutes_and_then_daily() -> None:
    waits = [retry_time(failures, BEGIN) - BEGIN for failures in range(1, 7)]
    minutes = timedelta(minutes=1)
    assert waits == [minutes, 10 * minutes, 100 * minutes, *[timedelta(days=1)] * 3]


@pytest.mark.parametrize(
    ("said", "wait"),
    [
        (None, ASK_AGAIN),
        (21_600.0, timedelta(hours=6)),
        (0.0, MIN_ASK_AGAIN),
        (-5.0, MIN_ASK_AGAIN),
        (1e12, MAX_ASK_AGAIN),
    ],
)
def test_the_window_is_asked_for_again_after_a_sensible_time(said: float | None, wait: timedelta) -> None:
    assert ask_time(BEGIN, said) == BEGIN + wait
