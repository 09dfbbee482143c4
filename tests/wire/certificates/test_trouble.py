"""Failures between the signing request and the chain. Nothing is ordered twice, and no proof stays in the zone."""

import base64
import threading
from collections.abc import Mapping
from datetime import datetime, timedelta, timezone
from typing import Any

import pytest
from azure.identity import ManagedIdentityCredential
from azure.keyvault.keys import KeyClient
from cryptography import x509
from cryptography.hazmat.primitives.serialization import Encoding

from publisher.certificates import plan
from publisher.certificates.attempts import TABLE as ORDERS
from publisher.certificates.challenge import Dns01
from publisher.certificates.limits import Attempt
from publisher.dns_zone.name_servers import look
from publisher.dns_zone.txt_values import TxtValue, TxtValues
from publisher.tables import insert_if_absent
from runbook_lib.basics.clock import from_rfc3339, rfc3339
from runbook_lib.errors import RunbookError
from tests.support import dns_zone
from tests.support.acme import request_for
from tests.support.certificate_rig import HOST, INSTANCE, LONG_AGO, Between, CertificateRig

NOW = datetime.now(timezone.utc)
ORDER, FINALIZE, CHALLENGE = "/order-plz", "/finalize-order/", "/chalZ/"


def renewable(rig: CertificateRig) -> None:
    """Issue a first certificate."""
    rig.finish()
    rig.set(ask_after=rfc3339(NOW + timedelta(days=1)))


@pytest.mark.parametrize("fault", ["reset_before", "reset_after"])
def test_a_signature_whose_answer_is_lost_is_asked_for_again(rig: CertificateRig, fault: str) -> None:
    rig.lab.fault(fault, times=1, match={"service": "publisher_key_vault", "path": "/sign", "nth": 3})
    assert rig.finish().ended_at
    faults = [each["fault"] for each in rig.lab.journal(service="publisher_key_vault") if "/sign" in each["path"]]
    assert faults.count(fault) == 1


def test_a_refused_replaces_is_ordered_again_without_it(rig: CertificateRig) -> None:
    renewable(rig)
    rig.lab.control("POST", "/acme", {"refuse_replaces": True})
    outcome = rig.succeed(now=True)
    told = [str(each.error) for each in outcome.results if each.outcome == "replaced"]
    assert len(told) == 1 and "VD-TLS-027" in told[0]
    assert rig.newest().renews == "" and rig.newest().chain
    assert sorted((bool(o["exempt"]), bool(o.get("withdrawn"))) for o in rig.orders()) == [
        (False, False),
        (False, False),
        (True, True),
    ]


def test_a_certificate_that_was_replaced_already_is_not_named_again(rig: CertificateRig) -> None:
    renewable(rig)
    first = rig.newest().certificate_id
    rig.finish(now=True)
    rig.set(certificate_id=first, ask_after=rfc3339(NOW + timedelta(days=1)))
    outcome = rig.succeed(now=True)  # 409: alreadyReplaced
    assert [each.outcome for each in outcome.results].count("replaced") == 1
    assert rig.newest().chain


def test_refused_nonces_are_tried_again(rig: CertificateRig) -> None:
    rig.lab.control("POST", "/acme", {"bad_nonces": 5})
    assert rig.finish().chain
    rig.set(ask_after=rfc3339(NOW + timedelta(days=1)))
    rig.lab.control("POST", "/acme", {"bad_nonces": 50})
    assert rig.failing(now=True) == "VD-TLS-020"
    rig.lab.control("POST", "/acme", {"bad_nonces": 0})
    assert rig.finish().number == 2


def test_an_order_that_would_break_a_limit_waits_and_says_until_when(rig: CertificateRig) -> None:
    for number in range(50):
        rig.attempts().reserve(
            Attempt(host=f"h{number}.vibedata.ai", ordered_at=NOW - timedelta(hours=1)), f"r{number}"
        )
    outcome = rig.succeed()
    assert outcome.resume_at is not None and outcome.why == "at most 50 new certificates of the domain"
    assert abs(outcome.resume_at - NOW - timedelta(days=7, hours=-1)) < timedelta(seconds=1)
    assert rig.asked(ORDER) == 0


def test_orders_at_another_authority_do_not_count(rig: CertificateRig) -> None:
    for number in range(50):
        others = rig.attempts("acme-staging.example")
        others.reserve(Attempt(host=f"h{number}.vibedata.ai", ordered_at=NOW - timedelta(hours=1)), f"r{number}")
    assert rig.finish().chain
    assert len(rig.orders()) == 51


