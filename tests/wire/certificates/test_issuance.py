"""A first certificate and renewals, from the customer's key to the handshake."""

from collections.abc import Mapping
from dataclasses import replace
from typing import Any

import pytest

from publisher.certificates.customer import GATEWAY_RUNBOOK
from publisher.certificates.plan import IssuanceRequest
from runbook_lib.tls_certificate.name import CERTIFICATE
from tests.support.certificate_rig import HOST, LONG_AGO, CertificateRig, served_names


def test_a_first_certificate_and_its_renewal_by_the_authoritys_window(rig: CertificateRig) -> None:
    first = rig.finish()
    assert first.customer == "retired" and first.ended_at and not first.known, "there is no former one to disable"
    assert served_names(rig) == [HOST]
    jobs = [job.get("phase", job["runbook"]) for job in rig.jobs]
    assert jobs == ["prepare", "install", "configure_gateway", "test"], "the gateway may still have the placeholder"
    assert rig.proofs() == () and first.challenge == ""
    (order,) = rig.orders()
    assert order["issuedAt"] and not order["exempt"]

    # Nothing is due. The first look asks for the window, and the next one asks for nothing.
    assert rig.succeed().results[0].change.action == "ask"
    since = rig.lab.last_request()
    waits = rig.succeed()
    assert waits.results == [] and waits.resume_at is not None
    assert not rig.lab.journal(service="acme", since=since) and not rig.lab.journal(service="arm", since=since)

    # A mass revocation: the window is over at once.
    rig.lab.control("POST", "/acme", {"renew_now": True})
    rig.set(ask_after="2026-01-01T00:00:00.000000Z")
    before = len(rig.jobs)
    renewed = rig.finish()
    assert [job.get("phase") for job in rig.jobs[before:]] == ["prepare", "install", "test", "retire"]
    assert renewed.number == 2 and renewed.known and renewed.renews == first.certificate_id
    assert renewed.certificate_id != first.certificate_id and renewed.customer == "retired"
    assert sorted(bool(each["exempt"]) for each in rig.orders()) == [False, True]
    enabled = [each.enabled for each in rig.certificates.list_properties_of_certificate_versions(CERTIFICATE)]
    assert sorted(map(bool, enabled)) == [False, True]
    assert rig.proofs() == ()


def test_a_stolen_key_is_replaced_although_a_renewal_waits_for_the_gateway(rig: CertificateRig) -> None:
    rig.finish()
    assert rig.succeed(now=True).resume_at is not None
    second = rig.newest()
    assert (second.number, second.customer, second.open) == (2, "installed", True)
    assert rig.succeed(now=True).resume_at is not None
    assert rig.newest() == second, "the same request again makes no further certificate"
    rig.set(installed_at=LONG_AGO)
    assert rig.succeed(now=True).resume_at is not None, "it makes one certificate, and then waits"
    third = rig.newest()
    assert (third.number, third.customer, third.renews) == (3, "installed", second.certificate_id)
    assert rig.finish().ended_at and rig.issued() == 3
    enabled = [each.enabled for each in rig.certificates.list_properties_of_certificate_versions(CERTIFICATE)]
    assert sum(map(bool, enabled)) == 1, "the stolen key is disabled, too"


@pytest.mark.parametrize("customer", ["installed", "tested"])
def test_another_issuance_follows_one_whose_version_has_lost_its_tag(rig: CertificateRig, customer: str) -> None:
    rig.finish()
    rig.succeed(now=True)
    properties = rig.certificates.get_certificate(CERTIFICATE).properties
    assert properties is not None
    rig.certificates.update_certificate_properties(CERTIFICATE, str(properties.version), tags={})
    rig.set(customer=customer, installed_at=LONG_AGO, retire_after=LONG_AGO)
    assert rig.failing() == "VD-ROTATION-031"
    assert rig.newest().overtaken
    third = rig.finish()
    assert (third.number, third.customer, rig.issued()) == (3, "retired", 3)


def test_a_gateway_that_cannot_be_configured_keeps_the_issuance_open_until_it_can(rig: CertificateRig) -> None:
    def stopped(name: str, parameters: Mapping[str, Any]) -> Mapping[str, Any]:
        if name != GATEWAY_RUNBOOK:
            return rig.run_runbook(name, parameters)
        return {"status": "failed", "error": {"code": "VD-GATEWAY-003", "message": "it is stopped"}, "report": {}}

    outcome = rig.drive(rig.new_run(stopped))
    assert [(each.change.action, each.outcome) for each in outcome.results][-2:] == [
        ("configure", "failed"),
        ("test", "skipped"),
    ]
    error = outcome.failed and outcome.failed.error
    assert error and error.code == "VD-ROTATION-031" and "VD-GATEWAY-003" in error.message
    assert (rig.newest().customer, rig.newest().open) == ("installed", True)
    assert rig.finish().ended_at and rig.issued() == 1


def test_a_certificate_that_the_vault_has_lost_is_ordered_again(rig: CertificateRig) -> None:
    first = rig.finish()
    for before in (first, replace(first, number=2)):
        rig.certificates.begin_delete_certificate(CERTIFICATE).wait()
        rig.certificates.purge_deleted_certificate(CERTIFICATE)
        if before.number == 2:
            rig.set(customer="installed", ended_at="")  # the resource group was deleted before the test
        rotating = rig.new_run(request=IssuanceRequest(until_installed=True, lost=True))
        assert rig.drive(rotating).failed is None, rig.said[-3:]
        newest = rig.newest()
        assert (newest.number, newest.customer, newest.retire_after) == (before.number + 1, "installed", "")
        assert rig.succeed().resume_at is None and rig.newest().ended_at
