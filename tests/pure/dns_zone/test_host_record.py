"""The changes after which an instance's name leads to its gateway, and the records that belong to no instance."""

from dataclasses import replace

import pytest

from publisher.dns_zone.audit import audit
from publisher.dns_zone.gateway_address import address_in
from publisher.dns_zone.host_record import (
    ADDRESS,
    CLEAR,
    INSTANCE,
    POINT,
    PURPOSE,
    TTL_SECONDS,
    HostFacts,
    is_own,
    point,
    remove_all,
    state,
)
from publisher.dns_zone.record_sets import RecordSet, RecordType
from runbook_lib.change import Plan
from runbook_lib.errors import RunbookError, publisher

ID, OLD, NEW = "k3v9x2p7", "192.0.2.7", "192.0.2.8"


def made(kind: RecordType, value: str, **parts: object) -> RecordSet:
    found = RecordSet(type=kind, name=ID, ttl=TTL_SECONDS, records=((value,),), etag="1")
    return replace(found, **parts)  # type: ignore[arg-type]


def own(address: str, **parts: object) -> RecordSet:
    return made("A", address, metadata={INSTANCE: ID, ADDRESS: address}, **parts)


def planned(*found: RecordSet, take_over: bool = False) -> Plan:
    return point(HostFacts(instance_id=ID, name=ID, address=NEW, found=found), take_over=take_over)


def test_a_name_without_records_gets_one() -> None:
    (change,) = planned().changes
    assert POINT.is_of(change) and (change.before, change.after) == (None, NEW)
    assert change.subject == own(NEW) and change.subject.etag == ""


@pytest.mark.parametrize("there", [own(NEW), made("A", NEW), made("A", NEW, ttl=60)])
def test_a_record_that_leads_to_the_gateway_stays(there: RecordSet) -> None:
    assert planned(there).changes == ()


def test_an_own_record_gets_the_new_address_and_keeps_other_metadata() -> None:
    there = replace(own(OLD), metadata={**own(OLD).metadata, "team": "web"})
    (change,) = planned(there).changes
    assert (change.before, change.after) == (OLD, NEW)
    assert change.subject == replace(own(NEW), metadata={**own(NEW).metadata, "team": "web"})
    assert change.subject.etag == "1"


FOREIGN = [
    made("A", OLD),
    made("A", OLD, metadata={INSTANCE: ID, ADDRESS: NEW}),  # changed by hand
    own(OLD, alias="/subscriptions/x"),
    own(NEW, alias="/subscriptions/x"),
    made("A", NEW, records=((NEW,), (OLD,))),
    made("A", NEW, records=()),
]


@pytest.mark.parametrize("there", FOREIGN)
def test_a_record_of_somebody_else_is_replaced_only_on_request(there: RecordSet) -> None:
    with pytest.raises(RunbookError) as caught:
        planned(there)
    assert caught.value.is_(publisher.POINTS_ELSEWHERE)
    (change,) = planned(there, take_over=True).changes
    assert POINT.is_of(change) and change.subject.etag == "1"
    assert (change.subject.records, change.subject.alias) == (((NEW,),), "")
    assert is_own(change.subject, ID)


@pytest.mark.parametrize("there", [made("A", NEW), made("A", NEW, metadata={INSTANCE: ID, ADDRESS: OLD}, ttl=60)])
def test_a_right_record_of_somebody_else_becomes_the_suites_on_request(there: RecordSet) -> None:
    (kept,) = planned(there).unchanged
    assert kept.why == f"it leads to {NEW} (not written by the suite)"
    (change,) = planned(there, take_over=True).changes
    assert POINT.is_of(change) and (change.before, change.after) == (f"{NEW} (not written by the suite)", NEW)
    assert state(there, ID) == change.before and state(change.subject, ID) == change.after
    assert is_own(change.subject, ID) and change.subject.etag == "1"
    assert planned(change.subject, take_over=True).changes == ()


@pytest.mark.parametrize("take_over", [False, True])
@pytest.mark.parametrize("address", [OLD, NEW])
def test_the_record_of_another_instance_is_never_written_over(address: str, *, take_over: bool) -> None:
    with pytest.raises(RunbookError) as caught:
        planned(made("A", address, metadata={INSTANCE: "m4w8\x1by6q2", ADDRESS: address}), take_over=take_over)
    assert caught.value.is_(publisher.NAME_OF_ANOTHER) and caught.value.detail.endswith(r"m4w8\x1by6q2")


