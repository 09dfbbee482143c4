"""The one rotation that a run drives. A run continues it or begins it, reads it before each step, and ends it.

The rotations of a key and of a token both use this module. It notices what somebody else records in between.
"""

import uuid
from collections.abc import Callable
from dataclasses import replace

from publisher.rotation.plan import RotationRequest, begins
from publisher.rotation.record import Rotation, RotationRecords
from runbook_lib.basics.clock import Clock, rfc3339
from runbook_lib.errors import publisher
from runbook_lib.rotation.states import REACHED, Phase

# Returns this number of unpredictable bytes.
Random = Callable[[int], bytes]
# The row of a rotation remembers this number of abandoned rotations before it, because one of their jobs may be late.
MAX_GIVEN_UP = 20


class DrivenRotation:
    """One run's rotation of one instance. Raises azure.core's errors if the records cannot be reached."""

    def __init__(
        self, *, records: RotationRecords, instance_id: str, request: RotationRequest, clock: Clock, random: Random
    ) -> None:
        self._records = records
        self._instance_id = instance_id
        self._request = request
        self._clock = clock
        self._new_id = str(uuid.UUID(bytes=random(16), version=4))
        self._id = ""

    @property
    def id(self) -> str:
        """The id of this run's rotation, "" for none yet."""
        return self._id

    @property
    def new_id(self) -> str:
        """The id for a new rotation."""
        return self._new_id

    def newest(self) -> Rotation | None:
        """Return the instance's last rotation, as it is recorded now."""
        return self._records.newest(self._instance_id)

    def take_up(self, newest: Rotation | None) -> None:
        """Drive the open rotation, unless the request asks for a new one.

        Raises what publisher.rotation.plan.begins raises.
        """
        if newest is not None and not self._id and not begins(self._request, newest, self._id):
            self._id = self._request.only or newest.rotation_id

    def new(self, newest: Rotation | None, *, credential_id: str, slot: str = "") -> Rotation:
        """Return a new rotation that follows `newest`."""
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
            overlap_seconds=self._request.overlap_seconds,
            supersedes=given_up[:MAX_GIVEN_UP],
            started_at=rfc3339(self._clock.now()),
        )

    def begin(self, rotation: Rotation) -> Rotation | None:
        """Record a new rotation. Return the rotation to drive: another one, if somebody else was first."""
        self._records.begin(rotation)
        newest = self.newest()
        self._id = "" if newest is None else newest.rotation_id
        return newest

    def recorded(self) -> Rotation:
        """Return this run's rotation, as it is recorded now. Raises RunbookError VD-ROTATION-034."""
        newest = self.newest()
        if newest is None or newest.rotation_id != self._id:
            raise publisher.OVERTAKEN.error(target=self._id)
        return newest

    def end(self) -> None:
        """Record that the rotation is over. Raises RunbookError VD-ROTATION-034."""
        rotation = self.recorded()
        if rotation.open and not self._records.change(replace(rotation, ended_at=rfc3339(self._clock.now()))):
            raise publisher.OVERTAKEN.error(target=self._id)

    def see_begun(self, new: Rotation) -> str | None:
        """Return whether `new`, or another rotation in its place, was begun."""
        newest = self.newest()
        # If two operators begin one, only one succeeds, and both drive the same rotation.
        return "open" if newest is not None and newest.number >= new.number else None

    def see_ended(self, _rotation: Rotation) -> str | None:
        """Return whether the last rotation is over."""
        newest = self.newest()
        return None if newest is None else "open" if newest.open else "over"

    def see_reached(self, phase: Phase) -> str | None:
        """Return the customer's state. If it is beyond the phase, return the phase's own state."""
        newest = self.newest()
        if newest is None:
            return None
        return REACHED[phase] if newest.reached(REACHED[phase]) else newest.customer
