"""Workers: results come in order, work that has not begun is cancelled, and a hanging worker is abandoned."""

import time
from threading import Event

import pytest

from runbook_lib.workers import Workers, side_by_side

LONG = 60.0


def test_results_stand_in_the_order_of_the_things() -> None:
    second_is_done = Event()

    def look(number: int) -> int:
        if number == 0:
            assert second_is_done.wait(LONG)
        second_is_done.set()
        return number * 2

    assert side_by_side(look, range(5), at_once=2) == [0, 2, 4, 6, 8]


def test_the_first_failure_is_raised() -> None:
    def look(number: int) -> int:
        if number:
            raise ValueError(number)
        return number

    with pytest.raises(ValueError, match="1"):
        side_by_side(look, range(3), at_once=3)


def test_what_has_not_begun_is_taken_back_and_what_hangs_is_left_behind() -> None:
    hanging, let_go = Event(), Event()

    def task(number: int) -> str:
        if number == 0:
            hanging.set()
            assert let_go.wait(LONG)
        return f"task {number}"

    workers = Workers(task, count=3, monotonic=time.monotonic)
    workers.start(1)
    assert hanging.wait(LONG)
    assert set(workers.in_flight()) == {0}
    assert workers.arrived(within=0.01) is None
    assert workers.leave_behind(0)
    # Another worker has replaced it, and does the rest.
    assert [workers.arrived(within=LONG), workers.arrived(within=LONG)] == [(1, "task 1"), (2, "task 2")]
    assert not workers.leave_behind(0)
    let_go.set()
    assert workers.arrived(within=0.2) is None, "what was left behind never arrives"
    assert workers.take_waiting() == []


def test_what_is_taken_back_is_never_begun() -> None:
    workers = Workers(str, count=3, monotonic=time.monotonic)
    assert workers.take_waiting() == [0, 1, 2]
    workers.start(2)
    assert workers.arrived(within=0.05) is None
