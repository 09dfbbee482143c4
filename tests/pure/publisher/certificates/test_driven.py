"""A new issuance takes over from the last one what still counts, and nothing else."""

from dataclasses import replace
from datetime import datetime, timedelta, timezone
from typing import Any, cast

import pytest

from publisher.certificates.driven import DrivenIssuance
from publisher.certificates.limits import SAME_NAMES, wait_for
from publisher.certificates.plan import IssuanceRequest, attempt_of
from publisher.certificates.record import Issuance
from runbook_lib.basics.clock import rfc3339
from runbook_lib.tls_certificate.versions import State

NOW = datetime(2026, 11, 30, 12, tzinfo=timezone.utc)
EARLIER = "2026-11-30T11:00:00.000000Z"
HOUR = timedelta(hours=1)
HOST, AUTHORITY = "k3v9x2p7.vibedata.ai", "ca.example"
LAST = Issuance(
    instance_id="k3v9x2p7",
    number=3,
    rotation_id="r",
    host=HOST,
    authority=AUTHORITY,
    certificate_id="a.b",
    started_at=EARLIER,
    ended_at=EARLIER,
)


class OneMoment:
    def now(self) -> datetime:
        return NOW


def following(last: Issuance | None, *, host: str = HOST, authority: str = AUTHORITY) -> Issuance:
    driven = DrivenIssuance(
        issuances=cast("Any", None),
        instance_id="k3v9x2p7",
        host=host,
        clock=cast("Any", OneMoment()),
        random=bytes,
        request=IssuanceRequest(),
        authority=authority,
    )
    return driven.new(last)


def test_the_first_one_follows_nothing() -> None:
    first = following(None)
    assert (first.number, first.known, first.renews, first.authority) == (1, False, "", AUTHORITY)
    assert first.started_at == rfc3339(NOW)


@pytest.mark.parametrize("recorded", [AUTHORITY, ""])
def test_the_next_one_replaces_the_certificate_of_the_same_authority(recorded: str) -> None:
    following_it = following(replace(LAST, authority=recorded))
    assert (following_it.number, following_it.known, following_it.renews) == (4, True, "a.b")


def test_a_certificate_of_another_authority_is_not_replaced_and_makes_no_name_known() -> None:
    moved = following(LAST, authority="other.example")
    assert (moved.number, moved.known, moved.renews, moved.authority) == (4, False, "", "other.example")


def test_nothing_is_taken_over_from_another_host() -> None:
    moved = following(replace(LAST, challenge="v"), host="other.vibedata.ai")
    assert (moved.known, moved.renews, moved.challenge) == (False, "", "")


@pytest.mark.parametrize("customer", ["none", "prepared", "installed", "tested"])
def test_one_that_follows_an_overtaken_one_replaces_nothing(customer: State) -> None:
    # A runbook that somebody has changed could say again and again that the rotation is over. The authority's limits
    # count only orders that replace nothing.
    new = following(replace(LAST, customer=customer, overtaken=True, renews="c.d"))
    assert (new.known, new.renews) == (True, "")
    rows = [replace(attempt_of(new, NOW - HOUR * number), issued_at=NOW - HOUR * number) for number in range(1, 6)]
    assert wait_for(rows[1:], attempt_of(new, NOW), NOW) is None
    wait = wait_for(rows, attempt_of(new, NOW), NOW)
    assert wait is not None and wait.limit == SAME_NAMES
