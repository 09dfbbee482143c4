"""A first certificate and renewals, from the customer's key to the handshake."""

from runbook_lib.tls_certificate.name import CERTIFICATE
from tests.support.certificate_rig import HOST, CertificateRig, served_names


def test_a_first_certificate_and_its_renewal_by_the_authoritys_window(rig: CertificateRig) -> None:
    first = rig.finish()
    assert first.customer == "retired" and first.ended_at and not first.known, "there is no former one to disable"
    assert served_names(rig) == [HOST]
    assert [job["phase"] for job in rig.jobs] == ["prepare", "install", "test"]
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
    renewed = rig.finish()
    assert renewed.number == 2 and renewed.known and renewed.renews == first.certificate_id
    assert renewed.certificate_id != first.certificate_id and renewed.customer == "retired"
    assert sorted(bool(each["exempt"]) for each in rig.orders()) == [False, True]
    enabled = [each.enabled for each in rig.certificates.list_properties_of_certificate_versions(CERTIFICATE)]
    assert sorted(map(bool, enabled)) == [False, True]
    assert rig.proofs() == ()
