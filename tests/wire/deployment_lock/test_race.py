"""Deployments that race for the lock: never two at once, and never none."""

import threading
from collections.abc import Sequence
from dataclasses import replace
from uuid import uuid4

import pytest

from runbook_lib.deployment_lock.lock import holding
from runbook_lib.deployment_lock.place import LockPlace
from runbook_lib.errors import RunbookError
from tests.support.lock_rig import Holder, deployment, holder, places
from tests.support.running_lab import LabUnderTest

WAIT_SECONDS = 60.0
RACERS = 2


class Round:
    """One round: all begin at once; who gets the lock holds it until all have tried."""

    def __init__(self, lab: LabUnderTest, found: Sequence[Sequence[LockPlace]]) -> None:
        self._lab = lab
        self._places = found
        self._ready = threading.Barrier(len(found))
        self._tried = threading.Barrier(len(found))
        self.answers: list[str] = []

    def run(self) -> list[str]:
        threads = [threading.Thread(target=self._try, args=(found,)) for found in self._places]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join(WAIT_SECONDS)
            assert not thread.is_alive()
        return sorted(self.answers)

    def _try(self, found: Sequence[LockPlace]) -> None:
        lock = deployment(self._lab.env)
        self._ready.wait(WAIT_SECONDS)
        try:
            with holding(lock, found, wait_seconds=0):
                lock.begin("publish")
                self.answers.append("held")
                self._tried.wait(WAIT_SECONDS)
        except RunbookError as error:
            self.answers.append(error.code)
            self._tried.wait(WAIT_SECONDS)


def race(lab: LabUnderTest, rounds: int) -> None:
    found = [places(lab.env) for _ in range(RACERS)]
    for number in range(rounds):
        assert Round(lab, found).run() == ["VD-LOCK-001", "held"], f"round {number}"


def race_of_processes(holders: Sequence[Holder], rounds: int) -> None:
    for number in range(rounds):
        for each in holders:
            each.begin_to_take()
        answers = [each.answer() for each in holders]
        assert sorted(answers) == ["VD-LOCK-001", "held"], f"round {number}"
        holders[answers.index("held")].give_back()


def test_two_race_for_a_lock_that_is_there(lab: LabUnderTest) -> None:
    race(lab, 30)


def test_two_race_for_a_lock_that_nobody_has_made(lab: LabUnderTest) -> None:
    """Container and blob are made by the first, in each round anew."""
    both = [places(lab.env) for _ in range(RACERS)]
    for number in range(15):
        name = f"new-{uuid4()}"
        found = [[replace(place, container=f"{name}-{index}") for index, place in enumerate(each)] for each in both]
        assert Round(lab, found).run() == ["VD-LOCK-001", "held"], f"round {number}"


def test_two_processes_race(lab: LabUnderTest) -> None:
    with holder(lab) as one, holder(lab) as other:
        race_of_processes([one, other], 20)


@pytest.mark.soak
@pytest.mark.timeout(3600)
def test_two_race_hundreds_of_times(lab: LabUnderTest) -> None:
    race(lab, 500)
    with holder(lab) as one, holder(lab) as other:
        race_of_processes([one, other], 500)
