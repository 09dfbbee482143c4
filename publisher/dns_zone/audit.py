"""Which records of the zone belong to no instance. Pure.

Azure gives the address of a deleted gateway to somebody else. A record that still leads there hands the name over to
them: they get a certificate for it, and the cookies of its visitors (learn security/fundamentals/subdomain-takeover).

An instance owns the A record of its host and the TXT records of its certificate's challenge. The publisher's own
records, such as the ones of its web site, are marked in their metadata, in the zone itself: so whoever makes a record
says what it is for, and there is no second list that could be out of date.
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass

from publisher.dns_zone.host_record import PURPOSE, is_own, shown
from publisher.dns_zone.place import APEX
from publisher.dns_zone.record_sets import RecordSet, RecordType

CHALLENGE = "_acme-challenge"
# A record of one of these types can hand a name over to somebody else. NS does so for all names below.
WATCHED: tuple[RecordType, ...] = ("A", "AAAA", "CNAME", "NS", "TXT")


@dataclass(frozen=True, slots=True, kw_only=True)
class Finding:
    """A record set that belongs to no instance, or that leads elsewhere than its instance's record did. why: a sentence
    for people.
    """

    type: RecordType
    name: str
    leads_to: str
    why: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Audit:
    """The result: what was found, how many record sets belong to instances, and the purpose of each marked one by type
    and name.
    """

    findings: tuple[Finding, ...]
    owned: int
    marked: Mapping[tuple[RecordType, str], str]


def audit(found: Iterable[RecordSet], owners: Mapping[str, str]) -> Audit:
    """Judge the record sets of a zone. owners: the instance's id by the name of its host below the zone."""
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


def challenge_name(host_name: str) -> str:
    """Return the name below the zone at which the challenge of a host's certificate is answered (RFC 8555, 8.4)."""
    return f"{CHALLENGE}.{host_name}"


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
