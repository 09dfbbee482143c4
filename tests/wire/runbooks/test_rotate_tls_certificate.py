"""rotate_tls_certificate over the wire: against the vault's stand-in, and a TLS server that serves the vault's PFX."""

import base64
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Any

import pytest
from azure.identity import ManagedIdentityCredential
from azure.keyvault.certificates import CertificateClient, CertificatePolicy
from azure.keyvault.secrets import SecretClient
from cryptography import x509
from cryptography.hazmat.primitives.asymmetric import rsa
from cryptography.hazmat.primitives.serialization import Encoding, pkcs12

from runbook_lib.tls_certificate.chain import text_of
from runbook_lib.tls_certificate.name import CERTIFICATE
from runbooks import rotate_tls_certificate
from tests.support.log_reader import table_rows
from tests.support.rotation_rig import new_rotation_id
from tests.support.runbook_run import QuickClock, Run, run
from tests.support.running_lab import LabUnderTest
from tests.support.tls_server import TlsServer, tls_server
from tests.support.web_authority import DAY, WebAuthority, new_web_authority

HOST = "k3v9x2p7.vibedata.ai"


@dataclass(frozen=True, slots=True, kw_only=True)
class Rig:
    """The lab, the gateway's place, and the customer's vault with full rights."""

    lab: LabUnderTest
    gateway: TlsServer
    authority: WebAuthority
    certificates: CertificateClient
    secrets: SecretClient

    def run(self, phase: str, rotation: str, **given: Any) -> Run:
        environ = {"VIBEDATA_PUBLIC_HOST": HOST, "VIBEDATA_GATEWAY": self.gateway.address}
        named = {"rotation_id": rotation} if rotation else {}
        return run(self.lab, rotate_tls_certificate.RUNBOOK, environ=environ, phase=phase, **named, **given)

    def state(self, phase: str, rotation: str, **given: Any) -> str:
        made = self.run(phase, rotation, **given)
        assert made.exit_code == 0, made.text
        return str(made.result["report"]["state"])

    def refused(self, phase: str, rotation: str, **given: Any) -> str:
        """Return the code of a run that fails."""
        made = self.run(phase, rotation, **given)
        assert made.exit_code != 0, made.text
        return next(iter(made.codes().values()), made.error_code)

    def request(self, rotation: str) -> bytes:
        """Return the signing request that prepare reports."""
        made = self.run("prepare", rotation)
        assert made.exit_code == 0, made.text
        return base64.b64decode("".join(made.result["report"]["signing_request"]))

    def chain(self, rotation: str, **given: Any) -> str:
        return encoded(self.authority.chain(self.request(rotation), **given))

    def served(self) -> None:
        """Let the gateway read the vault."""
        self.gateway.serve(self.secrets.get_secret(CERTIFICATE).value or "")

    def newest(self) -> Any:
        return self.certificates.get_certificate(CERTIFICATE).properties

    def installed(self, rotation: str) -> None:
        assert self.state("install", rotation, chain=self.chain(rotation)) == "installed"
        self.served()


def encoded(chain: list[x509.Certificate]) -> str:
    return text_of([each.public_bytes(Encoding.DER) for each in chain])


@pytest.fixture(scope="module")
def authority() -> WebAuthority:
    return new_web_authority()


@pytest.fixture
def rig(lab: LabUnderTest, authority: WebAuthority, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Rig]:
    trusted = tmp_path / "trusted.pem"
    trusted.write_text(Path(lab.env["REQUESTS_CA_BUNDLE"]).read_text() + authority.root_pem)
    monkeypatch.setenv("REQUESTS_CA_BUNDLE", str(trusted))
    endpoint = lab.env["VIBEDATA_KEY_VAULT_ENDPOINT"]
    with (
        tls_server() as gateway,
        ManagedIdentityCredential(client_id=lab.env["VIBEDATA_UAMI_CLIENT_ID"]) as credential,
        CertificateClient(endpoint, credential) as certificates,
        SecretClient(endpoint, credential) as secrets,
    ):
        yield Rig(lab=lab, gateway=gateway, authority=authority, certificates=certificates, secrets=secrets)


