"""The record sets of one public DNS zone, as Azure DNS keeps them: types, limits, ETags. Pure; the clock is given.

Faithful: names and types are compared without case; `@` is the zone itself; each write makes a new ETag; If-Match and
`If-None-Match: *` (412 when the condition fails); no two equal records in a set; no other record set has the name of a
CNAME; the zone's own SOA and NS cannot be deleted; at most 255 characters in a TXT string and 4,096 in a TXT set;
at most 10,000 record sets in a zone and 20 records in a set; 200 new and 200 deleted record sets a minute, then 429. An
MX, PTR or SRV record and an alias (`targetResource`) are refused. Not documented, so chosen here: the codes for a
duplicate, for a conflict with a CNAME, for one record set too many, and for the 429.

Sources: learn dns/dns-zones-records ("Etags", "TTL", "Record types"), dns/dns-alias, azure-subscription-service-limits
(public DNS zones); azure-mgmt-dns 9.0.0; messages as users quote them (Azure/azure-cli#10467,
Azure/azure-xplat-cli#1769).
"""

import ipaddress
import math
import re
import uuid
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from lab.sliding_window import SlidingWindow

APEX = "@"
MAX_TTL_SECONDS = 2_147_483_647
MAX_RECORD_SETS, MAX_RECORDS = 10_000, 20
MAX_TXT_STRING, MAX_TXT_CHARACTERS = 255, 4_096
MAX_CAA_VALUE = 1_024
CHANGES_A_MINUTE, MINUTE_SECONDS = 200, 60.0
NAME = re.compile(r"(?:\*|[a-z0-9_](?:[a-z0-9_-]{0,61}[a-z0-9_])?)(?:\.[a-z0-9_](?:[a-z0-9_-]{0,61}[a-z0-9_])?)*")
HOST = re.compile(r"(?:[A-Za-z0-9_](?:[A-Za-z0-9_-]{0,61}[A-Za-z0-9_])?\.)*[A-Za-z0-9_-]+\.?")
CAA_TAGS = ("issue", "issuewild", "iodef")

# A record as ARM shows it, e.g. {"ipv4Address": "192.0.2.1"}.
Record = Mapping[str, object]


@dataclass(frozen=True, slots=True)
class RecordType:
    """A type of record. field: ARM's name of its records. fields: those of one record. single: the set has one record.

    deletable: whether the zone's own set of this type can be deleted.
    """

    field: str
    fields: tuple[str, ...]
    single: bool = False
    deletable: bool = True


TYPES: Mapping[str, RecordType] = {
    "A": RecordType("ARecords", ("ipv4Address",)),
    "AAAA": RecordType("AAAARecords", ("ipv6Address",)),
    "CAA": RecordType("caaRecords", ("flags", "tag", "value")),
    "CNAME": RecordType("CNAMERecord", ("cname",), single=True),
    "NS": RecordType("NSRecords", ("nsdname",), deletable=False),
    "SOA": RecordType(
        "SOARecord",
        ("host", "email", "serialNumber", "refreshTime", "retryTime", "expireTime", "minimumTTL"),
        single=True,
        deletable=False,
    ),
    "TXT": RecordType("TXTRecords", ("value",)),
}


class DnsRefusedError(Exception):
    """Azure DNS refuses a request: HTTP status, code and message; `retry_after` in whole seconds, 0 for none."""

    def __init__(self, status: int, code: str, message: str, *, retry_after: int = 0) -> None:
        """Keep the parts."""
        super().__init__(f"{status} {code}: {message}")
        self.status, self.code, self.message, self.retry_after = status, code, message, retry_after


@dataclass(frozen=True, slots=True, kw_only=True)
class RecordSet:
    """The records of one type at one name. name: below the zone, in lower case. ttl: in seconds."""

    type: str
    name: str
    ttl: int
    records: tuple[Record, ...]
    metadata: Mapping[str, str] = field(default_factory=dict)
    etag: str = field(default_factory=lambda: str(uuid.uuid4()))


