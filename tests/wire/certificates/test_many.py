"""Thirty customers at one authority: its limits hold, and a mass renewal orders each certificate once."""

import base64
from collections import Counter
from collections.abc import Mapping
from dataclasses import replace
from datetime import datetime, timedelta
from typing import Any

import pytest
from cryptography import x509
from cryptography.hazmat.primitives.serialization import Encoding

from publisher.certificates.customer import GATEWAY_RUNBOOK
from publisher.certificates.limits import Attempt
from publisher.certificates.plan import IssuanceRequest
from runbook_lib.basics.redaction import Redactor
from tests.support.acme import request_for
from tests.support.certificate_rig import LONG_AGO, CertificateRig
from tests.support.runbook_run import QuickClock
from vibedata.rotation.certificate import certificate_run
from vibedata.rotation.drive import DriveOutcome, drive

INSTANCES = [f"customer{number:02d}" for number in range(30)]
ORDERED_BEFORE = 25


class LaterClock(QuickClock):
    """A clock that is some days ahead."""

    def __init__(self, days: int) -> None:
        super().__init__()
        self._days = timedelta(days=days)

    def now(self) -> datetime:
        return super().now() + self._days


def customer(host: str) -> Any:
    """Return a function that runs the phases of a customer. The customer's vault and gateway never fail."""

    def run(runbook: str, given: Mapping[str, Any]) -> Mapping[str, Any]:
        if runbook == GATEWAY_RUNBOOK:
            return {"status": "unchanged", "error": None, "report": {}}
        state = {"prepare": "prepared", "install": "installed", "test": "tested", "retire": "retired"}[given["phase"]]
        der = x509.load_pem_x509_csr(request_for(host)[0]).public_bytes(Encoding.DER)
        report = {"state": state, "signing_request": base64.b64encode(der).decode()}
        return {"status": "succeeded", "error": None, "report": report}

    return run


def rotate(rig: CertificateRig, instance: str, clock: QuickClock) -> DriveOutcome:
    host = f"{instance}.vibedata.ai"
    rotating = certificate_run(
        instance_id=instance,
        host=host,
        request=IssuanceRequest(),
        clients=rig.clients,
        arm_endpoint=rig.lab.env["VIBEDATA_ARM_ENDPOINT"],
        environ=rig.lab.env,
        run_runbook=customer(host),
        clock=clock,
    )
    outcome = drive(rotating, wait=False, report=rig.said.append, redactor=Redactor(), clock=clock)
    assert outcome.failed is None, rig.said[-3:]
    return outcome


@pytest.mark.slow
def test_the_limits_hold_and_each_certificate_is_ordered_once(rig: CertificateRig) -> None:
    attempts = rig.attempts()
    for number in range(ORDERED_BEFORE):
        ago = rig.clock.now() - timedelta(hours=1)
        attempts.reserve(Attempt(host=f"other{number}.vibedata.ai", ordered_at=ago), f"r{number}")
    first = {instance: rotate(rig, instance, rig.clock) for instance in INSTANCES}
    waiting = [instance for instance, outcome in first.items() if "50 new certificates" in outcome.why]
    assert waiting == INSTANCES[50 - ORDERED_BEFORE :]

    later = LaterClock(days=8)
    # Only the publisher's clock moves, and the authority's own limits are not reached.
    for instance in waiting:
        assert rotate(rig, instance, later).why == ""
    assert rig.asked("/finalize-order/") == len(INSTANCES)

    rig.lab.control("POST", "/acme", {"renew_now": True})
    for instance in INSTANCES:
        newest = rig.issuances.newest(instance)
        assert newest is not None and newest.ended_at
        assert rig.issuances.change(replace(newest, ask_after=LONG_AGO))
        rotate(rig, instance, later)
    assert rig.asked("/finalize-order/") == 2 * len(INSTANCES)
    mine = [each for each in rig.orders() if str(each["host"]).startswith("customer")]
    assert set(Counter(each["host"] for each in mine).values()) == {2}
    assert sum(bool(each["exempt"]) for each in mine) == len(INSTANCES), "each renewal named what it replaces"
