"""The loop that drives a rotation: it asks before each change whether it may be made."""

from collections.abc import Sequence
from typing import Any

from publisher.rotation.plan import Step
from runbook_lib.basics.redaction import Redactor
from runbook_lib.change import Action, ActionKind, Plan
from runbook_lib.errors import deployment
from tests.support.fake_clock import FakeClock
from vibedata.rotation.drive import drive

PHASES = ("stage", "test", "promote")
KINDS: tuple[ActionKind[str], ...] = tuple(ActionKind(phase, stage) for stage, phase in enumerate(PHASES))


class Rotating:
    """A rotation of three changes in one step, which have one job each."""

    def __init__(self) -> None:
        self.made: list[str] = []

    def next_step(self) -> Step:
        left = KINDS[len(self.made) :]
        return Step(plan=Plan(tuple(kind.change(kind.name, "secret", None, "done") for kind in left)))

    def actions(self) -> Sequence[Action[Any]]:
        return [Action(kind, make=self.made.append, see=self._see) for kind in KINDS]

    def _see(self, phase: str) -> str | None:
        return "done" if phase in self.made else None


def test_after_the_lock_is_lost_no_further_change_begins() -> None:
    rotating = Rotating()
    checked: list[int] = []

    def check() -> None:
        checked.append(len(rotating.made))
        if len(rotating.made) == 1:
            raise deployment.LOCK_LOST.error("409", target="the lock of the instance")

    lines: list[str] = []
    outcome = drive(rotating, wait=False, report=lines.append, redactor=Redactor(), clock=FakeClock(), check=check)
    assert outcome.failed is not None and outcome.failed.error is not None
    assert outcome.failed.error.code == "VD-LOCK-002"
    assert [result.outcome for result in outcome.results] == ["done", "failed", "skipped"]
    assert rotating.made == ["stage"]
    assert checked == [0, 1]


def test_without_a_lock_each_change_is_made() -> None:
    rotating = Rotating()
    outcome = drive(rotating, wait=False, report=lambda _: None, redactor=Redactor(), clock=FakeClock())
    assert rotating.made == list(PHASES)
    assert [result.outcome for result in outcome.results] == ["done"] * 3
