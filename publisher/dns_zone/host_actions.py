"""Read a host's record sets, write them under the ETag that was read, and see them at the zone's own name servers."""

from collections.abc import Sequence
from typing import Any

from publisher.dns_zone.host_record import CLEAR, INSTANCE, NONE, POINT, shown, state
from publisher.dns_zone.name_servers import wait_until_served
from publisher.dns_zone.record_sets import RecordSet, RecordSets, RecordType
from runbook_lib.basics.clock import Clock
from runbook_lib.change import Action
from runbook_lib.errors import publisher

HOST_TYPES: tuple[RecordType, ...] = ("A", "AAAA", "CNAME")


class Host:
    """The hosts of one zone.

    Raises:
        azure.core's errors: ARM cannot be reached, fails, or refuses the login.
        RunbookError: VD-DNS-003 if somebody else has changed a record set, VD-DNS-005 if the name servers do not serve
            the record.
    """

    def __init__(self, record_sets: RecordSets, clock: Clock) -> None:
        """Keep the zone's record sets."""
        self._record_sets = record_sets
        self._clock = clock

    def found(self, name: str, types: Sequence[RecordType] = HOST_TYPES) -> tuple[RecordSet, ...]:
        """Return the record sets of these types at a name."""
        read = (self._record_sets.read(kind, name) for kind in types)
        return tuple(each for each in read if each is not None)

    def actions(self) -> Sequence[Action[Any]]:
        """Return how each kind of change is made and seen."""
        return (Action(CLEAR, self._clear, see=self._see), Action(POINT, self._point, see=self._see_served))

    def _clear(self, found: RecordSet) -> None:
        if not self._record_sets.delete(found):
            raise publisher.RECORD_SET_CHANGED.error(target=f"{found.type} {found.name}")

    def _point(self, wanted: RecordSet) -> None:
        if not self._record_sets.write(wanted):
            raise publisher.RECORD_SET_CHANGED.error(target=f"{wanted.type} {wanted.name}")

    def _see(self, subject: RecordSet) -> str:
        there = self._record_sets.read(subject.type, subject.name)
        return NONE if there is None else shown(there)

    def _see_served(self, wanted: RecordSet) -> str | None:
        """Return where the record leads, after the name servers say the same. Clients ask the name servers."""
        there = state(self._record_sets.read(wanted.type, wanted.name), wanted.metadata[INSTANCE])
        if there == shown(wanted):
            host = self._record_sets.zone.host(wanted.name)
            for value in wanted.values:
                wait_until_served(self._record_sets.name_servers(), host, wanted.type, value, clock=self._clock)
        return there
