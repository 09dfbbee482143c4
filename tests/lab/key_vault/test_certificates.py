"""Certificates of the customer's vault, driven by the official client."""

import base64
from collections.abc import Iterator

import pytest
import requests
from azure.core.exceptions import HttpResponseError, ResourceExistsError, ResourceNotFoundError
from azure.identity import ManagedIdentityCredential
from azure.keyvault.certificates import (
    ApiVersion,
    CertificateClient,
    CertificateContentType,
    CertificateOperation,
    CertificatePolicy,
    CertificateProperties,
    KeyVaultCertificate,
    WellKnownIssuerNames,
)
from azure.keyvault.keys import KeyClient
from azure.keyvault.secrets import SecretClient
from cryptography import x509
from cryptography.hazmat.primitives.asymmetric import ec, rsa
from cryptography.hazmat.primitives.serialization import Encoding, pkcs12

from tests.support.running_lab import LabUnderTest
from tests.support.web_authority import WebAuthority, new_web_authority

HOST = "k3v9p2.vibedata.ai"
POLICY = CertificatePolicy(
    issuer_name=WellKnownIssuerNames.unknown, subject=f"CN={HOST}", san_dns_names=[HOST], exportable=True
)


@pytest.fixture(scope="module")
def authority() -> WebAuthority:
    return new_web_authority()


@pytest.fixture
def credential(lab: LabUnderTest) -> Iterator[ManagedIdentityCredential]:
    with ManagedIdentityCredential(client_id=lab.env["VIBEDATA_UAMI_CLIENT_ID"]) as credential:
        yield credential


@pytest.fixture
def certificates(lab: LabUnderTest, credential: ManagedIdentityCredential) -> Iterator[CertificateClient]:
    with CertificateClient(lab.env["VIBEDATA_KEY_VAULT_ENDPOINT"], credential, retry_total=0) as client:
        yield client


@pytest.fixture
def secrets(lab: LabUnderTest, credential: ManagedIdentityCredential) -> Iterator[SecretClient]:
    with SecretClient(lab.env["VIBEDATA_KEY_VAULT_ENDPOINT"], credential, retry_total=0) as client:
        yield client


def der(found: KeyVaultCertificate) -> bytes:
    return bytes(found.cer or b"")


def properties(found: KeyVaultCertificate) -> CertificateProperties:
    assert found.properties is not None
    return found.properties


def codes(error: HttpResponseError) -> tuple[int | None, str]:
    assert error.response is not None
    return error.status_code, error.response.json()["error"]["code"]  # type: ignore[attr-defined]


def begun(certificates: CertificateClient, name: str = "tls", policy: CertificatePolicy = POLICY) -> bytes:
    """Start an operation and return its CSR."""
    operation = certificates.begin_create_certificate(name, policy).result()
    assert isinstance(operation, CertificateOperation)
    assert (operation.status, operation.issuer_name) == ("inProgress", "Unknown")
    assert operation.csr is not None
    return operation.csr


def merged(certificates: CertificateClient, authority: WebAuthority, name: str = "tls") -> list[x509.Certificate]:
    """Complete the operation of this name, and return the chain."""
    chain = authority.chain(certificates.get_certificate_operation(name).csr or b"")
    certificates.merge_certificate(name, [each.public_bytes(Encoding.DER) for each in chain])
    return chain


@pytest.mark.parametrize("version", ["7.4", "7.5", "7.6", "2025-07-01", "2026-04-01"])
def test_a_certificate_signed_by_somebody_else_comes_into_use(
    lab: LabUnderTest,
    credential: ManagedIdentityCredential,
    secrets: SecretClient,
    authority: WebAuthority,
    version: str,
) -> None:
    endpoint = lab.env["VIBEDATA_KEY_VAULT_ENDPOINT"]
    with CertificateClient(endpoint, credential, api_version=ApiVersion(version)) as certificates:
        request = x509.load_der_x509_csr(begun(certificates))
        assert request.is_signature_valid
        names = request.extensions.get_extension_for_class(x509.SubjectAlternativeName).value
        assert names.get_values_for_type(x509.DNSName) == [HOST]
        chain = merged(certificates, authority)
        found = certificates.get_certificate("tls")
    assert der(found) == chain[0].public_bytes(Encoding.DER)
    assert (properties(found).enabled, properties(found).expires_on) == (True, chain[0].not_valid_after_utc)
    with KeyClient(endpoint, credential) as keys:
        assert keys.get_key("tls").properties.managed
    secret = secrets.get_secret("tls")  # without a version, as a gateway reads it
    assert secret.properties.version == properties(found).version
    assert (secret.properties.content_type, secret.properties.managed) == ("application/x-pkcs12", True)
    read = pkcs12.load_pkcs12(base64.b64decode(secret.value or ""), None)
    assert read.cert is not None
    assert isinstance(read.key, rsa.RSAPrivateKey)
    assert read.key.public_key() == chain[0].public_key()
    assert [read.cert.certificate, *(each.certificate for each in read.additional_certs)] == chain


