"""Decide what must change so that the A record of an instance's host leads to the instance's gateway. Pure.

The suite writes into the metadata of its record which instance owns it and which address the suite wrote. So the suite
recognizes its own record, and changes it if the gateway gets another address. If a record says anything else, somebody
else has made or changed it. The suite replaces or removes such a record only if the operator asks for that. It never
replaces the record of another instance.
"""

from collections.abc import Sequence
from dataclasses import dataclass, replace

from publisher.dns_zone.record_sets import RecordSet
from runbook_lib.basics.visible_text import one_line
from runbook_lib.change import ActionKind, NoChange, Plan
from runbook_lib.errors import publisher

# Seconds. A gateway keeps its address as long as it exists. After a change, resolvers have the new address within this
# time.
TTL_SECONDS = 300
# The names in the metadata of a record set that the suite wrote.
INSTANCE, ADDRESS = "vibedataInstance", "vibedataAddress"
# The name of the mark in a record set's metadata. Its value says what the record is for.
PURPOSE = "vibedataPurpose"
# A client that gets a record of one of these types does not reach the gateway, whatever the A record says.
IN_THE_WAY = ("AAAA", "CNAME")
NONE = "none"
NOT_OURS = "not written by the suite"
# Of an instance's id in a message.
MAX_ID = 63

# A name with a CNAME can have no other record, so records in the way are removed first. The subject is the record set
# that was read.
CLEAR: ActionKind[RecordSet] = ActionKind("remove", stage=1)
# The subject is the record set to write. Its ETag names the version that was read.
POINT: ActionKind[RecordSet] = ActionKind("point", stage=2)


@dataclass(frozen=True, slots=True, kw_only=True)
class HostFacts:
    """The facts about an instance's host.

    Attributes:
        instance_id: The instance that has the host.
        name: The name of its record sets below the zone.
        address: The public IPv4 address of the instance's gateway.
        found: The record sets of types A, AAAA and CNAME at that name.
    """

    instance_id: str
    name: str
    address: str
    found: tuple[RecordSet, ...]


def is_own(found: RecordSet, instance_id: str) -> bool:
    """Return whether the suite wrote this record set for an instance, and nobody has changed its address since."""
    written = (found.metadata.get(ADDRESS, ""),)
    return found.metadata.get(INSTANCE) == instance_id and found.records == (written,) and not found.alias


def refuse_another(found: RecordSet | None, instance_id: str) -> None:
    """Check that a host's A record set, None for none, is not another instance's.

    Raises RunbookError VD-DNS-007: the suite wrote it for another instance.
    """
    owner = "" if found is None else found.metadata.get(INSTANCE, "")
    if found is not None and owner not in ("", instance_id):
        raise publisher.NAME_OF_ANOTHER.error(f"it is the name of {one_line(owner, MAX_ID)}", target=found.name)


def shown(found: RecordSet) -> str:
    """Return the values of a record set in one text."""
    return ", ".join((*found.values, *((f"alias of {found.alias}",) if found.alias else ()))) or NONE


def state(found: RecordSet | None, instance_id: str) -> str | None:
    """Return what there is at a host: the values of its A record set, and whether somebody else made or changed it."""
    if found is None:
        return None
    return shown(found) if is_own(found, instance_id) else f"{shown(found)} ({NOT_OURS})"


def point(facts: HostFacts, *, take_over: bool) -> Plan:
    """Return the changes after which the host leads to the gateway.

    Args:
        facts: The facts about the host.
        take_over: Whether to replace records that somebody else made or changed. A record that already leads to the
            gateway also becomes the suite's record.

    Raises:
        RunbookError: VD-DNS-002 if there are such records, and `take_over` is false. VD-DNS-007 if the name is another
            instance's.
    """
    there = next((each for each in facts.found if each.type == "A"), None)
    refuse_another(there, facts.instance_id)
    in_the_way = [each for each in facts.found if each.type in IN_THE_WAY]
    right = there is not None and there.records == ((facts.address,),) and not there.alias
    elsewhere = list(in_the_way)
    if there is not None and not right and not is_own(there, facts.instance_id):
        elsewhere.append(there)
    if elsewhere and not take_over:
        detail = "; ".join(f"{each.type} {shown(each)}" for each in elsewhere)
        raise publisher.POINTS_ELSEWHERE.error(f"{detail}; the gateway is {facts.address}", target=facts.name)
    changes = [CLEAR.change(each, _target(each), shown(each), NONE) for each in in_the_way]
    before = state(there, facts.instance_id)
    # A record of somebody else may lead to the gateway, too. But the suite would not change it if the gateway got
    # another address.
    if right and (before == facts.address or not take_over):
        return Plan(tuple(changes), (NoChange(f"A {facts.name}", f"it leads to {before}"),))
    wanted = _wanted(facts, there)
    return Plan((*changes, POINT.change(wanted, _target(wanted), before, facts.address)))


def remove_all(found: Sequence[RecordSet]) -> Plan:
    """Return the changes that remove all these record sets."""
    return Plan(tuple(CLEAR.change(each, _target(each), shown(each), NONE) for each in found))


def _wanted(facts: HostFacts, there: RecordSet | None) -> RecordSet:
    metadata = {INSTANCE: facts.instance_id, ADDRESS: facts.address}
    records = ((facts.address,),)
    if there is None:
        return RecordSet(type="A", name=facts.name, ttl=TTL_SECONDS, records=records, metadata=metadata)
    # With its mark it would stay when the instance leaves.
    kept = {name: value for name, value in there.metadata.items() if name != PURPOSE}
    return replace(there, ttl=TTL_SECONDS, records=records, metadata={**kept, **metadata}, alias="")


def _target(found: RecordSet) -> str:
    return f"{found.type} {found.name}"