@dataclass(frozen=True, slots=True)
class Condition:
    """The headers If-Match and If-None-Match of a write; "" if the request does not have the header."""

    if_match: str = ""
    if_none_match: str = ""

    def check(self, found: RecordSet | None) -> None:
        """Raise DnsRefusedError 412 unless the record set, None if there is none, meets the condition."""
        if self.if_none_match == "*" and found is not None:
            raise _precondition("The condition '*' in the If-None-Match header was not satisfied.")
        if not self.if_match:
            return
        if found is None or self.if_match not in ("*", found.etag):
            current = found.etag if found else ""
            message = f"The condition '{self.if_match}' in the If-Match header was not satisfied. The current was"
            raise _precondition(f"{message} '{current}'.")


class Zone:
    """The record sets of one zone, by type and name."""

    def __init__(self, *, name: str, own: Sequence[RecordSet]) -> None:
        """Start with the zone's `own` record sets: SOA and NS. `name` is the zone's, without a final dot."""
        self.name = name
        self._own = tuple(own)
        self.record_sets: dict[tuple[str, str], RecordSet] = {}
        self._created = SlidingWindow(limit=CHANGES_A_MINUTE)
        self._deleted = SlidingWindow(limit=CHANGES_A_MINUTE)
        self.clear()

    def clear(self) -> None:
        """Go back to the start."""
        self.record_sets = {(one.type, one.name): one for one in self._own}
        self._created.clear()
        self._deleted.clear()

    def get(self, kind: str, name: str) -> RecordSet:
        """Return a record set; DnsRefusedError 404 if there is none."""
        found = self.record_sets.get(_key(kind, name))
        if found is None:
            raise DnsRefusedError(404, "NotFound", f"The resource record '{name}' does not exist in resource group.")
        return found

    def listing(self, *, kind: str = "", suffix: str = "") -> list[RecordSet]:
        """Return the record sets of a type ("": all), sorted by name.

        suffix: If not "", return only the names that end with a dot and these labels, as Azure documents it.
        """
        wanted = suffix.lower().strip(".")
        return [
            one
            for (of, name), one in sorted(self.record_sets.items(), key=lambda item: (item[0][1], item[0][0]))
            if (not kind or of == kind.upper()) and (not wanted or name.endswith(f".{wanted}"))
        ]

    def put(self, new: RecordSet, condition: Condition, *, now: float) -> bool:
        """Keep a record set and tell whether it is new; DnsRefusedError if Azure DNS does not take it.

        now: seconds since the epoch.
        """
        found = self.record_sets.get((new.type, new.name))
        condition.check(found)
        check_record_set(new)
        self._check_alias_of_name(new)
        if found is None:
            if new.type == "SOA":
                raise DnsRefusedError(400, "BadRequest", "Record sets of type 'SOA' cannot be created.")
            if len(self.record_sets) >= MAX_RECORD_SETS:
                message = f"The zone '{self.name}' has reached its limit of {MAX_RECORD_SETS} record sets."
                raise DnsRefusedError(400, "TooManyRecordSets", message)
            _count(self._created, now, "create")
        self.record_sets[new.type, new.name] = new
        return found is None

    def delete(self, kind: str, name: str, condition: Condition, *, now: float) -> bool:
        """Delete a record set and tell whether there was one; DnsRefusedError if it must stay."""
        key = _key(kind, name)
        found = self.record_sets.get(key)
        condition.check(found)
        if found is None:
            return False
        if name == APEX and not TYPES[key[0]].deletable:
            message = f"The record set of type '{key[0]}' at the root of the zone cannot be deleted."
            raise DnsRefusedError(400, "BadRequest", message)
        _count(self._deleted, now, "delete")
        del self.record_sets[key]
        return True

    def _check_alias_of_name(self, new: RecordSet) -> None:
        others = {kind for kind, name in self.record_sets if name == new.name and kind != new.type}
        if (new.type == "CNAME" and (others or new.name == APEX)) or "CNAME" in others:
            message = f"A record set of type 'CNAME' cannot co-exist with other record sets with the name '{new.name}'."
            raise DnsRefusedError(400, "CnameRecordSetConflict", message)


