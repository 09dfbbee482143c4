"""check_health watches the certificate that the gateway serves, with a TLS connection to the lab's gateway."""

from datetime import datetime, timezone
from pathlib import Path

import pytest
from azure.identity import ManagedIdentityCredential
from azure.keyvault.certificates import CertificateClient, CertificatePolicy
from cryptography.hazmat.primitives.serialization import Encoding

from runbook_lib.basics.clock import rfc3339
from runbook_lib.component_registry.schema import CREDENTIALS
from runbook_lib.tls_certificate.name import CERTIFICATE
from runbook_lib.vault.secret_in_use import WRITTEN_TAG
from runbooks import configure_gateway
from tests.support.health_rig import Rig
from tests.support.runbook_run import run
from tests.support.web_authority import DAY, WebAuthority, new_web_authority

HOST = "k3v9x2p7.vibedata.ai"
ROW = "tls-certificate"


@pytest.fixture
def authority(three: Rig, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> WebAuthority:
    made = new_web_authority()
    trusted = tmp_path / "trusted.pem"
    trusted.write_text(Path(three.lab.env["REQUESTS_CA_BUNDLE"]).read_text() + made.root_pem)
    monkeypatch.setenv("REQUESTS_CA_BUNDLE", str(trusted))
    three.lab.control("POST", "/gateway", {"listen": True})
    return made


def seen(rig: Rig) -> tuple[str, str]:
    """Return the row's health and reason after three checks, because one check alone does not change the health."""
    environ = {"VIBEDATA_PUBLIC_HOST": HOST, "VIBEDATA_GATEWAY": rig.lab.env["VIBEDATA_GATEWAY"]}
    for _ in range(3):
        made = rig.check(environ=environ)
        assert made.exit_code == 0, made.text
    return rig.health(ROW, "observability"), rig.reason(ROW, "observability")


def recorded(rig: Rig) -> list[str]:
    """Return the state in the certificate's row of table Credentials, if there is one. A valid one has an end."""
    rows = [each for each in rig.tables.get_table_client(CREDENTIALS).list_entities() if each["PartitionKey"] == ROW]
    assert all(bool(each["expires"]) == (each["state"] == "enabled") for each in rows)
    return [str(each["state"]) for each in rows]


def test_the_certificate_from_the_placeholder_to_its_last_days(three: Rig, authority: WebAuthority) -> None:
    lab = three.lab
    three.tables.create_table_if_not_exists(CREDENTIALS)
    assert seen(three) == ("unknown", "the vault has no certificate yet")
    with (
        ManagedIdentityCredential(client_id=lab.env["VIBEDATA_UAMI_CLIENT_ID"]) as credential,
        CertificateClient(lab.env["VIBEDATA_KEY_VAULT_ENDPOINT"], credential) as certificates,
    ):

        def install(**given: object) -> None:
            policy = CertificatePolicy("Unknown", subject=f"CN={HOST}", san_dns_names=[HOST], exportable=True)
            asked = certificates.begin_create_certificate(CERTIFICATE, policy).result()
            chain = authority.chain(asked.csr or b"", **given)  # type: ignore[union-attr,arg-type] # an operation
            certificates.merge_certificate(CERTIFICATE, [each.public_bytes(Encoding.DER) for each in chain])

        assert recorded(three) == []
        install()
        health, reason = seen(three)
        assert recorded(three) == ["enabled"]
        assert health == "degraded" and "/secrets/tls-certificate and not " in reason
        assert run(lab, configure_gateway.RUNBOOK).exit_code == 0
        assert seen(three) == ("healthy", "")
        install()
        health, reason = seen(three)
        assert (health, reason) == ("degraded", "the gateway serves another certificate than the vault's newest")
        # The suite writes the time of the installation. Then the gateway has 4 hours to read the certificate.
        tags = {WRITTEN_TAG: rfc3339(datetime.now(timezone.utc))}
        certificates.update_certificate_properties(CERTIFICATE, tags=tags)
        assert seen(three) == ("healthy", "the gateway reads the renewed certificate within 4 hours")
        lab.control("POST", "/gateway", {"poll": True})
        assert seen(three) == ("healthy", "")
        certificates.update_certificate_properties(CERTIFICATE, enabled=False)
        assert seen(three) == ("degraded", "the vault's newest certificate is disabled")
        certificates.update_certificate_properties(CERTIFICATE, enabled=True)
        now = datetime.now(timezone.utc)
        install(begin=now - 70 * DAY, end=now + 20 * DAY)
        lab.control("POST", "/gateway", {"poll": True})
        health, reason = seen(three)
        assert health == "degraded" and reason.startswith("the certificate ends in 19 days, on ")
        certificates.begin_delete_certificate(CERTIFICATE).wait()
        health, reason = seen(three)
        assert health == "unhealthy"
        assert reason.startswith("the vault does not have the certificate that the listener reads")
        assert recorded(three) == ["absent"]


def test_a_gateway_that_does_not_answer_is_ill_and_fails_no_check(three: Rig, authority: WebAuthority) -> None:
    lab = three.lab
    with (
        ManagedIdentityCredential(client_id=lab.env["VIBEDATA_UAMI_CLIENT_ID"]) as credential,
        CertificateClient(lab.env["VIBEDATA_KEY_VAULT_ENDPOINT"], credential) as certificates,
    ):
        policy = CertificatePolicy("Unknown", subject=f"CN={HOST}", san_dns_names=[HOST], exportable=True)
        asked = certificates.begin_create_certificate(CERTIFICATE, policy).result()
        # Without its intermediate the chain is not complete.
        (leaf, _) = authority.chain(asked.csr or b"")  # type: ignore[union-attr] # an operation
        certificates.merge_certificate(CERTIFICATE, [leaf.public_bytes(Encoding.DER)])
    assert run(lab, configure_gateway.RUNBOOK).exit_code == 0
    health, reason = seen(three)
    assert health == "unhealthy" and "VD-TLS-009" in reason
