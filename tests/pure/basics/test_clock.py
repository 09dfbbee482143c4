"""Times as texts: which are read, and that arithmetic with them stays in the calendar."""

import re
from datetime import datetime, timedelta, timezone

import pytest

from publisher.rotation.record import is_time
from runbook_lib.basics.clock import from_rfc3339, rfc3339


@pytest.mark.parametrize(
    "text", ["1970-01-01T00:00:00+14:00", "2026-11-29T10:00:00.000001Z", "8999-12-31T23:59:59-14:00"]
)
def test_a_time_that_is_read_can_be_reckoned_with(text: str) -> None:
    moment = from_rfc3339(text)
    assert from_rfc3339(text) == datetime.fromisoformat(text.replace("Z", "+00:00")) and is_time(text)
    for years in (-100, 100):
        assert rfc3339(moment + timedelta(days=365 * years)).endswith("Z")
    assert moment.astimezone(timezone(timedelta(hours=-23)))


@pytest.mark.parametrize(
    "text",
    [
        *("0001-01-01T00:00:00Z", "0001-01-01T00:00:00+14:00", "1969-12-31T23:59:59Z"),
        *("9000-01-01T00:00:00Z", "9999-12-31T23:59:59Z", "9999-12-31T23:59:59-14:00", "tomorrow", ""),
    ],
)
def test_a_time_at_the_edge_of_the_calendar_is_none(text: str) -> None:
    with pytest.raises(ValueError, match=re.escape(text) or "Invalid"):
        from_rfc3339(text)
    assert is_time(text) is (text == "")
