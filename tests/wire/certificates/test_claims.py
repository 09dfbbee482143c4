"""The claim on an order: one run sends it, it is counted once, and the limits hold whatever answer is lost."""

from dataclasses import replace
from datetime import datetime, timedelta, timezone

import pytest

from publisher.certificates import plan
from publisher.certificates.limits import Attempt
from tests.support.certificate_rig import HOST, LONG_AGO, Between, CertificateRig
from tests.support.runbook_run import QuickClock

NOW = datetime.now(timezone.utc)
ORDER = "/order-plz"
CLAIM = {"method": "PATCH", "path": "CertificateRotations"}


def full(rig: CertificateRig) -> None:
    """Others order so much that the limit is reached."""
    for number in range(50):
        attempt = Attempt(host=f"h{number}.vibedata.ai", ordered_at=NOW)
        rig.attempts().reserve(attempt, f"r{number}")


def own(rig: CertificateRig) -> list[bool]:
    """Return for each row that counts an order of the instance whether it is withdrawn."""
    return [bool(each.get("withdrawn")) for each in rig.orders() if each["host"] == HOST]


@pytest.mark.parametrize("action", ["reset_before", "reset_after"])
def test_the_limit_is_checked_although_the_answer_to_the_claim_is_lost(rig: CertificateRig, action: str) -> None:
    def happens() -> None:
        full(rig)
        rig.lab.fault(action, match={**CLAIM, "nth": 1})

    assert rig.failing(Between(rig.new_run(), plan.ORDER, happens)) == "VD-TLS-026"
    assert rig.lab.control("GET", "/faults")["faults"][0]["applied"] == 1, "the fault has struck"
    assert rig.asked(ORDER) == 0 and own(rig) == [True]
    assert (rig.newest().claimed_at, rig.newest().attempt) == ("", "")


@pytest.mark.parametrize("path", ["CertificateRotations", "CertificateOrders"])
@pytest.mark.parametrize("action", ["reset_before", "reset_after"])
def test_an_order_is_counted_once_although_an_answer_is_lost(rig: CertificateRig, path: str, action: str) -> None:
    def happens() -> None:
        match = CLAIM if path == "CertificateRotations" else {"method": "POST", "path": path}
        rig.lab.fault(action, match={**match, "nth": 1})

    outcome = rig.drive(Between(rig.new_run(), plan.ORDER, happens))
    assert outcome.failed is None and rig.newest().ended_at
    assert rig.asked(ORDER) == 1 and own(rig) == [False]


def test_a_claim_that_is_refused_leaves_no_order_that_counts(rig: CertificateRig) -> None:
    def happens() -> None:
        rig.lab.fault("status", status=403, match={**CLAIM, "nth": 1})

    rig.failing(Between(rig.new_run(), plan.ORDER, happens))
    assert rig.asked(ORDER) == 0 and own(rig) == [True]
    assert rig.finish().ended_at and own(rig) == [True, False]


@pytest.mark.parametrize("action", ["reset_before", "reset_after"])
def test_the_former_order_is_given_up_although_the_answer_to_the_claim_is_lost(
    rig: CertificateRig, action: str
) -> None:
    def lose() -> None:
        """The address of the order is lost."""
        rig.set(order="", claimed_at=LONG_AGO)

    rig.drive(Between(rig.new_run(), plan.PUBLISH, lose))
    rig.set(failures=0, failed_at="", challenge="", order="")
    outcome = rig.drive(Between(rig.new_run(), plan.ORDER, lambda: rig.lab.fault(action, match={**CLAIM, "nth": 1})))
    assert outcome.failed is None and rig.newest().chain
    assert [bool(each.get("givenUp")) for each in rig.orders()] == [True, False]


class Slow(QuickClock):
    """A clock on which each look at the time comes two minutes after the one before."""

    def __init__(self) -> None:
        super().__init__()
        self._looks = 0

    def now(self) -> datetime:
        self._looks += 1
        return super().now() + self._looks * timedelta(minutes=2)


def test_a_run_that_needs_too_long_for_its_claim_does_not_send_the_order(rig: CertificateRig) -> None:
    assert rig.failing(replace(rig, clock=Slow()).new_run()) == "VD-TLS-029"
    assert rig.asked(ORDER) == 0 and own(rig) == [True]
    assert rig.newest().claimed_at == ""
    assert rig.finish().ended_at
