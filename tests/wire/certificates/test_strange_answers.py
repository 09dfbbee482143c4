"""Strange answers of the authority and of the customer's side, and what they must not do to the record."""

import base64
from collections.abc import Callable, Mapping
from datetime import datetime, timedelta, timezone
from typing import Any

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import Encoding

from publisher.certificates import plan
from publisher.certificates.customer import RUNBOOK
from publisher.dns_zone.txt_values import TxtValue, TxtValues
from runbook_lib.basics.clock import from_rfc3339
from tests.support.certificate_rig import HOST, INSTANCE, LONG_AGO, Between, CertificateRig
from vibedata.rotation.certificate import result_json

NOW = datetime.now(timezone.utc)
ORDER = "/order-plz"
ZERO, FAR = "0001-01-01T00:00:00+14:00", "9999-12-31T23:59:59-14:00"
NAMES, NO_NAMES = x509.ObjectIdentifier("2.5.29.17"), x509.ObjectIdentifier("2.5.29.99")


@pytest.mark.parametrize(
    ("window", "due"),
    [
        ((ZERO, ZERO), False),
        ((FAR, ZERO), False),
        (("2136-11-29T12:00:00Z", FAR), False),
        (("tomorrow", "later"), False),
        ((ZERO, LONG_AGO), True),
    ],
)
def test_a_strange_window_leaves_a_record_that_can_be_read(
    rig: CertificateRig, window: tuple[str, str], *, due: bool
) -> None:
    rig.finish()
    rig.set(ask_after=LONG_AGO)
    rig.lab.control("POST", "/acme", {"window": window})
    outcome = rig.succeed()
    newest = rig.newest()
    assert (newest.number == 2) == due
    assert newest.due is None or (newest.due > NOW and outcome.resume_at is not None)


@pytest.mark.parametrize("chain", [[0], [0, 0], [1, 0], [0, *[1] * 6]])
def test_a_chain_that_the_customer_would_refuse_is_not_recorded(rig: CertificateRig, chain: list[int]) -> None:
    rig.lab.control("POST", "/acme", {"chain": chain})
    assert rig.failing() == "VD-TLS-021"
    newest = rig.newest()
    assert (newest.chain, newest.certificate_id) == ("", "") and newest.order
    rig.lab.control("POST", "/acme", {"chain": []})
    assert rig.finish().chain and rig.asked(ORDER) == 1


@pytest.mark.parametrize("told", [ZERO, FAR, "2036-11-29T12:00:00Z"])
def test_the_customers_side_cannot_keep_an_issuance_open(rig: CertificateRig, told: str) -> None:
    def hostile(name: str, parameters: Mapping[str, Any]) -> Mapping[str, Any]:
        result = rig.run_runbook(name, parameters)
        if name != RUNBOOK or parameters["phase"] == "prepare":
            return result
        return {**result, "report": {**result["report"], "retire_after": [told]}}

    outcome = rig.drive(rig.new_run(customer=hostile))
    assert result_json(rig.newest(), outcome)["error"] is None
    retire_after = rig.newest().retire_after
    assert bool(retire_after) == (told not in (ZERO, FAR)), "a time at the edge of the calendar counts as none"
    assert not retire_after or from_rfc3339(retire_after) < NOW + timedelta(hours=17)


def request_with(*extensions: x509.ObjectIdentifier, value: str) -> bytes:
    """Return a signing request in DER whose extensions all have this value, in hexadecimal."""
    builder = x509.CertificateSigningRequestBuilder().subject_name(x509.Name([]))
    for name in extensions:
        builder = builder.add_extension(x509.UnrecognizedExtension(name, bytes.fromhex(value)), critical=False)
    key = ec.generate_private_key(ec.SECP256R1())
    return builder.sign(key, hashes.SHA256()).public_bytes(Encoding.DER)


def twice() -> bytes:
    """Return a request with two extensions for the names. cryptography makes none, so another one gets their id."""
    return request_with(NAMES, NO_NAMES, value="3003820161").replace(b"\x55\x1d\x63", b"\x55\x1d\x11")


def odd() -> bytes:
    """Return a request whose name is of a kind that cryptography does not read (ediPartyName)."""
    return request_with(NAMES, value="3007a505a1030c0161")


@pytest.mark.parametrize("made", [twice, odd])
def test_a_signing_request_with_strange_extensions_is_refused_by_name(
    rig: CertificateRig, made: Callable[[], bytes]
) -> None:
    report = {"state": "prepared", "signing_request": [base64.b64encode(made()).decode()]}

    def hostile(_runbook: str, _parameters: Mapping[str, Any]) -> Mapping[str, Any]:
        return {"status": "succeeded", "error": None, "report": report}

    assert rig.failing(rig.new_run(customer=hostile)) == "VD-TLS-023"


def test_an_issuance_for_a_former_host_is_left_with_nothing_behind_it(rig: CertificateRig) -> None:
    former = TxtValue(name=f"_acme-challenge.old.{INSTANCE}", value="proof")

    def rename() -> None:
        """The document had another host when the order was sent, and the proof was for that one."""
        TxtValues(rig.zone).add(former)
        rig.set(host=f"old.{HOST}", challenge="proof")

    rig.drive(Between(rig.new_run(), plan.ANSWER, rename))
    newest = rig.newest()
    assert (newest.number, newest.host, bool(newest.chain)) == (2, HOST, True)
    assert TxtValues(rig.zone).see(former) == "absent"


def test_an_issuance_for_a_host_in_a_former_zone_is_left(rig: CertificateRig) -> None:
    rig.drive(Between(rig.new_run(), plan.ANSWER, lambda: rig.set(host="k3v9x2p7.former.example", challenge="proof")))
    newest = rig.newest()
    assert (newest.number, newest.host, bool(newest.chain)) == (2, HOST, True)
    (former,) = [each for each in rig.issuances.recent(INSTANCE, 2) if each.number == 1]
    assert former.ended_at and former.challenge == ""
    assert any("forget" in line and "the name is not in the zone vibedata.ai" in line for line in rig.said)


def test_a_value_that_another_run_has_published_meanwhile_is_kept(rig: CertificateRig) -> None:
    other = TxtValue(name=f"_acme-challenge.{INSTANCE}", value="other")

    def publish() -> None:
        """The other run removes the first value, orders again and publishes another one."""
        TxtValues(rig.zone).add(other)
        rig.set(challenge=other.value)

    between = Between(rig.new_run(), plan.CLEAN, publish)
    outcome = rig.drive(between)
    cleaned = [each.change.subject for each in outcome.results if plan.CLEAN.is_of(each.change)]
    assert outcome.failed is None and len(cleaned) == 2 and cleaned[1] == other.value
    assert rig.newest().challenge == "" and rig.proofs() == ()


def test_an_order_whose_answer_was_lost_does_not_count_as_a_certificate(rig: CertificateRig) -> None:
    for _ in range(6):
        rig.drive(Between(rig.new_run(), plan.PUBLISH, lambda: rig.set(order="", claimed_at=LONG_AGO, failed_at="")))
        rig.set(failures=0, failed_at="", challenge="", order="")
    assert rig.finish().chain, "five certificates of a name in a week are the limit"
    assert sum(bool(each.get("givenUp")) for each in rig.orders()) == 6
