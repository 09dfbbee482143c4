"""Rotations of the key for callbacks under load, with crashes. No signed request may be refused meanwhile.

A rotation sends some hundred and fifty requests, on both sides. tests/wire/rotation/test_kills.py kills it after each
write in turn, and after a share of the other requests. tests/wire/rotation/test_lost_answers.py drops the answer to
each write in turn, and the answers to all other requests, several in one rotation. `make soak` does this for every
request in turn. Here the customer's phases run in the process of the publisher's command. In
tests/end_to_end/test_rotation.py they run as jobs.
"""

import time
from collections.abc import Container, Iterator
from contextlib import contextmanager
from pathlib import Path

import requests

from runbook_lib.request_signing.signer import SigningKey
from tests.support.publisher_side import PublisherSide, publisher_side
from tests.support.rotation_process import GRACE_SECONDS, Ended, Kind, rotate
from tests.support.running_lab import LabUnderTest
from tests.support.signing_clients import key_in_use, ping, signing

PROCESSES = 2
# How long each client keeps a key, in seconds. This is much shorter than the grace.
CACHES = (0.0, GRACE_SECONDS / 8, GRACE_SECONDS / 4)
# `make test` makes trouble at every write, and in this number of rotations at the other requests. `make soak` makes
# trouble at every request, which takes more than a hundred rotations.
OTHERS = 8
KILLED = -9
# The largest share of late requests. An overloaded machine may delay a client for longer than the grace.
MAX_LATE_SHARE = 0.02
# The tests take a minute, and far more on a machine that has other work.
LOAD_SECONDS = 2400
SOAK_SECONDS = 3600


class Rotations:
    """Rotations, one after the other. Each is checked at its end."""

    def __init__(self, lab: LabUnderTest, side: PublisherSide, folder: Path) -> None:
        self.lab, self.side, self.folder = lab, side, folder
        self.instance_id = side.settings.instance_id
        self.completed = 0
        self.answers_lost = 0
        self.keys: list[SigningKey] = []

    def complete(self, ended: Ended) -> None:
        """Check that both sides have the same current key, and that the former key is refused."""
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

    def killed(self, kind: Kind, at: int) -> None:
        """Kill a rotation at one request, and finish it."""
        killed = rotate(self.lab, self.folder, trouble="kill", kind=kind, at=(at,))
        if kind == "others" and killed.exit_code == 0 and len(killed.others) < at:
            return self.complete(killed)  # it made fewer looks than the counted rotation
        assert killed.exit_code == KILLED, f"{kind} {at}: {killed.said}"
        last = self.side.hmac_rotation().newest
        assert last is not None
        if last.number > self.completed and not last.open:
            self.completed += 1  # it was over, and only the log may lack its end
            return self.keys.append(key_in_use(self.lab))
        return self.complete(rotate(self.lab, self.folder))

    def losing(self, kind: Kind, at: Container[int]) -> None:
        """Make a rotation that loses its answers to some requests, and finish it if it has not ended."""
        ended = rotate(self.lab, self.folder, trouble="lose", kind=kind, at=at)
        faults = self.lab.control("GET", "/faults")["faults"]
        self.lab.control("DELETE", "/faults")
        # The last of the other requests may not be sent, if a rotation makes fewer looks than the counted one.
        assert faults or kind == "others", f"{kind} {at}: {ended.said}"
        assert all(fault["applied"] == 1 for fault in faults), f"{kind} {at}: {faults}"
        self.answers_lost += len(faults)
        self.complete(ended if ended.exit_code == 0 else rotate(self.lab, self.folder))


@contextmanager
def rotations(lab: LabUnderTest, folder: Path) -> Iterator[Rotations]:
    """Provision the first key, and yield rotations under load. At the end, check that no request was refused."""
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
        assert load.lost <= made.answers_lost
        assert load.late <= total * MAX_LATE_SHARE
        assert len(load.keys) > made.completed / 2  # clients used the new keys, so there was load
        assert total > made.completed