def test_before_the_first_merge_there_is_an_empty_disabled_certificate(
    certificates: CertificateClient, secrets: SecretClient
) -> None:
    begun(certificates)
    found = certificates.get_certificate("tls")
    assert (properties(found).enabled, bool(found.cer)) == (False, False)
    assert list(certificates.list_properties_of_certificates()) == []
    assert [each.name for each in certificates.list_properties_of_certificates(include_pending=True)] == ["tls"]
    assert list(certificates.list_properties_of_certificate_versions("tls")) == []
    with pytest.raises(ResourceNotFoundError):
        secrets.get_secret("tls")


def test_one_operation_at_a_time_and_its_end(certificates: CertificateClient) -> None:
    first = begun(certificates)
    with pytest.raises(ResourceExistsError) as caught:
        certificates.begin_create_certificate("tls", POLICY)
    assert codes(caught.value) == (409, "Conflict")
    assert certificates.cancel_certificate_operation("tls").cancellation_requested
    with pytest.raises(ResourceExistsError):  # the cancellation was only asked for
        certificates.begin_create_certificate("tls", POLICY)
    assert certificates.delete_certificate_operation("tls").csr == first
    with pytest.raises(ResourceNotFoundError) as gone:
        certificates.get_certificate_operation("tls")
    assert codes(gone.value) == (404, "PendingCertificateNotFound")
    assert begun(certificates) != first


def test_a_chain_for_another_key_is_refused(certificates: CertificateClient, authority: WebAuthority) -> None:
    other = begun(certificates, "other")
    begun(certificates)
    for chain in ([each.public_bytes(Encoding.DER) for each in authority.chain(other)], [b"no certificate"], []):
        with pytest.raises(HttpResponseError) as caught:
            certificates.merge_certificate("tls", chain)
        assert codes(caught.value) == (400, "BadParameter")
    assert certificates.get_certificate_operation("tls").status == "inProgress"
    merged(certificates, authority)
    assert certificates.get_certificate_operation("tls").status == "completed"
    with pytest.raises(HttpResponseError) as again:
        merged(certificates, authority)
    assert codes(again.value) == (400, "BadParameter")


def test_versions_and_a_disabled_one(
    certificates: CertificateClient, secrets: SecretClient, authority: WebAuthority
) -> None:
    begun(certificates)
    first = merged(certificates, authority)
    begun(certificates)
    assert der(certificates.get_certificate("tls")) == first[0].public_bytes(Encoding.DER)  # until the merge
    second = merged(certificates, authority)
    assert der(certificates.get_certificate("tls")) == second[0].public_bytes(Encoding.DER)
    versions = {each.version: each for each in certificates.list_properties_of_certificate_versions("tls")}
    assert len(versions) == 2
    newest = str(properties(certificates.get_certificate("tls")).version)
    certificates.update_certificate_properties("tls", newest, enabled=False, tags={"a": "b"})
    found = certificates.get_certificate("tls")
    assert (properties(found).enabled, properties(found).tags) == (False, {"a": "b"})
    with pytest.raises(HttpResponseError) as disabled:
        secrets.get_secret("tls")
    assert codes(disabled.value) == (403, "Forbidden")


@pytest.mark.parametrize("protected", [False, True])
def test_deletion_recovery_and_purge_of_all_three(
    lab: LabUnderTest,
    certificates: CertificateClient,
    secrets: SecretClient,
    authority: WebAuthority,
    *,
    protected: bool,
) -> None:
    begun(certificates)
    merged(certificates, authority)
    old = certificates.get_certificate_policy("tls").created_on
    lab.control("POST", "/vaults", {"service": "key_vault", "purge_protection": protected})
    certificates.begin_delete_certificate("tls").wait()
    assert certificates.get_deleted_certificate("tls").name == "tls"
    for gone in (lambda: certificates.get_certificate("tls"), lambda: secrets.get_secret("tls")):
        with pytest.raises(ResourceNotFoundError):
            gone()
    with pytest.raises(ResourceExistsError) as taken:
        certificates.begin_create_certificate("tls", POLICY)
    assert codes(taken.value) == (409, "Conflict")
    certificates.begin_recover_deleted_certificate("tls").wait()
    assert secrets.get_secret("tls").value
    certificates.begin_delete_certificate("tls").wait()
    if protected:
        with pytest.raises(HttpResponseError) as refused:
            certificates.purge_deleted_certificate("tls")
        assert codes(refused.value) == (403, "Forbidden")
    else:
        certificates.purge_deleted_certificate("tls")
        lab.control("POST", "/clock", {"advance_seconds": 3600})
        begun(certificates)
        new = certificates.get_certificate_policy("tls").created_on
        assert old is not None and new is not None and (new - old).total_seconds() >= 3600


