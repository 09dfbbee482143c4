"""The wait between two looks: a twentieth of the time so far, within bounds."""

from runbook_lib.basics.looks import pause_between_looks


def test_looks_become_fewer_within_bounds() -> None:
    waits = [pause_between_looks(waited, least=1.0, most=10.0) for waited in (0, 20, 40, 100, 200, 9_000)]
    assert waits == [1.0, 1.0, 2.0, 5.0, 10.0, 10.0]
