"""A run is killed at each change of an issuance, and the next run goes on. Nothing is ordered or issued twice."""

import pytest

from publisher.certificates import plan
from runbook_lib.tls_certificate.name import CERTIFICATE
from tests.support.certificate_rig import LONG_AGO, CertificateRig
from tests.support.publisher_side import Interrupted

INSTALLING = ("begin", "prepare", "order", "publish", "answer", "finalize", "clean", "install")
CHANGES = (*INSTALLING, "configure", "test", "end")


@pytest.mark.slow
@pytest.mark.parametrize("made", [False, True])
@pytest.mark.parametrize("at", range(1, len(CHANGES) + 1))
def test_the_run_after_a_killed_run_goes_on(rig: CertificateRig, at: int, made: bool) -> None:
    killed = rig.drive(Interrupted(rig.new_run(), at=at, made=made))
    assert killed.failed is not None and killed.failed.change.action == CHANGES[at - 1]
    if rig.issuances.newest("k3v9x2p7") is None or rig.newest().open:
        rig.finish()
    newest = rig.newest()
    assert newest.number == 1 and newest.ended_at and newest.challenge == ""
    assert rig.asked("/order-plz") == 1 and rig.issued() == 1 and rig.proofs() == ()
    assert [bool(each.get("issuedAt")) for each in rig.orders()] == [True]


RENEWAL = (*INSTALLING, "test", "retire", "end")


@pytest.mark.slow
@pytest.mark.parametrize("at", range(1, len(RENEWAL) + 1))
def test_a_renewal_that_was_killed_goes_on(rig: CertificateRig, at: int) -> None:
    """The run is killed when the change is made and not seen yet.

    Pebble reuses one of a hundred authorizations (lab/acme/pebble.py). Then three of the changes are not needed, and a
    late kill may find the renewal over.
    """
    rig.finish()
    left, killed = at, rig.drive(Interrupted(rig.new_run(now=True), at=at, made=True))
    while killed.failed is None and rig.newest().open:  # it waits for the gateway, and then for the end of the overlap
        left -= len(killed.results)
        rig.set(installed_at=LONG_AGO, retire_after=rig.newest().retire_after and LONG_AGO)
        killed = rig.drive(Interrupted(rig.new_run(), at=left, made=True))
    action = killed.failed and killed.failed.change.action
    assert action == RENEWAL[at - 1] or rig.asked("/chalZ/") == 1, "only the first order was proven"
    newest = rig.finish() if rig.newest().open else rig.newest()
    assert newest.number == 2 and newest.ended_at and newest.challenge == ""
    assert rig.asked("/order-plz") == 2 and rig.issued() == 2 and rig.proofs() == ()
    assert [bool(each.get("issuedAt")) for each in rig.orders()] == [True, True]
    versions = rig.certificates.list_properties_of_certificate_versions(CERTIFICATE)
    assert sorted(bool(each.enabled) for each in versions) == [False, True]


@pytest.mark.slow
@pytest.mark.parametrize(
    ("service", "path"),
    [("acme", "/chalZ/"), ("acme", "/finalize-order/"), ("acme", "/certZ/"), ("acme", "/sign-me-up"), ("arm", "/TXT/")],
)
@pytest.mark.parametrize("action", ["reset_after", "reset_before"])
def test_the_same_run_continues_after_a_lost_answer(rig: CertificateRig, service: str, path: str, action: str) -> None:
    rig.lab.fault(action, match={"service": service, "path": path, "nth": 1})
    assert rig.finish().ended_at
    assert rig.lab.control("GET", "/faults")["faults"][0]["applied"] == 1, "the fault has struck"
    assert rig.asked("/order-plz") == 1 and rig.issued() == 1 and rig.proofs() == ()


@pytest.mark.slow
def test_a_lost_answer_to_the_order_leaves_one_certificate(rig: CertificateRig) -> None:
    rig.lab.fault("reset_after", match={"service": "acme", "path": "/order-plz", "nth": 1})
    assert rig.finish().ended_at
    assert rig.issued() == 1 and rig.asked("/finalize-order/") == 1, "the first order is never finalized"
    assert len(rig.orders()) == 1


@pytest.mark.slow
def test_after_a_kill_while_the_order_was_sent_the_next_run_waits_for_a_limited_time(
    rig: CertificateRig,
) -> None:
    rig.drive(Interrupted(rig.new_run(), at=3, made=False))
    rig.set(claimed_at=(began := rig.newest().started_at))
    step = rig.new_run().next_step()
    assert step.brief and step.wait_until is not None and began
    rig.set(claimed_at="2026-01-01T00:00:00.000000Z")
    assert [change.action for change in rig.new_run().next_step().plan.changes] == [plan.ORDER.name]
    assert rig.finish().ended_at and rig.issued() == 1