def read_name(name: str) -> str:
    """Return a record set's name in lower case; DnsRefusedError 400 if no record can have it."""
    lowered = name.lower()
    if lowered != APEX and (NAME.fullmatch(lowered) is None or len(lowered) > 253):
        raise DnsRefusedError(400, "BadRequest", f"The domain name '{name}' is invalid.")
    return lowered


def read_type(kind: str) -> str:
    """Return a record type in upper case; DnsRefusedError 400 if the lab does not have it."""
    if kind.upper() not in TYPES:
        raise DnsRefusedError(400, "BadRequest", f"The record type '{kind}' is not supported.")
    return kind.upper()


def check_record_set(new: RecordSet) -> None:
    """Raise DnsRefusedError 400 for a TTL, a number of records or a record that Azure DNS does not take."""
    kind = TYPES[new.type]
    if not 1 <= new.ttl <= MAX_TTL_SECONDS:
        raise DnsRefusedError(400, "BadRequest", f"The value '{new.ttl}' of 'TTL' must be 1 to {MAX_TTL_SECONDS}.")
    if len(new.records) > MAX_RECORDS:
        message = f"A record set may have {MAX_RECORDS} records at most; this one has {len(new.records)}."
        raise DnsRefusedError(400, "BadRequest", message)
    values = [tuple(str(record.get(name)) for name in kind.fields) for record in new.records]
    if len(set(values)) < len(values):
        message = f"The list of record sets of type '{new.type}' may not contain multiple entries with the same"
        raise DnsRefusedError(400, "BadRequest", f"{message} '{kind.fields[-1]}'.")
    for record in new.records:
        if not _fits(new.type, record):
            raise DnsRefusedError(400, "BadRequest", f"A record of type '{new.type}' is invalid.")
    if new.type == "TXT" and sum(len(text) for value in values for text in value) > MAX_TXT_CHARACTERS:
        message = f"The TXT record set has more than {MAX_TXT_CHARACTERS} characters."
        raise DnsRefusedError(400, "BadRequest", message)


def _fits(kind: str, record: Record) -> bool:
    value = record.get(TYPES[kind].fields[0])
    if kind == "TXT":
        return isinstance(value, list) and bool(value) and all(map(_is_txt_string, value))
    if kind == "CAA":
        text = record.get("value")
        is_flag = isinstance(value, int) and 0 <= value <= 255
        return is_flag and record.get("tag") in CAA_TAGS and isinstance(text, str) and 0 < len(text) <= MAX_CAA_VALUE
    if kind in ("A", "AAAA"):
        return isinstance(value, str) and _is_address(value, 4 if kind == "A" else 6)
    return isinstance(value, str) and HOST.fullmatch(value) is not None


def _is_txt_string(value: object) -> bool:
    return isinstance(value, str) and len(value) <= MAX_TXT_STRING and value.isascii()


def _is_address(value: str, version: int) -> bool:
    try:
        return ipaddress.ip_address(value).version == version
    except ValueError:
        return False


def _key(kind: str, name: str) -> tuple[str, str]:
    return read_type(kind), read_name(name)


def _precondition(message: str) -> DnsRefusedError:
    return DnsRefusedError(412, "PreconditionFailed", message)


def _count(window: SlidingWindow, now: float, what: str) -> None:
    wait = window.wait_seconds(now=now, seconds=MINUTE_SECONDS)
    if wait > 0:
        message = f"More than {CHANGES_A_MINUTE} requests to {what} record sets of the zone came in a minute."
        raise DnsRefusedError(429, "TooManyRequests", message, retry_after=math.ceil(wait))
