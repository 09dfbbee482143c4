"""The things that deprovisioning takes back, and the time when it does so: a function of facts alone."""

from dataclasses import replace

import pytest

from publisher.certificates.record import Issuance
from publisher.dns_zone.record_sets import RecordSet
from publisher.instances.deprovisioning import (
    CertificateFacts,
    Facts,
    NameFacts,
    clear_name,
    close_order,
    leave,
    take_back,
)
from runbook_lib.errors import RunbookError, publisher

THERE = Facts(
    application="Succeeded",
    standing="active",
    token="contoso-token",
    token_status="enabled",
    passwords=("password1", "password2"),
    keys=(("hmac-1", "previous"), ("hmac-2", "current")),
    secrets=("hmac-2",),
)
LEAVING = replace(THERE, standing="leaving", token_status="disabled")
GONE = replace(LEAVING, application="")


def steps(facts: Facts) -> list[tuple[int, str, str, str]]:
    return [(each.stage, each.action, each.target, each.after) for each in leave(facts).changes]


@pytest.mark.parametrize("state", ["Succeeded", "Failed", "Deleting", "not there, but resource group x is"])
def test_as_long_as_the_application_is_there_only_what_can_be_given_back_is_taken(state: str) -> None:
    facts = replace(THERE, application=state)
    assert steps(facts) == [
        (1, "mark", "instance", "leaving"),
        (2, "switch", "token contoso-token", "disabled"),
    ]
    later = {each.target: each.why for each in leave(facts).unchanged}
    assert set(later) == {
        "key hmac-1",
        "key hmac-2",
        "password password1 of token contoso-token",
        "password password2 of token contoso-token",
        "instance",
    }
    assert all("application is gone" in why for why in later.values())


def test_once_it_is_gone_everything_is_taken_and_the_row_closed_last() -> None:
    assert steps(GONE) == [
        (3, "revoke", "key hmac-1", "revoked"),
        (3, "revoke", "key hmac-2", "revoked"),
        (4, "disable", "secret of key hmac-2", "disabled"),
        (4, "remove", "passwords of token contoso-token", "none"),
        (5, "end", "instance", "ended"),
    ]


def test_a_deletion_that_nobody_announced_takes_everything_at_once() -> None:
    found = steps(replace(THERE, application=""))
    assert [stage for stage, *_ in found] == sorted(stage for stage, *_ in found)
    assert found[0] == (1, "mark", "instance", "leaving")
    assert found[-1] == (5, "end", "instance", "ended")
    assert len(found) == 7


def test_what_is_done_is_not_done_again() -> None:
    assert leave(LEAVING).changes == ()
    done = replace(GONE, standing="ended", passwords=(), keys=(), secrets=())
    assert leave(done).changes == ()
    assert [each.why for each in leave(done).unchanged] == ["it is deprovisioned already"]
    assert steps(replace(GONE, passwords=(), keys=(), secrets=())) == [(5, "end", "instance", "ended")]


def test_an_instance_without_a_token_has_none_to_switch() -> None:
    bare = replace(THERE, token="", token_status="", passwords=())
    assert [action for _, action, *_ in steps(bare)] == ["mark"]
    assert "remove" not in [action for _, action, *_ in steps(replace(bare, application=""))]


def test_an_open_order_is_closed_after_the_deletion_and_the_last_certificate_is_told() -> None:
    newest = Issuance(instance_id="k3", number=2, rotation_id="r2", host="k3.vibedata.ai")
    former = replace(newest, number=1, rotation_id="r1", ended_at="x", not_before="2026-11", not_after="2027-02")
    for application in ("", "Deleting"):
        seen = close_order(CertificateFacts(application=application, recent=(newest, former)))
        assert [(each.action, each.target) for each in seen.changes] == (
            [] if application else [("close", "certificate rotation 2 (r2)")]
        )
        assert [each.target for each in seen.unchanged] == (
            ["certificate rotation 2 (r2)", "certificate"] if application else ["certificate"]
        )
        assert seen.unchanged[-1].why.startswith("it is valid until 2027-02. It is not revoked")
        over = close_order(CertificateFacts(application=application, recent=(former,)))
        assert (over.changes, [each.target for each in over.unchanged]) == ((), ["certificate"])
        none = close_order(CertificateFacts(application=application))
        assert (none.changes, none.unchanged) == ((), ())


def test_a_failed_deletion_is_taken_back() -> None:
    back = [(each.stage, each.target, each.before, each.after) for each in take_back(LEAVING).changes]
    assert back == [(1, "instance", "leaving", "active"), (2, "token contoso-token", "disabled", "enabled")]
    assert take_back(THERE).changes == ()


@pytest.mark.parametrize("facts", [GONE, replace(LEAVING, standing="ended")])
def test_what_is_gone_is_not_taken_back(facts: Facts) -> None:
    with pytest.raises(RunbookError) as caught:
        take_back(facts)
    assert caught.value.is_(publisher.NOT_TAKEN_BACK)


A = RecordSet(type="A", name="k3v9x2p7", ttl=300, records=(("192.0.2.7",),))
MARKED = replace(A, name="kept.k3v9x2p7", metadata={"vibedataPurpose": "a proof"})


def test_the_name_leads_to_the_gateway_as_long_as_the_application_is_there() -> None:
    plan = clear_name(NameFacts(instance_id="k3v9x2p7", application="Deleting", found=(A, MARKED)))
    assert plan.changes == ()
    assert [each.target for each in plan.unchanged] == ["A k3v9x2p7", "A kept.k3v9x2p7"]


def test_after_the_application_is_gone_all_unmarked_records_are_removed() -> None:
    plan = clear_name(NameFacts(instance_id="k3v9x2p7", application="", found=(A, MARKED)))
    assert [(each.target, each.before, each.after) for each in plan.changes] == [("A k3v9x2p7", "192.0.2.7", "none")]
    assert [each.target for each in plan.unchanged] == ["A kept.k3v9x2p7"]


def test_a_name_that_is_another_instances_stays_with_all_below_it() -> None:
    others = replace(A, metadata={"vibedataInstance": "m4w8y6q2"})
    proof = RecordSet(type="TXT", name="_acme-challenge.k3v9x2p7", ttl=60, records=(("x",),))
    plan = clear_name(NameFacts(instance_id="k3v9x2p7", application="", found=(others, proof)))
    assert plan.changes == ()
    assert {each.why for each in plan.unchanged} == {"it is at the name of instance m4w8y6q2"}
    below = replace(others, name="deep.k3v9x2p7")
    plan = clear_name(NameFacts(instance_id="k3v9x2p7", application="", found=(A, below, proof)))
    assert [each.target for each in plan.changes] == ["A k3v9x2p7", "TXT _acme-challenge.k3v9x2p7"]
    own = replace(A, metadata={"vibedataInstance": "k3v9x2p7"})
    assert clear_name(NameFacts(instance_id="k3v9x2p7", application="", found=(own, proof))).unchanged == ()


def test_without_a_zone_there_is_nothing_to_remove() -> None:
    plan = clear_name(NameFacts(instance_id="k3v9x2p7", application="", no_zone="none is configured"))
    assert (plan.changes, [each.why for each in plan.unchanged]) == ((), ["none is configured"])
