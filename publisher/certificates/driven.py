"""The one issuance that a run drives. The run begins it or continues it, and reads it before each step.

So the run notices each change that somebody else records.
"""

import uuid
from collections.abc import Callable
from dataclasses import replace
from typing import Any

from publisher.certificates.plan import IssuanceRequest, is_followed
from publisher.certificates.record import Issuance, Issuances
from publisher.rotation.driven import Random
from runbook_lib.basics.clock import Clock, rfc3339
from runbook_lib.errors import publisher, tls


class DrivenIssuance:
    """The issuance of one instance that one run drives.

    Args:
        issuances: The records.
        instance_id: The instance.
        host: The instance's public name.
        clock: Gives the time.
        random: Returns random bytes.
        request: The operator's request.
        authority: The host of the certificate authority.

    Attributes:
        id: The id of the issuance, "" as long as the run drives none.

    Raises:
        azure.core's errors: The records cannot be reached.
    """

    def __init__(
        self,
        *,
        issuances: Issuances,
        instance_id: str,
        host: str,
        clock: Clock,
        random: Random,
        request: IssuanceRequest,
        authority: str,
    ) -> None:
        self._issuances = issuances
        self._instance_id = instance_id
        self._host = host
        self._clock = clock
        self._request = request
        self._authority = authority
        self._new_id = str(uuid.UUID(bytes=random(16), version=4))
        self.id = ""

    def newest(self) -> Issuance | None:
        """Return the instance's last issuance as it is recorded now. If it is open and no other follows, drive it."""
        newest = self._issuances.newest(self._instance_id)
        if newest is None or self.id or not newest.open:
            return newest
        # One for a former host is ended before another one follows it.
        if newest.host != self._host or not is_followed(newest, self._clock.now(), self._request):
            self.id = newest.rotation_id
        return newest

    def new(self, newest: Issuance | None) -> Issuance:
        """Return a new issuance that follows `newest`.

        What another authority has issued does not count: each authority has limits of its own. An issuance that follows
        an overtaken one replaces nothing: another certificate has come into use, and the order counts in the limits. So
        a customer's runbook that says again and again that its rotation is over gets five certificates a week.
        """
        same = newest if newest is not None and newest.host == self._host else None
        issued = same if same is not None and same.authority in ("", self._authority) else None
        return Issuance(
            instance_id=self._instance_id,
            number=1 if newest is None else newest.number + 1,
            rotation_id=self._new_id,
            host=self._host,
            known=issued is not None and bool(issued.certificate_id or issued.known),
            renews="" if issued is None or issued.overtaken else issued.certificate_id or issued.renews,
            authority=self._authority,
            challenge="" if same is None else same.challenge,
            started_at=rfc3339(self._clock.now()),
        )

    def begin(self, new: Issuance) -> None:
        """Record a new issuance and drive it. If somebody else has begun one first, drive the other one."""
        self._issuances.begin(new)
        newest = self._issuances.newest(self._instance_id)
        self.id = "" if newest is None else newest.rotation_id

    def recorded(self) -> Issuance:
        """Return this run's issuance as it is recorded now.

        Raises:
            RunbookError: VD-ROTATION-034 if another issuance has taken its place.
        """
        newest = self._issuances.newest(self._instance_id)
        if newest is None or newest.rotation_id != self.id:
            raise publisher.OVERTAKEN.error(target=self.id)
        return newest

    def change(self, **columns: Any) -> Issuance:
        """Set columns of this run's issuance, and return it. Raises RunbookError VD-TLS-029, VD-ROTATION-034."""
        return self.update(lambda issuance: replace(issuance, **columns))

    def update(self, changed: Callable[[Issuance], Issuance]) -> Issuance:
        """Change this run's issuance with a function, and return it. Raises the same errors as `change`."""
        issuance = self.recorded()
        wanted = changed(issuance)
        if wanted != issuance:
            self.record(wanted)
        return self.recorded()

    def record(self, wanted: Issuance) -> None:
        """Record a changed issuance. Raises RunbookError VD-TLS-029 if somebody has changed it since it was read."""
        if not self._issuances.change(wanted):
            raise tls.ORDERED_BY_ANOTHER.error(target=wanted.host)

    def end(self) -> None:
        """Record that this run's issuance is over. If it was for a former host, the run goes on with the next one."""
        issuance = self.recorded()
        if issuance.open:
            self.change(ended_at=rfc3339(self._clock.now()))
        if issuance.host != self._host:
            self.id = ""

    def see_ended(self, issuance: Issuance) -> str:
        """Return whether an issuance is over."""
        newest = self._issuances.newest(self._instance_id)
        return "open" if newest is not None and newest.number == issuance.number and newest.open else "over"

    def see_begun(self, new: Issuance) -> str | None:
        """Return "open" if `new` or another issuance in its place has begun, None if not."""
        newest = self._issuances.newest(self._instance_id)
        return "open" if newest is not None and newest.number >= new.number else None