def test_an_order_that_names_no_authority_counts_at_each(rig: CertificateRig) -> None:
    tables = rig.clients.table_service
    for number in range(50):
        key = f"{rfc3339(NOW - timedelta(hours=1))} r{number}"
        insert_if_absent(tables, ORDERS, rig.zone.zone.name, key, {"host": f"h{number}.vibedata.ai"}, repeatable=True)
    assert rig.succeed().why == "at most 50 new certificates of the domain"
    assert rig.asked(ORDER) == 0


def test_orders_of_others_at_the_same_moment_are_noticed_before_the_order_is_sent(rig: CertificateRig) -> None:
    def others() -> None:
        for number in range(50):
            rig.attempts().reserve(Attempt(host=f"h{number}.vibedata.ai", ordered_at=NOW), f"r{number}")

    assert rig.failing(Between(rig.new_run(), plan.ORDER, others)) == "VD-TLS-026"
    assert rig.asked(ORDER) == 0
    assert rig.newest().claimed_at == ""
    waits = rig.succeed().resume_at
    assert waits is not None and waits > NOW + timedelta(days=6)
    assert [each["host"] for each in rig.orders() if each.get("withdrawn")] == [HOST]


def test_the_authoritys_own_limit_is_obeyed(rig: CertificateRig) -> None:
    renewable(rig)
    rig.set(certificate_id="", ended_at=rfc3339(NOW))  # so that `replaces` does not exempt it
    for _ in range(4):
        rig.finish(now=True)
        rig.set(certificate_id="", ask_after="")
    # The publisher's own record is lost.
    table = rig.clients.table_service.get_table_client("CertificateOrders")
    for row in rig.orders():
        table.delete_entity(row["PartitionKey"], row["RowKey"])
    assert rig.failing(now=True) == "VD-TLS-026"
    until = from_rfc3339(rig.newest().wait_until)
    assert NOW + timedelta(days=6) < until < NOW + timedelta(days=8)
    since = rig.lab.last_request()
    outcome = rig.succeed()
    assert outcome.resume_at == until and outcome.why and rig.asked(ORDER, since) == 0


@pytest.mark.parametrize("fields", [{}, {"seconds": 1}])
def test_an_order_that_is_answered_once_with_429_is_signed_and_sent_again(
    rig: CertificateRig, fields: Mapping[str, int]
) -> None:
    rig.lab.fault("status", status=429, match={"service": "acme", "path": ORDER}, **fields)
    assert rig.finish().chain
    assert (rig.asked(ORDER), rig.newest().failures) == (2, 0)


@pytest.mark.parametrize(("fields", "asked", "seconds"), [({}, 4, 3600), ({"seconds": 600}, 1, 600)])
def test_an_order_waits_as_long_as_a_429_says_that_stays(
    rig: CertificateRig, fields: Mapping[str, int], asked: int, seconds: int
) -> None:
    rig.lab.fault("status", status=429, times=asked, match={"service": "acme", "path": ORDER}, **fields)
    assert rig.failing() == "VD-TLS-026"
    assert rig.asked(ORDER) == asked
    newest = rig.newest()
    told = from_rfc3339(newest.wait_until) - datetime.now(timezone.utc)
    assert timedelta(seconds=seconds - 60) < told <= timedelta(seconds=seconds + 60)
    assert (newest.failures, newest.claimed_at) == (0, "")
    rig.set(wait_until="")
    assert rig.finish().chain and rig.asked(ORDER) == asked + 1


def test_a_proof_that_a_name_server_does_not_serve_causes_no_failed_authorization(rig: CertificateRig) -> None:
    # Azure says that it has written the value, but the name servers never get it.
    rig.lab.fault("status", times=99, match={"service": "arm", "method": "PUT", "path": "/TXT/"}, status=200)
    assert rig.failing() == "VD-DNS-005"
    rig.lab.clear_faults()
    newest = rig.newest()
    assert (newest.failures, newest.challenge) == (1, "") and newest.order
    assert rig.proofs() == () and rig.asked(CHALLENGE) == 0
    waits = rig.succeed()
    assert waits.resume_at == from_rfc3339(newest.failed_at) + timedelta(minutes=1)
    rig.set(failed_at=LONG_AGO)
    assert rig.finish().chain and rig.asked(ORDER) == 1, "the same order was continued"


def test_a_proof_that_one_machine_of_a_name_server_serves_later_is_seen(rig: CertificateRig) -> None:
    proof = Dns01(rig.zone, rig.clock, instance_id=INSTANCE)
    assert not proof.is_published(HOST, "late"), "Azure does not have it"
    rig.lab.latency(operation="dnsPropagation", seconds=1.0)
    TxtValues(rig.zone).add(TxtValue(name=f"_acme-challenge.{INSTANCE}", value="late"))
    assert not look(rig.zone.name_servers(), f"_acme-challenge.{HOST}", "TXT", "late").served
    assert proof.is_published(HOST, "late")