def test_a_certificate_and_its_renewal_pass_all_phases_and_the_key_stays_in_the_vault(rig: Rig) -> None:
    first, second = new_rotation_id(), new_rotation_id()
    texts = []
    for rotation in (first, second):
        made = rig.run("prepare", rotation)
        asked = base64.b64decode("".join(made.result["report"]["signing_request"]))
        texts.append(made.text)
        chain = encoded(rig.authority.chain(asked))
        for phase, given in (("install", {"chain": chain}), ("test", {}), ("retire", {"overlap_seconds": 0})):
            for again in (False, True):
                made = rig.run(phase, rotation, **given)
                texts.append(made.text)
                assert made.exit_code == 0, made.text
                assert made.result["changed"] == 0 or not again, made.text
                assert not made.sent("key_vault", "GET", f"/secrets/{CERTIFICATE}")
                assert not made.sent("key_vault", "GET", f"/keys/{CERTIFICATE}")
                rig.served()
        assert rig.state("auto", rotation) == "retired"
        assert rig.newest().tags["rotationId"] == rotation
    enabled = {each.enabled for each in rig.certificates.list_properties_of_certificate_versions(CERTIFICATE)}
    assert enabled == {True, False}
    assert rig.run("test", first).error_code == "VD-TLS-002"
    key = pkcs12.load_pkcs12(base64.b64decode(rig.secrets.get_secret(CERTIFICATE).value or ""), None).key
    assert isinstance(key, rsa.RSAPrivateKey)
    told = "".join(texts) + str(table_rows(rig.lab))
    assert second in told
    secret = key.private_numbers()
    for number in (secret.d, secret.p, secret.q):
        octets = number.to_bytes((number.bit_length() + 7) // 8, "big")
        assert octets.hex() not in told.lower() and str(number) not in told
        for start in range(3):  # base64 of a text depends on its position in the whole
            assert base64.b64encode(octets[start : start + 48]).decode() not in told


def test_the_log_says_in_sentences_what_was_done(rig: Rig) -> None:
    rotation = new_rotation_id()
    rig.certificates.begin_create_certificate(CERTIFICATE, CertificatePolicy("Unknown", subject="CN=other.example"))
    rig.installed(rotation)
    messages = [row["Message"] for row in table_rows(rig.lab) if row["Runbook"] == "rotate_tls_certificate"]
    text = "\n".join(messages)
    assert "Discarded pending operation of vibedata-tls: none." in text
    assert "Created pending operation of vibedata-tls: a request for the wanted names." in text
    assert f"of rotation {rotation}." in text


def test_an_operation_of_somebody_else_is_taken_up_or_discarded(rig: Rig) -> None:
    policy = CertificatePolicy(
        "Unknown", subject=f"CN={HOST}", san_dns_names=[HOST], exportable=True, key_type="RSA", reuse_key=False
    )
    theirs = rig.certificates.begin_create_certificate(CERTIFICATE, policy).result()
    rotation = new_rotation_id()
    assert rig.request(rotation) == theirs.csr  # type: ignore[union-attr] # an operation of the issuer Unknown
    rig.certificates.cancel_certificate_operation(CERTIFICATE)
    other = rig.request(rotation)
    assert other != theirs.csr  # type: ignore[union-attr]
    assert rig.request(new_rotation_id()) == other  # weeks later, or in another rotation
    late = encoded(rig.authority.chain(theirs.csr or b""))  # type: ignore[union-attr]
    assert rig.refused("install", rotation, chain=late) == "VD-TLS-004"


def test_chains_that_no_browser_accepts_are_refused_before_the_merge(rig: Rig) -> None:
    rotation = new_rotation_id()
    asked = rig.request(rotation)
    leaf, intermediate = rig.authority.chain(asked)
    stranger = new_web_authority("Stranger")
    begin = leaf.not_valid_before_utc
    for code, chain in {
        "VD-TLS-003": [leaf] * 7,
        "VD-TLS-005": rig.authority.chain(asked, names=(HOST, "other.example")),
        "VD-TLS-006": rig.authority.chain(asked, begin=begin - 20 * DAY, end=begin - DAY),
        "VD-TLS-007": stranger.chain(asked),
    }.items():
        assert rig.refused("install", rotation, chain=encoded(chain)) == code
    assert rig.refused("install", rotation, chain=encoded([leaf, stranger.intermediate.certificate])) == "VD-TLS-007"
    assert rig.refused("install", rotation, chain=encoded([intermediate, leaf])) == "VD-TLS-004"
    assert rig.certificates.get_certificate_operation(CERTIFICATE).status == "inProgress"
    assert rig.state("install", rotation, chain=encoded([leaf, intermediate])) == "installed"
    assert rig.refused("install", rotation, chain=encoded(stranger.chain(asked))) == "VD-TLS-008"


def test_what_the_gateway_serves_decides_the_test(rig: Rig) -> None:
    first, second = new_rotation_id(), new_rotation_id()
    assert rig.refused("test", first) == "VD-TLS-001"
    rig.installed(first)
    old = rig.secrets.get_secret(CERTIFICATE).value or ""
    rig.installed(second)
    rig.gateway.serve(old)
    assert rig.refused("test", second) == "VD-TLS-010"
    assert rig.refused("retire", second) == "VD-TLS-001"
    untrusted = Rig(
        lab=rig.lab,
        gateway=TlsServer("127.0.0.1:1"),
        authority=rig.authority,
        certificates=rig.certificates,
        secrets=rig.secrets,
    )
    assert untrusted.refused("test", second) == "VD-TLS-009"  # nobody listens
    rig.served()
    assert rig.state("test", second) == "tested"
    assert rig.refused("retire", second) == "VD-TLS-011"


def test_a_tag_of_somebody_else_stays_when_the_version_is_marked_as_tested(rig: Rig) -> None:
    rotation = new_rotation_id()
    rig.installed(rotation)
    rig.certificates.update_certificate_properties(CERTIFICATE, tags={**rig.newest().tags, "owner": "security"})
    rig.served()
    assert rig.state("test", rotation) == "retired"
    tags = rig.newest().tags
    assert (tags["owner"], tags["rotationId"]) == ("security", rotation)
    assert set(tags) == {"owner", "rotationId", "tested", "writtenAt"}


def test_a_deleted_disabled_or_imported_certificate(rig: Rig) -> None:
    rig.lab.control("POST", "/vaults", {"service": "key_vault", "purge_protection": True})
    first, second = new_rotation_id(), new_rotation_id()
    rig.installed(first)
    rig.certificates.begin_delete_certificate(CERTIFICATE).wait()
    assert rig.run("test", first).outcomes() == {f"certificate {CERTIFICATE}": "done"}  # recovered
    assert rig.state("test", first) == "retired"
    rig.certificates.begin_delete_certificate(CERTIFICATE).wait()
    assert rig.request(second)  # recovered, and begun
    pfx = rig.secrets.get_secret(CERTIFICATE).value or ""
    rig.certificates.delete_certificate_operation(CERTIFICATE)
    rig.certificates.import_certificate(CERTIFICATE, base64.b64decode(pfx))
    assert rig.refused("retire", first) == "VD-TLS-002"
    rig.installed(second)
    rig.certificates.update_certificate_properties(CERTIFICATE, rig.newest().version, enabled=False)
    assert rig.refused("test", second) == "VD-TLS-002"
    third = new_rotation_id()
    rig.installed(third)
    assert rig.state("test", third) == "tested"
    assert rig.state("retire", third, overlap_seconds=0) == "retired"


def test_more_versions_than_a_page_holds_stop_no_rotation(rig: Rig) -> None:
    rig.installed(new_rotation_id())
    pfx = base64.b64decode(rig.secrets.get_secret(CERTIFICATE).value or "")
    for _ in range(26):  # a page has 25
        rig.certificates.import_certificate(CERTIFICATE, pfx)
    last = new_rotation_id()
    rig.installed(last)
    assert any("skiptoken" in str(entry) for entry in rig.lab.journal() if "/versions" in entry["path"])
    assert rig.state("test", last) == "tested"


class LaterClock(QuickClock):
    """A clock days after the vault's. For a run by this clock, the vault's own time of a version is days old."""

    def now(self) -> datetime:
        return super().now() + 3 * DAY


def test_the_overlap_begins_when_the_certificate_is_installed(rig: Rig) -> None:
    first, second, later = new_rotation_id(), new_rotation_id(), LaterClock()
    rig.installed(first)
    assert rig.state("install", second, chain=rig.chain(second), clock=later) == "installed"
    rig.served()
    assert rig.state("test", second, clock=later) == "tested"
    assert rig.state("auto", second, clock=later) == "tested"
    assert rig.refused("retire", second, clock=later) == "VD-TLS-011"
    tags = {**rig.newest().tags, "writtenAt": "8999-01-01T00:00:00Z"}  # of somebody who wants to keep the former one
    rig.certificates.update_certificate_properties(CERTIFICATE, tags=tags)
    assert rig.state("auto", second, clock=later) == "retired"


def test_a_secret_of_the_same_name_is_reported(rig: Rig) -> None:
    rig.secrets.set_secret(CERTIFICATE, "plain")
    assert rig.refused("prepare", new_rotation_id()) == "VD-TLS-013"


@pytest.mark.parametrize("path", ["/create", "/merge"])
@pytest.mark.parametrize("action", ["reset_after", "reset_before"])
def test_a_lost_answer_leaves_one_operation_and_one_version(rig: Rig, path: str, action: str) -> None:
    fault = {"match": {"service": "key_vault", "method": "POST", "path": path, "nth": 1}, "action": action, "times": 1}
    rotation = new_rotation_id()
    rig.lab.control("POST", "/faults", fault)
    rig.installed(rotation)
    assert rig.newest().tags["rotationId"] == rotation
    assert len(list(rig.certificates.list_properties_of_certificate_versions(CERTIFICATE))) == 1


def test_an_answer_without_what_every_vault_tells_is_refused(rig: Rig) -> None:
    rig.installed(new_rotation_id())
    fault = {"match": {"service": "key_vault", "path": "/versions"}, "action": "status", "status": 200, "times": 9}
    rig.lab.control("POST", "/faults", fault)
    assert rig.refused("prepare", new_rotation_id()) == "VD-TLS-012"


def test_a_vault_that_shows_its_writes_late_loses_nothing(rig: Rig) -> None:
    rig.lab.control("POST", "/latency", {"operation": "vaultVisibility", "seconds": 2, "service": "key_vault"})
    rotation = new_rotation_id()
    assert rig.state("install", rotation, chain=rig.chain(rotation)) == "installed"
