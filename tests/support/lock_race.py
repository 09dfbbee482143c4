"""Deployments that race for the lock of a lab, in threads of this process or in separate processes."""

import threading
from collections.abc import Sequence

from runbook_lib.deployment_lock.lock import holding
from runbook_lib.deployment_lock.place import LockPlace
from runbook_lib.errors import RunbookError
from tests.support.lock_rig import Holder, deployment, places
from tests.support.running_lab import LabUnderTest

WAIT_SECONDS = 60.0
RACERS = 2


class Round:
    """One round. All deployments begin at once. The one that gets the lock holds it until all have tried."""

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
