"""Which columns of a rule's stream fit the events that the runbooks write."""

import pytest

from runbook_lib.operations_log.events import COLUMNS
from runbook_lib.preflight.log_checks import unfit_columns

GOOD = [{"name": name, "type": kind} for name, kind in COLUMNS.items()]


def test_the_columns_that_are_written_fit() -> None:
    assert unfit_columns(GOOD) == ""
    assert unfit_columns([*GOOD, {"name": "Further", "type": "string"}]) == ""
    assert unfit_columns([{"name": "TimeGenerated", "type": "dateTime"}, *GOOD[1:]]) == ""


@pytest.mark.parametrize(
    ("declared", "told"),
    [
        (None, "it has no columns"),
        (GOOD[1:], "it lacks TimeGenerated"),
        ([{**GOOD[0], "type": "string"}, *GOOD[1:]], "TimeGenerated is string, not datetime"),
        ([{**GOOD[0], "type": ["x\n" * 99]}, *GOOD[1:]], "... (cut), not datetime"),
        ([*GOOD[1:], {"name": []}, {"name": {}}, None, 7], "it lacks TimeGenerated"),
    ],
)
def test_what_does_not_fit_is_told_in_one_line(declared: object, told: str) -> None:
    found = unfit_columns(declared)
    assert told in found
    assert "\n" not in found
