"""Deployments that race for the lock: never two at once, and never none. `make proof` has a thousand such races."""

from dataclasses import replace
from uuid import uuid4

from tests.support.lock_race import RACERS, Round, race, race_of_processes
from tests.support.lock_rig import holder, places
from tests.support.running_lab import LabUnderTest


def test_two_race_for_a_lock_that_is_there(lab: LabUnderTest) -> None:
    race(lab, 30)


def test_two_race_for_a_lock_that_nobody_has_made(lab: LabUnderTest) -> None:
    """In each round, the first deployment creates container and blob again."""
    both = [places(lab.env) for _ in range(RACERS)]
    for number in range(15):
        name = f"new-{uuid4()}"
        found = [[replace(place, container=f"{name}-{index}") for index, place in enumerate(each)] for each in both]
        assert Round(lab, found).run() == ["VD-LOCK-001", "held"], f"round {number}"


def test_two_processes_race(lab: LabUnderTest) -> None:
    with holder(lab) as one, holder(lab) as other:
        race_of_processes([one, other], 20)
