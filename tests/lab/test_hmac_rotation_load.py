"""The key for callbacks is rotated a hundred times, under load and through crashes: no signed request is refused.

A rotation asks for some hundred and fifty things, on both sides. A process that is killed leaves what its writes have
left: a kill right after each write, in turn, meets every state that a kill at any request can leave. Answers are lost
at each write, in turn, too; what is read is read again (tests/lab/test_retry_over_the_wire.py), and of the log's own
deliveries nothing depends (tests/lab/test_log_delivery.py). Here the customer's phases run in the process of the
publisher's command; tests/end_to_end/test_rotation.py has them as jobs.
"""

import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import requests

from runbook_lib.callback_signer import SigningKey
from tests.lab.publisher_side import PublisherSide, publisher_side
from tests.lab.rotation_process import GRACE_SECONDS, Ended, rotate
from tests.lab.running_lab import LabUnderTest
from tests.lab.signing_clients import key_in_use, ping, signing

PROCESSES = 2
# How long each client keeps a key, in seconds: well within the grace.
CACHES = (0.0, GRACE_SECONDS / 4)
ROTATIONS = 100
KILLED = -9
# Of the requests that met no refusal: a machine that is overloaded may hold a client up for longer than the grace.
MAX_LATE_SHARE = 0.02


class Rotations:
    """Rotations one after the other, each checked when it has ended."""

    def __init__(self, lab: LabUnderTest, side: PublisherSide, folder: Path) -> None:
        self.lab, self.side, self.folder = lab, side, folder
        self.instance_id = side.settings.instance_id
        self.completed = 0
        self.keys: list[SigningKey] = []

    def complete(self, ended: Ended) -> None:
        """Both sides agree on one current key, and the former one is refused."""
        assert ended.exit_code == 0, ended.said
        self.completed += 1
        key = key_in_use(self.lab)
        records = self.side.keys.of_instance(self.instance_id)
        assert [(each.key_id, each.state) for each in records if each.state != "retired"] == [(key.key_id, "current")]
        assert ended.rotation == {"number": self.completed, "key_id": key.key_id, "open": False}, ended.said
        with requests.Session() as session:
            if self.keys:
                assert self.keys[-1].key_id != key.key_id
                assert ping(self.lab, session, self.instance_id, self.keys[-1]) == 401
            assert ping(self.lab, session, self.instance_id, key) == 200
        self.keys.append(key)

    def rotate(self) -> Ended:
        """Make one undisturbed rotation."""
        ended = rotate(self.lab, self.folder)
        self.complete(ended)
        return ended


@contextmanager
def rotations(lab: LabUnderTest, folder: Path) -> Iterator[Rotations]:
    """Provision the first key, and rotate under load."""
    lab.control("POST", "/publisher-api", {"processes": PROCESSES})
    with publisher_side(lab) as side:
        made = Rotations(lab, side, folder)
        made.rotate()
        with signing(lab, caches=CACHES, grace_seconds=GRACE_SECONDS) as load:
            started = time.monotonic()
            yield made
            seconds = time.monotonic() - started
        total = sum(load.statuses.values())
        print(f"{made.completed} rotations in {seconds:.0f} s, {total} requests, {load.late} late")  # noqa: T201
        assert load.refused == []
        assert load.late <= total * MAX_LATE_SHARE
        assert len(load.keys) > made.completed / 2  # it was under load
        assert total > made.completed


def test_a_rotation_that_is_killed_after_any_write_is_finished_by_the_next_run(
    lab: LabUnderTest, tmp_path: Path
) -> None:
    with rotations(lab, tmp_path) as made:
        writes = made.rotate().writes
        for at in range(1, len(writes) + 1):
            killed = rotate(lab, tmp_path, trouble="kill", at=at)
            assert killed.exit_code == KILLED, f"{at} of {writes}: {killed.said}"
            last = made.side.hmac_rotation().newest
            assert last is not None
            if last.number > made.completed and not last.open:
                made.completed += 1  # it was over, but for what a log is told
                made.keys.append(key_in_use(lab))
            else:
                made.complete(rotate(lab, tmp_path))
        while made.completed < ROTATIONS // 2:
            made.rotate()


def test_a_rotation_gets_over_every_lost_answer(lab: LabUnderTest, tmp_path: Path) -> None:
    with rotations(lab, tmp_path) as made:
        writes = made.rotate().writes
        for at in range(1, len(writes) + 1):
            ended = rotate(lab, tmp_path, trouble="lose", at=at)
            (fault,) = lab.control("GET", "/faults")["faults"]
            lab.control("DELETE", "/faults")
            assert fault["applied"] == 1, f"{at} of {writes}"
            made.complete(ended if ended.exit_code == 0 else rotate(lab, tmp_path))
        while made.completed < ROTATIONS // 2:
            made.rotate()
