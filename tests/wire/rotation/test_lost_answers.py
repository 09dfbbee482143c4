"""A rotation of the key for callbacks loses answers to its requests, and gets over each loss."""

from pathlib import Path

import pytest

from tests.support.rotations_under_load import LOAD_SECONDS, ROTATIONS, SOAK_SECONDS, rotations
from tests.support.running_lab import LabUnderTest


@pytest.mark.timeout(LOAD_SECONDS)
def test_a_rotation_gets_over_every_lost_answer(lab: LabUnderTest, tmp_path: Path) -> None:
    with rotations(lab, tmp_path) as made:
        undisturbed = made.rotate()
        for at in range(1, len(undisturbed.writes) + 1):
            made.losing("writes", (at,))
        left = ROTATIONS - made.completed
        for first in range(1, left + 1):
            made.losing("others", range(first, len(undisturbed.others) + 1, left))


@pytest.mark.soak
@pytest.mark.timeout(SOAK_SECONDS)
def test_a_rotation_gets_over_the_loss_of_any_one_answer(lab: LabUnderTest, tmp_path: Path) -> None:
    with rotations(lab, tmp_path) as made:
        undisturbed = made.rotate()
        for at in range(1, len(undisturbed.writes) + 1):
            made.losing("writes", (at,))
        for at in range(1, len(undisturbed.others) + 1):
            made.losing("others", (at,))
