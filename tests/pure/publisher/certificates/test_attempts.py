"""The rows that count the orders: a malformed one counts for nothing and stops nobody."""

from datetime import datetime, timedelta, timezone

import pytest

from publisher.certificates.attempts import attempt_in, key_of
from publisher.certificates.limits import Attempt, wait_for
from runbook_lib.basics.clock import rfc3339

NOW = datetime(2026, 11, 29, 12, tzinfo=timezone.utc)
AT = rfc3339(NOW - timedelta(hours=1))
ORDER = Attempt(host="k3v9x2p7.vibedata.ai", ordered_at=NOW)
ROW = {"PartitionKey": "vibedata.ai", "RowKey": f"{AT} r", "host": ORDER.host, "issuedAt": AT, "failedAt": AT}


def test_a_row_is_read_as_it_was_written() -> None:
    found = attempt_in({**ROW, "RowKey": key_of(ORDER, "r"), "issuedAt": "", "failedAt": None, "known": True})
    assert found == Attempt(host=ORDER.host, ordered_at=NOW, known=True)


@pytest.mark.parametrize("column", ["RowKey", "issuedAt", "failedAt"])
@pytest.mark.parametrize("text", ["2026-11-29T10:00:00", "2026-11-29", "tomorrow", "2036", "9999-12-31T23:59:59Z"])
def test_a_malformed_row_does_not_count(column: str, text: str) -> None:
    found = attempt_in({**ROW, column: f"{text} r" if column == "RowKey" else text})
    assert found is None
    assert attempt_in({**ROW, "RowKey": " r"}) is None


def test_rows_with_times_far_away_do_not_stop_the_orders() -> None:
    read = [attempt_in({**ROW, "RowKey": f"{AT} {number}", "failedAt": ""}) for number in range(5)]
    rows = [each for each in read if each is not None]
    assert len(rows) == 5 and wait_for(rows, ORDER, NOW) is not None
    assert wait_for(rows[1:], ORDER, NOW) is None
