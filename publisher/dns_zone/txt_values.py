"""Add and remove single values of a TXT record set that several writers share. The other values stay.

Two orders for one name, and people, may write to `_acme-challenge` at the same time. Each write names the version of
the set that was read. If this version is not the newest any more, the set is read again.
"""

from dataclasses import dataclass, replace
from typing import Literal

from publisher.dns_zone.record_sets import TXT_STRING_CHARACTERS, RecordSet, RecordSets
from runbook_lib.errors import publisher

# Seconds. A validation ends within minutes, and then the value is removed. So no resolver needs to keep it for long.
TTL_SECONDS = 60
# How often a set is read again because somebody else changed it in between. Orders for one name are few.
TRIES = 8
# A set holds at most 20 records (learn azure-subscription-service-limits, "Azure DNS limits").
MAX_RECORDS = 20

Presence = Literal["present", "absent"]


@dataclass(frozen=True, slots=True, kw_only=True)
class TxtValue:
    """One value at one name.

    Attributes:
        name: The name of the record set below the zone.
        value: The value, in printable ASCII.
    """

    name: str
    value: str


def presence(found: RecordSet | None, value: str) -> Presence:
    """Return whether a record set has a value. found: None if there is no set. Pure."""
    return "present" if found is not None and value in found.values else "absent"


def with_value(found: RecordSet | None, wanted: TxtValue) -> RecordSet | None:
    """Return the record set with the wanted value and all its other values, None if it has the value already. Pure.

    Raises:
        RunbookError: VD-DNS-004 if the set is full.
    """
    if found is None:
        return RecordSet(type="TXT", name=wanted.name, ttl=TTL_SECONDS, records=(_strings(wanted.value),))
    if wanted.value in found.values:
        return None
    if len(found.records) >= MAX_RECORDS:
        raise publisher.TXT_SET_FULL.error(f"it has {len(found.records)} values", target=f"TXT {wanted.name}")
    return replace(found, records=(*found.records, _strings(wanted.value)))


def without_value(found: RecordSet | None, unwanted: TxtValue) -> RecordSet | None:
    """Return the record set without a value, None if it does not have the value. Pure.

    If the result has no records, the set must be deleted.
    """
    if found is None or unwanted.value not in found.values:
        return None
    kept = tuple(record for record, value in zip(found.records, found.values, strict=True) if value != unwanted.value)
    return replace(found, records=kept)


class TxtValues:
    """Adds, removes and sees single values. An Action can use each method.

    Raises:
        azure.core's errors: ARM cannot be reached, fails, or refuses the login.
        RunbookError: VD-DNS-003 if somebody else changes the set again and again.
    """

    def __init__(self, record_sets: RecordSets) -> None:
        """Keep the zone's record sets."""
        self._record_sets = record_sets

    def see(self, value: TxtValue) -> Presence:
        """Return whether Azure DNS has the value. The name servers may serve it later."""
        return presence(self._read(value), value.value)

    def add(self, value: TxtValue) -> None:
        """Add the value if it is absent. Raises RunbookError VD-DNS-004 if the set is full."""
        for _ in range(TRIES):
            wanted = with_value(self._read(value), value)
            if wanted is None or self._record_sets.write(wanted):
                return
        raise publisher.RECORD_SET_CHANGED.error(target=f"TXT {value.name}")

    def remove(self, value: TxtValue) -> None:
        """Remove the value if it is there. If it is the last value, delete the record set."""
        for _ in range(TRIES):
            kept = without_value(self._read(value), value)
            if kept is None or (self._record_sets.write(kept) if kept.records else self._record_sets.delete(kept)):
                return
        raise publisher.RECORD_SET_CHANGED.error(target=f"TXT {value.name}")

    def _read(self, value: TxtValue) -> RecordSet | None:
        return self._record_sets.read("TXT", value.name)


def _strings(value: str) -> tuple[str, ...]:
    """Return a value as the strings of one TXT record."""
    starts = range(0, len(value), TXT_STRING_CHARACTERS)
    return tuple(value[start : start + TXT_STRING_CHARACTERS] for start in starts) or ("",)
