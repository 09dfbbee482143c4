"""The one rotation that a run drives: taken up or begun, found again before each step, and ended.

What the runs for a key and for a token have in common. Whatever somebody else records in between is noticed.
"""

import uuid
from collections.abc import Callable
from dataclasses import replace

from publisher.rotation.plan import Phase, Request, begins
from publisher.rotation.record import Rotation, RotationRecords
from runbook_lib.basics.clock import Clock, rfc3339
from runbook_lib.errors import publisher

# Returns so many bytes that nobody can guess.
Random = Callable[[int], bytes]
# How many rotations that were given up are remembered, in the row of the one that followed: a job may be late.
MAX_GIVEN_UP = 20


class DrivenRotation:
    """One run's rotation of one instance. Raises azure.core's errors if the records cannot be reached.

    Parameters: records; instance_id; request; clock; random.
    """

    def __init__(
        self, *, records: RotationRecords, instance_id: str, request: Request, clock: Clock, random: Random
    ) -> None:
        self._records = records
        self._instance_id = instance_id
        self._request = request
        self._clock = clock
        self._new_id = str(uuid.UUID(bytes=random(16), version=4))
        self._id = ""

    @property
    def id(self) -> str:
        """The id of the rotation that is driven, "" for none yet."""
        return self._id

    @property
    def new_id(self) -> str:
        """The id of the rotation that would be begun."""
        return self._new_id

    def newest(self) -> Rotation | None:
        """Return the instance's last rotation, as it is recorded now."""
        return self._records.newest(self._instance_id)

    def take_up(self, newest: Rotation | None) -> None:
        """Drive the rotation that is open, unless another is to be begun. Raises what rotation_plan.begins does."""
        if newest is not None and not self._id and not begins(self._request, newest, self._id):
            self._id = newest.rotation_id

    def new(self, newest: Rotation | None, *, credential_id: str, slot: str = "") -> Rotation:
        """Return the rotation that would be begun after `newest`."""
        given_up = () if newest is None else newest.supersedes
        if newest is not None and newest.open:
            given_up = (newest.rotation_id, *given_up)
        return Rotation(
            instance_id=self._instance_id,
            number=1 if newest is None else newest.number + 1,
            rotation_id=self._new_id,
            credential_id=credential_id,
            slot=slot,
            emergency=self._request.emergency,
            supersedes=given_up[:MAX_GIVEN_UP],
            started_at=rfc3339(self._clock.now()),
        )

    def begin(self, rotation: Rotation) -> Rotation | None:
        """Record a new rotation, and return the one that is driven from now on: another, if somebody was first."""
        self._records.begin(rotation)
        newest = self.newest()
        self._id = "" if newest is None else newest.rotation_id
        return newest

    def recorded(self) -> Rotation:
        """Return the rotation that is driven, as it is recorded now. Raises RunbookError VD-ROTATION-034."""
        newest = self.newest()
        if newest is None or newest.rotation_id != self._id:
            raise publisher.OVERTAKEN.error(target=self._id)
        return newest

    def end(self) -> None:
        """Record that it is over. Raises RunbookError VD-ROTATION-034."""
        rotation = self.recorded()
        if rotation.open and not self._records.change(replace(rotation, ended_at=rfc3339(self._clock.now()))):
            raise publisher.OVERTAKEN.error(target=self._id)

    def see_begun(self, new: Rotation) -> str | None:
        """Return whether a rotation was begun. new: the one that was to be begun."""
        newest = self.newest()
        # Whoever has begun it: of two operators one does, and both drive the same.
        return "open" if newest is not None and newest.number >= new.number else None

    def see_ended(self, _rotation: Rotation) -> str | None:
        """Return whether the last rotation is over."""
        newest = self.newest()
        return None if newest is None else "open" if newest.open else "over"

    def see_reached(self, phase: Phase) -> str | None:
        """Return how far the customer's side is: as far as the phase comes to, if it is further."""
        newest = self.newest()
        if newest is None:
            return None
        return phase.reached if newest.reached(phase.reached) else newest.customer