def test_caa_records_that_forbid_the_order_are_found_before_it(rig: CertificateRig) -> None:
    caa = [{"flags": 0, "tag": "issue", "value": "other.example"}]
    dns_zone.put(rig.lab, "CAA", "@", caaRecords=caa)
    assert rig.failing() == "VD-TLS-024"
    assert rig.asked(ORDER) == 0 and rig.orders() == []
    caa.append({"flags": 0, "tag": "issue", "value": "acme.example; validationmethods=dns-01"})
    dns_zone.put(rig.lab, "CAA", "@", caaRecords=caa)
    assert rig.finish().chain
    rig.set(ask_after=rfc3339(NOW + timedelta(days=1)))
    dns_zone.put(rig.lab, "CAA", INSTANCE, caaRecords=[{"flags": 0, "tag": "issue", "value": ";"}])
    assert rig.failing(now=True) == "VD-TLS-024"


def test_a_delegated_challenge_is_found_before_the_order(rig: CertificateRig) -> None:
    dns_zone.put(rig.lab, "CNAME", f"_acme-challenge.{INSTANCE}", CNAMERecord={"cname": "proofs.example"})
    assert rig.failing() == "VD-DNS-008"
    assert rig.asked(ORDER) == 0 and rig.orders() == []


def test_an_authorization_that_fails_is_counted_cleaned_up_and_tried_again_later(rig: CertificateRig) -> None:
    def lose() -> None:
        """Somebody removes the value after the publisher has seen it."""
        for value in rig.proofs():
            TxtValues(rig.zone).remove(TxtValue(name=f"_acme-challenge.{INSTANCE}", value=value))

    assert rig.failing(Between(rig.new_run(), plan.ANSWER, lose)) == "VD-TLS-025"
    newest = rig.newest()
    assert (newest.order, newest.failures, newest.challenge) == ("", 1, "") and rig.proofs() == ()
    (order,) = rig.orders()
    assert order["failedAt"] and order["givenUp"]
    waits = rig.succeed()
    assert waits.resume_at is not None and waits.resume_at - from_rfc3339(newest.failed_at) == timedelta(minutes=1)
    rig.set(failed_at=LONG_AGO)
    done = rig.finish()
    assert done.chain and done.failures == 0


@pytest.mark.parametrize("code", ["VD-TLS-004", "VD-TLS-007"])
def test_if_the_customer_refuses_each_chain_each_order_comes_later(rig: CertificateRig, code: str) -> None:
    def refusing(name: str, parameters: Mapping[str, Any]) -> Mapping[str, Any]:
        if parameters.get("phase") != "install":
            return rig.run_runbook(name, parameters)
        return {"status": "failed", "error": {"code": code, "message": "refused"}, "report": {}}

    renewable(rig)
    refused = rig.newest().certificate_id
    for tries, minutes in enumerate((1, 10, 100, 24 * 60), start=1):
        assert rig.failing(rig.new_run(customer=refusing, now=True)) == "VD-ROTATION-031"
        newest = rig.newest()
        assert (newest.number, newest.failures, newest.chain) == (2, tries, "")
        assert newest.renews == newest.certificate_id != refused, "the next one replaces the refused one"
        waits = rig.drive(rig.new_run(customer=refusing))
        assert waits.resume_at == from_rfc3339(newest.failed_at) + timedelta(minutes=minutes)
        rig.set(failed_at=LONG_AGO)
    outcome = rig.succeed()
    assert "replaced" not in [each.outcome for each in outcome.results], "the authority accepts `replaces`"
    assert (rig.newest().customer, rig.newest().failures, rig.newest().failed_at) == ("installed", 0, "")


def test_an_account_that_the_authority_has_lost_is_registered_again(rig: CertificateRig) -> None:
    renewable(rig)
    with (
        ManagedIdentityCredential(client_id=rig.lab.env["VIBEDATA_PUBLISHER_CLIENT_ID"]) as credential,
        KeyClient(rig.lab.env["VIBEDATA_PUBLISHER_KEY_VAULT_ENDPOINT"], credential) as keys,
    ):
        keys.create_ec_key("acme-account", curve="P-256", key_operations=["sign", "verify"])
        outcome = rig.succeed(now=True)
        assert [each.outcome for each in outcome.results].count("replaced") == 1, (
            "another account: `replaces` is refused"
        )
        assert rig.finish().chain
        rig.set(ask_after=rfc3339(NOW + timedelta(days=1)))
        keys.create_rsa_key("acme-account", size=2048)
        assert rig.failing(now=True) == "VD-TLS-022"