def test_a_record_that_is_taken_over_loses_its_mark() -> None:
    (change,) = planned(made("A", OLD, metadata={PURPOSE: "the web site", "team": "web"}), take_over=True).changes
    assert change.subject.metadata == {"team": "web", **own(NEW).metadata}, (
        "else it would stay when the instance leaves"
    )


@pytest.mark.parametrize("kind", ["AAAA", "CNAME"])
def test_records_that_hide_the_record_are_removed_first(kind: RecordType) -> None:
    there = made(kind, "elsewhere.example")
    with pytest.raises(RunbookError) as caught:
        planned(there, own(NEW))
    assert caught.value.is_(publisher.POINTS_ELSEWHERE)
    assert [CLEAR.is_of(each) for each in planned(there, own(NEW), take_over=True).changes] == [True]
    cleared, pointed = planned(there, take_over=True).changes
    assert CLEAR.is_of(cleared) and cleared.subject == there and cleared.stage < pointed.stage


def test_everything_is_removed_at_the_end() -> None:
    found = (made("A", OLD), made("AAAA", "2001:db8::1"))
    assert [(each.target, each.after) for each in remove_all(found).changes] == [
        (f"A {ID}", "none"),
        (f"AAAA {ID}", "none"),
    ]


@pytest.mark.parametrize(
    ("there", "why"),
    [
        (own(OLD), ""),
        (made("TXT", "x", name=f"_acme-challenge.{ID}"), ""),
        (made("NS", "ns1.example", name="@"), ""),
        (made("CAA", "0 issue x"), ""),
        (made("CNAME", "x", name="www", metadata={PURPOSE: "the web site"}), ""),
        (made("A", OLD), "somebody else made"),
        (made("CNAME", "x"), "beside the record"),
        (made("TXT", "x"), "beside the record"),
        (made("A", OLD, name="gone"), "no instance has this name"),
        (made("TXT", "x", name="_acme-challenge.gone"), "no instance has this name"),
        (made("NS", "ns1.example", name="team"), "no instance has this name"),
        (made("A", OLD, name="@"), "no instance has this name"),
    ],
)
def test_the_audit_lists_records_that_no_instance_owns(there: RecordSet, why: str) -> None:
    found = audit([there], {ID: ID})
    assert [why in each.why for each in found.findings] == ([True] if why else [])


GATEWAY = "/subscriptions/s/resourceGroups/g/providers/Microsoft.Network/applicationGateways/vd-gateway"
FRONTEND = f"{GATEWAY}/frontendIPConfigurations/public"


def public_address(**parts: object) -> dict[str, object]:
    made_so = {"ipAddress": NEW, "publicIPAllocationMethod": "Static", "ipConfiguration": {"id": FRONTEND}}
    return {**made_so, **parts}


def test_the_gateways_address_is_read() -> None:
    assert address_in(public_address(), "vd-gateway-ip", gateway=GATEWAY) == NEW
    upper = public_address(ipConfiguration={"id": FRONTEND.upper()})
    assert address_in(upper, "vd-gateway-ip", gateway=GATEWAY) == NEW


@pytest.mark.parametrize(
    ("parts", "why"),
    [
        ({"publicIPAllocationMethod": "Dynamic"}, "not static"),
        ({"ipConfiguration": None}, "not the gateway's"),
        ({"ipConfiguration": {"id": f"{GATEWAY}2/frontendIPConfigurations/public"}}, "not the gateway's"),
        ({"ipAddress": None}, "it is ''"),
        ({"ipAddress": "2001:db8::1"}, "it is '2001:db8::1'"),
        ({"ipAddress": "a\x1b[2Jb"}, "it is 'a\\x1b[2Jb'"),
    ],
)
def test_an_address_that_somebody_else_may_get_is_refused(parts: dict[str, object], why: str) -> None:
    with pytest.raises(RunbookError) as caught:
        address_in(public_address(**parts), "vd-gateway-ip", gateway=GATEWAY)
    assert caught.value.is_(publisher.NO_GATEWAY_ADDRESS) and caught.value.detail.endswith(why)
