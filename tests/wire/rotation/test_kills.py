"""The publisher's command is killed while it rotates the key for callbacks. The next run finishes the rotation."""

from pathlib import Path

import pytest

from tests.support.rotations_under_load import LOAD_SECONDS, OTHERS, SOAK_SECONDS, rotations
from tests.support.running_lab import LabUnderTest


@pytest.mark.timeout(LOAD_SECONDS)
def test_a_rotation_that_is_killed_after_any_write_is_finished_by_the_next_run(
    lab: LabUnderTest, tmp_path: Path
) -> None:
    """It is also killed after OTHERS of its other requests, which are spread evenly over the rotation.

    `make soak` kills it after each request.
    """
    with rotations(lab, tmp_path) as made:
        undisturbed = made.rotate()
        for at in range(1, len(undisturbed.writes) + 1):
            made.killed("writes", at)
        for place in range(OTHERS):
            made.killed("others", 1 + place * len(undisturbed.others) // OTHERS)


@pytest.mark.soak
@pytest.mark.timeout(SOAK_SECONDS)
def test_a_rotation_that_is_killed_at_any_request_is_finished_by_the_next_run(
    lab: LabUnderTest, tmp_path: Path
) -> None:
    with rotations(lab, tmp_path) as made:
        undisturbed = made.rotate()
        for at in range(1, len(undisturbed.writes) + 1):
            made.killed("writes", at)
        for at in range(1, len(undisturbed.others) + 1):
            made.killed("others", at)
