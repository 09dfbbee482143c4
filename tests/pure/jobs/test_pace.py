"""How often Automation is asked about a job."""

import pytest

from tests.support.fake_clock import FakeClock
from vibedata.jobs.pace import LAST_READS_SECONDS, MAX_RETRY_AFTER_SECONDS, REMAINING, Pace


def test_looks_become_fewer() -> None:
    pace = Pace(FakeClock())
    assert [pace.seconds(waited) for waited in (0, 5, 40, 100, 200, 9_000)] == [1.0, 1.0, 2.0, 5.0, 10.0, 10.0]


@pytest.mark.parametrize(
    ("remaining", "seconds"),
    [("599", 1.0), ("100", 1.0), ("99", 10.0), ("20", 10.0), ("19", LAST_READS_SECONDS), ("0", LAST_READS_SECONDS)],
)
def test_few_remaining_reads_make_them_fewer(remaining: str, seconds: float) -> None:
    pace = Pace(FakeClock())
    pace.take({REMAINING: remaining})
    assert pace.seconds(0) == seconds
    pace.take({})
    assert pace.seconds(0) == seconds, "an answer that does not tell leaves it as it was"


@pytest.mark.parametrize("remaining", ["", "-1", "many", "\u0661", "1" * 5000])
def test_what_is_no_number_of_reads_changes_nothing(remaining: str) -> None:
    pace = Pace(FakeClock())
    pace.take({REMAINING: remaining})
    assert pace.seconds(0) == 1.0


@pytest.mark.parametrize(
    ("asked", "seconds"),
    [("0", 1.0), ("7", 7.0), ("60", 60.0), ("999999999", MAX_RETRY_AFTER_SECONDS), ("soon", 1.0), ("-5", 1.0)],
)
def test_retry_after_is_honoured(asked: str, seconds: float) -> None:
    pace = Pace(FakeClock())
    pace.take({"Retry-After": asked})
    assert pace.seconds(0) == seconds
    pace.take({})
    assert pace.seconds(0) == 1.0
