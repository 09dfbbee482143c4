"""A rotation of the key for callbacks loses answers to its requests, and gets over each loss."""

from pathlib import Path

import pytest

from tests.support.rotations_under_load import LOAD_SECONDS, OTHERS, SOAK_SECONDS, rotations
from tests.support.running_lab import LabUnderTest


@pytest.mark.timeout(LOAD_SECONDS)
def test_a_rotation_gets_over_every_lost_answer(lab: LabUnderTest, tmp_path: Path) -> None:
    """The answer to each write is lost in a separate rotation.

    The answers to the other requests are lost in OTHERS rotations. Each rotation loses every OTHERSth answer.

    `make soak` loses each of them in a separate rotation.
    """
    with rotations(lab, tmp_path) as made:
        undisturbed = made.rotate()
        for at in range(1, len(undisturbed.writes) + 1):
            made.losing("writes", (at,))
        for first in range(1, OTHERS + 1):
            made.losing("others", range(first, len(undisturbed.others) + 1, OTHERS))


@pytest.mark.soak
@pytest.mark.timeout(SOAK_SECONDS)
def test_a_rotation_gets_over_the_loss_of_any_one_answer(lab: LabUnderTest, tmp_path: Path) -> None:
    with rotations(lab, tmp_path) as made:
        undisturbed = made.rotate()
        for at in range(1, len(undisturbed.writes) + 1):
            made.losing("writes", (at,))
        for at in range(1, len(undisturbed.others) + 1):
            made.losing("others", (at,))
