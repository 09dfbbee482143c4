"""Read and write the record sets of a zone under their ETags.

A write replaces a whole record set. So each write names the version of the set that it replaces, or says that there is
no such set.
Source: learn dns/dns-zones-records, "Etags"; rest/api/dns/record-sets, api-version 2018-05-01.
"""

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Literal, get_args

from publisher.dns_zone.place import APEX, DnsZone
from runbook_lib.network.listing import bounded

if TYPE_CHECKING:
    from azure.mgmt.dns import DnsManagementClient

RecordType = Literal["A", "AAAA", "CAA", "CNAME", "NS", "TXT"]
TYPES: tuple[RecordType, ...] = get_args(RecordType)
# A string of a TXT record has at most 255 bytes (RFC 1035, 3.3).
TXT_STRING_CHARACTERS = 255
_PRECONDITION_FAILED = 412


@dataclass(frozen=True, slots=True, kw_only=True)
class RecordSet:
    """The records of one type at one name.

    Attributes:
        type: The type of its records.
        name: Its name below the zone, "@" for the zone's own name.
        ttl: How many seconds a resolver may keep it.
        records: The texts of each record. A TXT record has one or more strings, a CAA record has flags, tag and value,
            and a record of any other type has one text.
        metadata: Names and values that Azure keeps with the set. No name server shows them.
        alias: The ARM id of the resource whose address the set follows, "" for none.
        etag: The version of the set that was read, "" for a set that is not there yet.
    """

    type: RecordType
    name: str
    ttl: int
    records: tuple[tuple[str, ...], ...]
    metadata: Mapping[str, str] = field(default_factory=dict)
    alias: str = ""
    etag: str = field(default="", compare=False)

    @property
    def values(self) -> tuple[str, ...]:
        """Each record as one text. Strings of a TXT record are joined without a space (RFC 7208, 3.3)."""
        return tuple(("" if self.type == "TXT" else " ").join(record) for record in self.records)


class RecordSets:
    """The record sets of one zone. Raises azure.core's errors if ARM cannot be reached, fails, or refuses the login."""

    def __init__(self, zone: DnsZone, client: "DnsManagementClient") -> None:
        """Keep the zone and the client of its subscription."""
        self.zone = zone
        self._client = client
        self._at = (zone.resource_group, zone.name)

    def read(self, kind: RecordType, name: str) -> RecordSet | None:
        """Return a record set, None if there is none."""
        found = self._read(kind, name)
        if found is None:
            self._zone()  # this raises an error if the zone itself is absent
        return found

    def all(self) -> Iterator[RecordSet]:
        """Yield the record sets of TYPES. Raises RunbookError VD-STORAGE-005 if there are far too many."""
        return self._listed(None)

    def at_and_below(self, name: str) -> Iterator[RecordSet]:
        """Yield the record sets of TYPES at a name and below it. Raises the same as `all`.

        Azure documents that a list for a suffix has only the names that end with a dot and the suffix.
        """
        yield from (found for kind in TYPES if (found := self._read(kind, name)) is not None)
        yield from (found for found in self._listed(name) if found.name.endswith(f".{name}"))

    def _read(self, kind: RecordType, name: str) -> RecordSet | None:
        from azure.core.exceptions import ResourceNotFoundError

        try:
            return _record_set(self._client.record_sets.get(*self._at, name, kind))
        except ResourceNotFoundError:
            return None

    def _listed(self, suffix: str | None) -> Iterator[RecordSet]:
        listed = self._client.record_sets.list_by_dns_zone(*self._at, recordsetnamesuffix=suffix)
        for found in bounded(listed, target=f"zone {self.zone.name}"):
            if _type_of(found) in TYPES:
                yield _record_set(found)

    def write(self, wanted: RecordSet) -> bool:
        """Write a record set in place of the version that its `etag` names. Without an `etag`, write a new set.

        Returns:
            False if another version is there now. A write whose answer is lost is sent again, and this also returns
            False. In this case the set that is there is the wanted one.
        """
        condition = {"if_match": wanted.etag} if wanted.etag else {"if_none_match": "*"}
        body = _model(wanted)
        return _carried_out(
            lambda: self._client.record_sets.create_or_update(*self._at, wanted.name, wanted.type, body, **condition)
        )

    def delete(self, found: RecordSet) -> bool:
        """Delete the version of a record set that was read. Returns False if another version, or none, is there now."""
        return _carried_out(
            lambda: self._client.record_sets.delete(*self._at, found.name, found.type, if_match=found.etag)
        )

    def name_servers(self) -> tuple[str, ...]:
        """Return the hosts of the zone's own name servers from ARM, without a final dot."""
        return tuple(str(each).rstrip(".") for each in self._zone().name_servers or ())

    def _zone(self) -> Any:
        return self._client.zones.get(*self._at)


def _carried_out(request: Callable[[], object]) -> bool:
    from azure.core.exceptions import HttpResponseError

    try:
        request()
    except HttpResponseError as error:
        if error.status_code == _PRECONDITION_FAILED:
            return False
        raise
    return True


def _type_of(found: Any) -> str:
    """Return the type of a record set. ARM writes it as Microsoft.Network/dnsZones/TXT."""
    return str(found.type or "").rpartition("/")[2].upper()


def _record_set(found: Any) -> RecordSet:
    kind: Any = _type_of(found)
    return RecordSet(
        type=kind,
        name=str(found.name or APEX).lower(),
        ttl=int(found.ttl or 0),
        records=tuple(_records(found, kind)),
        metadata={str(name): str(value) for name, value in (found.metadata or {}).items()},
        alias=str(found.target_resource.id or "") if found.target_resource else "",
        etag=str(found.etag or ""),
    )


def _records(found: Any, kind: RecordType) -> Iterator[tuple[str, ...]]:
    if kind == "A":
        yield from ((str(each.ipv4_address),) for each in found.a_records or ())
    elif kind == "AAAA":
        yield from ((str(each.ipv6_address),) for each in found.aaaa_records or ())
    elif kind == "NS":
        yield from ((str(each.nsdname),) for each in found.ns_records or ())
    elif kind == "CNAME" and found.cname_record is not None:
        yield (str(found.cname_record.cname),)
    elif kind == "TXT":
        yield from (tuple(map(str, each.value or ())) for each in found.txt_records or ())
    elif kind == "CAA":
        yield from ((str(each.flags), str(each.tag), str(each.value)) for each in found.caa_records or ())


def _model(wanted: RecordSet) -> Any:
    from azure.mgmt.dns import models

    made = models.RecordSet(ttl=wanted.ttl, metadata=dict(wanted.metadata) or None)
    if wanted.type == "A":
        made.a_records = [models.ARecord(ipv4_address=address) for (address,) in wanted.records]
    elif wanted.type == "TXT":
        made.txt_records = [models.TxtRecord(value=list(strings)) for strings in wanted.records]
    else:
        raise ValueError(f"the suite writes no record set of type {wanted.type}")
    return made
