"""The loop that drives a rotation: it asks before the changes of each step whether they may be made."""

from collections.abc import Sequence
from typing import Any

import pytest

from publisher.rotation.plan import Step
from runbook_lib.basics.redaction import Redactor
from runbook_lib.change import Action, ActionKind, Plan
from runbook_lib.errors import RunbookError, deployment
from tests.support.fake_clock import FakeClock
from vibedata.rotation.drive import drive

RUN: ActionKind[str] = ActionKind("run", stage=0)
PHASES = ("stage", "test", "promote")


class Rotating:
    """A rotation of three steps, which have one job each."""

    def __init__(self) -> None:
        self.made: list[str] = []

    def next_step(self) -> Step:
        left = PHASES[len(self.made) :]
        return Step(plan=Plan((RUN.change(left[0], left[0], None, "done"),))) if left else Step()

    def actions(self) -> Sequence[Action[Any]]:
        return (Action(RUN, make=self.made.append, see=lambda _: "done"),)


def test_after_the_lock_is_lost_no_further_step_begins() -> None:
    rotating = Rotating()
    checked: list[int] = []

    def check() -> None:
        checked.append(len(rotating.made))
        if len(rotating.made) == 1:
            raise deployment.LOCK_LOST.error("409", target="the lock of the instance")

    with pytest.raises(RunbookError) as lost:
        drive(rotating, wait=False, report=checked_line, redactor=Redactor(), clock=FakeClock(), check=check)
    assert lost.value.code == "VD-LOCK-002"
    assert rotating.made == ["stage"]
    assert checked == [0, 1]


def test_without_a_lock_each_step_is_done() -> None:
    rotating = Rotating()
    outcome = drive(rotating, wait=False, report=checked_line, redactor=Redactor(), clock=FakeClock())
    assert rotating.made == list(PHASES)
    assert [result.outcome for result in outcome.results] == ["done"] * 3


def checked_line(line: str) -> None:
    assert line.startswith("run ")