def test_policies_decide_about_key_and_secret(
    certificates: CertificateClient, secrets: SecretClient, authority: WebAuthority
) -> None:
    policy = CertificatePolicy(
        issuer_name="Unknown",
        subject=f"CN={HOST}",
        san_dns_names=[HOST, f"www.{HOST}"],
        exportable=False,
        key_type="EC",
        key_curve_name="P-256",
        content_type=CertificateContentType.pem,
    )
    request = x509.load_der_x509_csr(begun(certificates, "tls", policy))
    assert isinstance(request.public_key(), ec.EllipticCurvePublicKey)
    chain = merged(certificates, authority)
    value = secrets.get_secret("tls").value or ""
    assert x509.load_pem_x509_certificates(value.encode()) == chain
    assert "PRIVATE KEY" not in value  # it is not exportable
    kept = certificates.get_certificate_policy("tls")
    assert (kept.exportable, kept.key_type, kept.san_dns_names) == (False, "EC", [HOST, f"www.{HOST}"])
    with pytest.raises(HttpResponseError) as alone:
        secrets.set_secret("tls", "another value")
    assert codes(alone.value) == (403, "Forbidden")
    secrets.set_secret("plain", "value")
    with pytest.raises(ResourceExistsError) as taken:
        certificates.begin_create_certificate("plain", POLICY)
    assert codes(taken.value) == (409, "Conflict")
    secrets.begin_delete_secret("plain").wait()
    with pytest.raises(ResourceExistsError) as recoverable:
        certificates.begin_create_certificate("plain", POLICY)
    assert codes(recoverable.value) == (409, "Conflict")
    with pytest.raises(ResourceNotFoundError):
        certificates.get_certificate("plain")


def test_an_import_is_a_version_of_its_own(
    certificates: CertificateClient, secrets: SecretClient, authority: WebAuthority
) -> None:
    begun(certificates)
    merged(certificates, authority)
    pfx = base64.b64decode(secrets.get_secret("tls").value or "")
    imported = certificates.import_certificate("tls", pfx)
    assert imported.policy is not None
    assert len(list(certificates.list_properties_of_certificate_versions("tls"))) == 2
    begun(certificates)
    with pytest.raises(ResourceExistsError):
        certificates.import_certificate("tls", pfx)
    secrets.set_secret("deleted", "value")
    secrets.begin_delete_secret("deleted").wait()
    with pytest.raises(ResourceExistsError):
        certificates.import_certificate("deleted", pfx)
    assert [each.name for each in certificates.list_properties_of_certificates()] == ["tls"]
    with pytest.raises(HttpResponseError) as garbage:
        certificates.import_certificate("other", b"no certificate")
    assert codes(garbage.value) == (400, "BadParameter")


def test_unknown_fields_parameters_and_versions_are_refused(
    lab: LabUnderTest, credential: ManagedIdentityCredential
) -> None:
    token = credential.get_token("https://vault.azure.net/.default").token
    address = f"{lab.env['VIBEDATA_KEY_VAULT_ENDPOINT']}/certificates"
    subject = {"x509_props": {"subject": f"CN={HOST}"}}
    for method, path, body in (
        ("GET", "?api-version=7.1", None),
        ("GET", "?api-version=7.6&unknown=1", None),
        ("POST", "/tls/create?api-version=7.6", {"policy": subject, "unknown": 1}),
        ("POST", "/tls/create?api-version=7.6", {"policy": {**subject, "unknown": 1}}),
        ("POST", "/tls/create?api-version=7.6", {"policy": {"x509_props": {"subject": HOST}}}),
        ("POST", "/tls/create?api-version=7.6", {"policy": {}}),
        ("PATCH", "/tls/pending?api-version=7.6", {"cancellation_requested": False}),
    ):
        headers = {"Authorization": f"Bearer {token}"}
        answer = requests.request(method, address + path, headers=headers, json=body, timeout=60)
        assert (answer.status_code, answer.json()["error"]["code"]) == (400, "BadParameter"), (path, body)