def test_a_claim_of_another_run_is_respected(rig: CertificateRig) -> None:
    claim = Between(rig.new_run(), plan.ORDER, lambda: rig.set(claimed_at=rfc3339(datetime.now(timezone.utc))))
    assert rig.failing(claim) == "VD-TLS-029"
    assert rig.asked(ORDER) == 0 and rig.new_run().next_step().brief
    rig.set(claimed_at=LONG_AGO)
    assert rig.finish().chain and rig.asked(ORDER) == 1


def test_a_run_waits_for_a_slow_authority_and_the_next_run_continues_its_order(rig: CertificateRig) -> None:
    rig.lab.control("POST", "/acme", {"slow_looks": 5})
    rig.finish()
    rig.set(ask_after=rfc3339(NOW + timedelta(days=1)))
    rig.lab.control("POST", "/acme", {"slow_looks": 10_000})
    assert rig.failing(now=True) == "VD-TLS-028"
    rig.lab.control("POST", "/acme", {"slow_looks": 0})
    assert rig.finish().number == 2
    assert rig.asked(ORDER) == rig.asked(FINALIZE) == 2


def test_an_order_at_a_former_authority_is_given_up_and_another_one_is_sent(rig: CertificateRig) -> None:
    rig.lab.control("POST", "/acme", {"slow_looks": 10_000})
    assert rig.failing() == "VD-TLS-028"
    rig.lab.control("POST", "/acme", {"slow_looks": 0})
    known = {"authority": "ca.example", "known": True, "renews": "a.b"}
    rig.set(order="https://127.0.0.1:1/order/7", failures=0, failed_at="", wait_until="", **known)
    given_up = rig.drive(rig.new_run())
    assert given_up.failed is None and rig.newest().order == ""
    rig.set(failures=0, failed_at="", wait_until="")
    assert rig.finish().chain and rig.asked(ORDER) == 2
    # What the former authority has issued does not count.
    assert (rig.newest().authority, rig.newest().renews, rig.newest().known) == (rig.authority, "", False)
    assert [each["known"] for each in rig.orders() if each.get("issuedAt")] == [False]


def test_a_name_that_is_not_in_the_zone_is_not_ordered(rig: CertificateRig) -> None:
    with pytest.raises(RunbookError) as caught:
        Dns01(rig.zone, rig.clock, instance_id=INSTANCE).obstacle("k3v9x2p7.other.example", identities=(), account="")
    assert caught.value.code == "VD-DNS-001"


def test_a_certificate_for_the_name_of_another_instance_is_not_ordered(rig: CertificateRig) -> None:
    records = [{"ipv4Address": "192.0.2.7"}]
    dns_zone.put(rig.lab, "A", INSTANCE, ARecords=records, metadata={"vibedataInstance": "m4w8y6q2"})
    assert rig.failing() == "VD-DNS-007"
    assert rig.asked(ORDER) == 0 and rig.orders() == []
    dns_zone.put(rig.lab, "A", INSTANCE, ARecords=records, metadata={"vibedataInstance": INSTANCE})
    assert rig.finish().chain


def test_two_operators_at_once_order_once(rig: CertificateRig) -> None:
    runs = [rig.new_run() for _ in range(2)]
    outcomes = []
    threads = [threading.Thread(target=lambda run=run: outcomes.append(rig.drive(run))) for run in runs]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(240)
    assert len(outcomes) == 2
    for outcome in outcomes:
        if outcome.failed is not None:
            assert outcome.failed.error is not None and outcome.failed.error.retryable, str(outcome.failed.error)
    if rig.newest().open:
        rig.finish()
    assert rig.newest().number == 1
    assert rig.asked(ORDER) == 1 and rig.issued() == 1 and rig.proofs() == ()


def test_an_answer_of_another_kind_of_server_is_refused(rig: CertificateRig) -> None:
    rig.lab.fault("status", times=9, match={"service": "acme", "path": "/dir"}, status=200)
    assert rig.failing() == "VD-TLS-021"


@pytest.mark.parametrize("names", [("other.vibedata.ai",), (HOST, "other.vibedata.ai")])
def test_a_signing_request_for_another_name_is_not_ordered(rig: CertificateRig, names: tuple[str, ...]) -> None:

    der = x509.load_pem_x509_csr(request_for(*names)[0]).public_bytes(Encoding.DER)
    report = {"state": "prepared", "signing_request": [base64.b64encode(der).decode()]}

    def hostile(_runbook: str, _parameters: Mapping[str, Any]) -> Mapping[str, Any]:
        return {"status": "succeeded", "error": None, "report": report}

    assert rig.failing(rig.new_run(customer=hostile)) == "VD-TLS-023"
    assert rig.asked(ORDER) == 0
