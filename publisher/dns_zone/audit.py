"""Find the records of the zone that belong to no instance. Pure.

Azure gives the address of a deleted gateway to somebody else. If a record still leads to this address, the new owner of
the address controls the name. They can get a certificate for it, and the cookies of its visitors (learn
security/fundamentals/subdomain-takeover).

An instance owns the A record of its host and the TXT records of its certificate's challenge. The publisher also has
records of its own, for example for its web site. A mark in their metadata says what they are for. The mark is in the
zone itself, so there is no second list that could be out of date.
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass

from publisher.dns_zone.host_record import PURPOSE, is_own, shown
from publisher.dns_zone.place import APEX
from publisher.dns_zone.record_sets import RecordSet, RecordType

CHALLENGE = "_acme-challenge"
# A record of one of these types can give the control of a name to somebody else. An NS record gives away all names
# below its name, too.
WATCHED: tuple[RecordType, ...] = ("A", "AAAA", "CNAME", "NS", "TXT")


@dataclass(frozen=True, slots=True, kw_only=True)
class Finding:
    """A record set that belongs to no instance, or that is not as the suite wrote it for its instance.

    Attributes:
        type: The type of its records.
        name: Its name below the zone.
        leads_to: Its records in one text.
        why: Why it is a finding, in words for people.
    """

    type: RecordType
    name: str
    leads_to: str
    why: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Audit:
    """The result of an audit.

    Attributes:
        findings: The record sets that are findings.
        owned: The number of record sets that belong to instances.
        marked: The purposes of the publisher's own record sets, by type and name.
    """

    findings: tuple[Finding, ...]
    owned: int
    marked: Mapping[tuple[RecordType, str], str]


def audit(found: Iterable[RecordSet], owners: Mapping[str, str]) -> Audit:
    """Judge the record sets of a zone.

    Args:
        found: The record sets.
        owners: The ids of the instances, by the names of their hosts below the zone.
    """
    findings: list[Finding] = []
    marked: dict[tuple[RecordType, str], str] = {}
    owned = 0
    for each in found:
        if each.type not in WATCHED or (each.type == "NS" and each.name == APEX):
            continue
        if each.metadata.get(PURPOSE):
            marked[each.type, each.name] = each.metadata[PURPOSE]
            continue
        why = _why(each, owners)
        if why:
            findings.append(Finding(type=each.type, name=each.name, leads_to=shown(each), why=why))
        else:
            owned += 1
    return Audit(findings=tuple(findings), owned=owned, marked=marked)


def _why(found: RecordSet, owners: Mapping[str, str]) -> str:
    """Return why a record set is a finding, "" if an instance owns it."""
    if found.type == "TXT" and found.name.removeprefix(f"{CHALLENGE}.") in owners and found.name not in owners:
        return ""
    owner = owners.get(found.name)
    if owner is None:
        return "no instance has this name"
    if found.type != "A":
        return f"it stands beside the record of instance {owner}, and the suite did not make it"
    if not is_own(found, owner):
        return f"it is the name of instance {owner}, and somebody else made the record or changed it"
    return ""
