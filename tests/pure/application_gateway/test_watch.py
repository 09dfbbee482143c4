"""The finding of check_health about the certificate that the gateway serves, a pure function of facts."""

import base64
import hashlib
from datetime import datetime, timedelta, timezone
from typing import Any

import pytest

from runbook_lib.application_gateway.watch import found_certificate, judge_certificate
from runbook_lib.basics.clock import rfc3339

SERVED = b"a certificate"
NOW = datetime(2026, 11, 29, 18, tzinfo=timezone.utc)


def certificate(*, age: timedelta, lifetime: timedelta, content: bytes = SERVED) -> dict[str, Any]:
    """Return a certificate in the vault's form. `age` is the time since it became valid."""
    begin = NOW - age
    name = base64.urlsafe_b64encode(hashlib.sha1(content).digest()).decode().rstrip("=")  # noqa: S324 - its name
    times = {"nbf": int(begin.timestamp()), "exp": int((begin + lifetime).timestamp())}
    return {"x5t": name, "attributes": {"enabled": True, **times}}


@pytest.mark.parametrize("days", [90, 64, 45, 6])
def test_a_certificate_is_ill_when_less_than_a_quarter_of_its_life_is_left(days: int) -> None:
    lifetime = timedelta(days=days)
    well = certificate(age=lifetime * 0.74, lifetime=lifetime)
    assert judge_certificate(well, SERVED, NOW).sight == "answers"
    late = judge_certificate(certificate(age=lifetime * 0.76, lifetime=lifetime), SERVED, NOW)
    assert late.sight == "impaired"
    assert f"ends in {int(days * 0.24)} days" in late.reason


def test_another_certificate_than_the_vaults_is_ill() -> None:
    other = certificate(age=timedelta(days=1), lifetime=timedelta(days=90), content=b"another")
    found = judge_certificate(other, SERVED, NOW)
    assert (found.sight, "another certificate" in found.reason) == ("impaired", True)


HOUR = timedelta(hours=1)


@pytest.mark.parametrize(
    ("tags", "sight"),
    [
        ({"writtenAt": rfc3339(NOW - 3 * HOUR)}, "answers"),
        ({"writtenAt": rfc3339(NOW + timedelta(minutes=1))}, "answers"),  # by another clock
        ({"writtenAt": rfc3339(NOW - 5 * HOUR)}, "impaired"),
        ({"writtenAt": rfc3339(NOW + 5 * HOUR)}, "impaired"),
        ({"writtenAt": "2026-11-29T17:00:00"}, "impaired"),
        ({"writtenAt": "yesterday"}, "impaired"),
        ({"writtenAt": 7}, "impaired"),
        ({}, "impaired"),
        (None, "impaired"),
    ],
)
def test_a_renewed_certificate_has_4_hours_until_the_gateway_serves_it(tags: Any, sight: str) -> None:
    renewed = certificate(age=timedelta(days=1), lifetime=timedelta(days=90), content=b"another")
    assert judge_certificate({**renewed, "tags": tags}, SERVED, NOW).sight == sight


def test_a_disabled_certificate_is_ill_although_the_gateway_serves_it() -> None:
    served = certificate(age=timedelta(days=1), lifetime=timedelta(days=90))
    served["attributes"]["enabled"] = False
    found = judge_certificate(served, SERVED, NOW)
    assert (found.sight, found.reason) == ("impaired", "the vault's newest certificate is disabled")


@pytest.mark.parametrize("attributes", [None, {}, {"nbf": 1}, {"nbf": "1", "exp": 2}, {"nbf": 1, "exp": 10**30}, []])
def test_a_certificate_without_times_is_ill_and_the_run_does_not_fail(attributes: Any) -> None:
    found = judge_certificate({"x5t": "", "attributes": attributes}, SERVED, NOW)
    assert found.sight == "fails"


def test_what_is_recorded_of_a_certificate() -> None:
    lifetime = timedelta(days=90)
    there = certificate(age=lifetime / 2, lifetime=lifetime)
    found = found_certificate(there, NOW).state
    assert (found.kind, found.id, found.state) == ("tls-certificate", "vibedata-tls", "enabled")
    assert (found.not_before, found.expires) == (NOW - lifetime / 2, NOW + lifetime / 2)
    assert found_certificate(certificate(age=lifetime * 2, lifetime=lifetime), NOW).state.state == "expired"
    off = {**there, "attributes": {**there["attributes"], "enabled": False}}
    assert found_certificate(off, NOW).state.state == "disabled"


@pytest.mark.parametrize("attributes", [None, {}, {"nbf": 1, "exp": 10**30}, []])
def test_a_certificate_that_cannot_be_read_is_recorded_without_dates(attributes: Any) -> None:
    found = found_certificate({"x5t": "a", "attributes": attributes}, NOW).state
    assert (found.state, found.expires) == ("disabled", None)


def test_a_certificate_that_is_gone_is_recorded_as_absent() -> None:
    assert found_certificate(None, NOW).state.state == "absent"
