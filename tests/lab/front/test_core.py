"""The lab's own services: control API, Entra, the sandbox's identity endpoint, certificates, reset."""

import ssl
import time
from typing import Any

import jwt
import pytest
import requests
from azure.core.exceptions import ClientAuthenticationError
from azure.identity import ClientSecretCredential, CredentialUnavailableError, ManagedIdentityCredential
from cryptography import x509

from tests.support.running_lab import LabUnderTest

STORAGE = "https://storage.azure.com"
ENVIRONMENT = """
VIBEDATA_ARM_ENDPOINT VIBEDATA_SUBSCRIPTION_ID VIBEDATA_RESOURCE_GROUP VIBEDATA_AUTOMATION_ACCOUNT
VIBEDATA_BLOB_ENDPOINT VIBEDATA_TABLE_ENDPOINT VIBEDATA_KEY_VAULT_ENDPOINT VIBEDATA_PUBLISHER_KEY_VAULT_ENDPOINT
VIBEDATA_PUBLISHER_CLIENT_ID VIBEDATA_PUBLISHER_BLOB_ENDPOINT VIBEDATA_PUBLISHER_TABLE_ENDPOINT VIBEDATA_PUBLISHER_API
VIBEDATA_PUBLISHER_SUBSCRIPTION_ID VIBEDATA_PUBLISHER_RESOURCE_GROUP VIBEDATA_PUBLISHER_REGISTRY_NAME
VIBEDATA_PUBLISHER_TOKEN_NAME
VIBEDATA_PUBLISHER_DNS_ZONE VIBEDATA_PUBLISHER_ACME_DIRECTORY VIBEDATA_ACME_ROOT
VIBEDATA_SIGNING_KEY VIBEDATA_SIGNING_CHAIN VIBEDATA_TRUST_ROOTS VIBEDATA_TRUSTED_IDENTITY
VIBEDATA_LOGS_ENDPOINT
VIBEDATA_LOGS_QUERY_ENDPOINT VIBEDATA_DCR_ID VIBEDATA_PUBLISHER_REGISTRY VIBEDATA_PUBLISHER_REGISTRY_USERNAME
VIBEDATA_PUBLISHER_REGISTRY_PASSWORD VIBEDATA_CUSTOMER_REGISTRY VIBEDATA_CUSTOMER_REGISTRY_USERNAME
VIBEDATA_CUSTOMER_REGISTRY_PASSWORD VIBEDATA_UAMI_CLIENT_ID VIBEDATA_LAB_CONTROL VIBEDATA_GATEWAY
IDENTITY_ENDPOINT IDENTITY_HEADER REQUESTS_CA_BUNDLE SSL_CERT_FILE
"""


def identity(lab: LabUnderTest, method: str = "GET", *, header: str | None = None, **sent: str) -> requests.Response:
    headers = {"X-IDENTITY-HEADER": lab.env["IDENTITY_HEADER"] if header is None else header, "Metadata": "True"}
    url = lab.env["IDENTITY_ENDPOINT"]
    if method == "GET":
        return requests.get(url, params=sent, headers=headers, timeout=60)
    return requests.post(url, data=sent, headers=headers, timeout=60)


def entra(lab: LabUnderTest) -> str:
    services: dict[str, str] = lab.control("GET", "/status")["services"]
    return services["entra"]


def test_environment_file_has_exactly_the_documented_names(lab: LabUnderTest) -> None:
    assert sorted(lab.env) == sorted(ENVIRONMENT.split())
    file = lab.directory / "lab.env"
    assert file.stat().st_mode & 0o777 == 0o600
    assert all(line.startswith("export ") for line in file.read_text().splitlines())


@pytest.mark.parametrize("resource", ["https://management.azure.com", "https://vault.azure.net", STORAGE + "/"])
def test_managed_identity_credential_gets_a_token(lab: LabUnderTest, resource: str) -> None:
    client_id = lab.env["VIBEDATA_UAMI_CLIENT_ID"]
    asked = time.time()
    with ManagedIdentityCredential(client_id=client_id) as credential:
        token = credential.get_token(f"{resource}/.default")
    took = time.time() - asked
    claims = jwt.decode(token.token, options={"verify_signature": False})
    assert claims["aud"].rstrip("/") == resource.rstrip("/")
    assert claims["appid"] == client_id
    assert claims["iss"] == f"https://sts.windows.net/{claims['tid']}/"
    # The client computes the remaining seconds with its own clock, at some time during the request, in whole seconds.
    assert abs(claims["exp"] - token.expires_on) <= took + 1
    assert token.expires_on > time.time() + 3600


def test_token_is_signed_with_a_published_key(lab: LabUnderTest) -> None:
    token = identity(lab, resource=STORAGE, client_id=lab.env["VIBEDATA_UAMI_CLIENT_ID"]).json()["access_token"]
    tenant = jwt.decode(token, options={"verify_signature": False})["tid"]
    configuration = requests.get(f"{entra(lab)}/{tenant}/v2.0/.well-known/openid-configuration", timeout=60).json()
    keys = jwt.PyJWKSet.from_dict(requests.get(configuration["jwks_uri"], timeout=60).json())
    key = keys[jwt.get_unverified_header(token)["kid"]]
    assert jwt.decode(token, key, algorithms=["RS256"], audience=STORAGE)["oid"]


@pytest.mark.usefixtures("lab")
def test_credential_says_what_the_endpoint_refused() -> None:
    with (
        ManagedIdentityCredential(client_id="00000000-0000-0000-0000-000000000001") as credential,
        pytest.raises((ClientAuthenticationError, CredentialUnavailableError), match="No managed identity"),
    ):
        credential.get_token(f"{STORAGE}/.default")


@pytest.mark.parametrize("method", ["GET", "POST"])
def test_identity_endpoint_answers_get_and_post_alike(lab: LabUnderTest, method: str) -> None:
    client_id = lab.env["VIBEDATA_UAMI_CLIENT_ID"]
    answer = identity(lab, method, resource=STORAGE, client_id=client_id).json()
    assert set(answer) == {"access_token", "client_id", "expires_on", "resource", "token_type"}
    assert (answer["client_id"], answer["resource"], answer["token_type"]) == (client_id, STORAGE, "Bearer")
    assert int(answer["expires_on"]) > time.time()


def test_identity_endpoint_gives_the_same_token_until_half_its_life_is_over(lab: LabUnderTest) -> None:
    sent = {"resource": STORAGE, "client_id": lab.env["VIBEDATA_UAMI_CLIENT_ID"]}
    first = identity(lab, **sent).json()["access_token"]
    assert identity(lab, **sent).json()["access_token"] == first
    lab.control("POST", "/clock", {"advance_seconds": 13 * 3600})
    assert identity(lab, **sent).json()["access_token"] != first


@pytest.mark.parametrize(
    ("status", "change"),
    [
        (401, {"header": "wrong"}),
        (401, {"header": ""}),
        (400, {"client_id": ""}),
        (400, {"client_id": "c0a1b2d3-0000-0000-0000-000000000000"}),
        (400, {"resource": "https://example.com"}),
        (400, {"resource": ""}),
        (400, {"principal_id": "d1b2c3e4-2222-4b5c-9d9e-1f102b3c4d05"}),
        (400, {"mi_res_id": "/subscriptions/x"}),
        (400, {"api-version": "2017-09-01"}),
    ],
)
def test_identity_endpoint_refuses(lab: LabUnderTest, status: int, change: dict[str, str]) -> None:
    sent = {"resource": STORAGE, "client_id": lab.env["VIBEDATA_UAMI_CLIENT_ID"], **change}
    answer = identity(lab, **sent)
    assert (answer.status_code, answer.json()["statusCode"]) == (status, status)


def operator(lab: LabUnderTest, *, secret: str | None = None) -> ClientSecretCredential:
    names = lab.control("GET", "/names")
    return ClientSecretCredential(
        names["tenant_id"],
        names["operator_client_id"],
        secret or names["operator_client_secret"],
        authority=entra(lab),
        disable_instance_discovery=True,  # the lab's address is not one that Microsoft knows
    )


def test_operator_gets_a_token_with_a_client_secret(lab: LabUnderTest) -> None:
    with operator(lab) as credential:
        token = credential.get_token("https://management.azure.com/.default")
    claims = jwt.decode(token.token, options={"verify_signature": False})
    assert claims["oid"] == lab.control("GET", "/names")["operator_principal_id"]
    assert claims["aud"] == "https://management.azure.com"


def test_operator_without_the_secret_or_a_known_resource_is_refused(lab: LabUnderTest) -> None:
    with operator(lab, secret="wrong") as credential, pytest.raises(ClientAuthenticationError, match="AADSTS7000215"):
        credential.get_token("https://management.azure.com/.default")
    with operator(lab) as credential, pytest.raises(ClientAuthenticationError, match="AADSTS500011"):
        credential.get_token("https://example.com/.default")


@pytest.mark.parametrize(
    ("status", "error", "change"),
    [
        (400, "unauthorized_client", {}),
        (400, "unsupported_grant_type", {"grant_type": "password"}),
        (400, "invalid_request", {"scope": ""}),
    ],
)
def test_entra_refuses_in_oauth_terms(lab: LabUnderTest, status: int, error: str, change: dict[str, str]) -> None:
    token = identity(lab, resource=STORAGE, client_id=lab.env["VIBEDATA_UAMI_CLIENT_ID"]).json()["access_token"]
    tenant = jwt.decode(token, options={"verify_signature": False})["tid"]
    form = {"grant_type": "client_credentials", "client_id": "x", "client_secret": "y", "scope": f"{STORAGE}/.default"}
    answer = requests.post(f"{entra(lab)}/{tenant}/oauth2/v2.0/token", data={**form, **change}, timeout=60)
    assert (answer.status_code, answer.json()["error"]) == (status, error)
    assert requests.post(f"{entra(lab)}/other/oauth2/v2.0/token", data=form, timeout=60).json()["error_description"]


def test_certificate_chains_to_the_labs_authority_and_names_loopback(lab: LabUnderTest) -> None:
    address = lab.env["VIBEDATA_CUSTOMER_REGISTRY"].split(":")
    with pytest.raises(requests.exceptions.SSLError):
        requests.get(lab.env["VIBEDATA_ARM_ENDPOINT"], verify="/etc/ssl/certs", timeout=60)
    pem = ssl.get_server_certificate((address[0], int(address[1])), ca_certs=lab.env["SSL_CERT_FILE"])
    names = x509.load_pem_x509_certificate(pem.encode()).extensions.get_extension_for_class(x509.SubjectAlternativeName)
    assert names.value.get_values_for_type(x509.DNSName) == ["localhost"]
    assert [str(ip) for ip in names.value.get_values_for_type(x509.IPAddress)] == ["127.0.0.1"]


def test_clock_moves_and_is_refused_nonsense(lab: LabUnderTest) -> None:
    moved = lab.control("POST", "/clock", {"offset_seconds": 3600})
    assert moved["offset_seconds"] == 3600
    assert lab.control("POST", "/clock", {"advance_seconds": -600})["offset_seconds"] == 3000
    for nonsense in ({}, {"offset_seconds": "1"}, {"offset_seconds": 1, "advance_seconds": 1}, {"seconds": 1}, [1]):
        lab.control("POST", "/clock", nonsense, status=400)


def test_reset_brings_everything_back(lab: LabUnderTest) -> None:
    identity(lab, resource=STORAGE)
    lab.fault("status", status=503, times=0, match={"service": "arm"})
    lab.latency(service="arm", seconds=0.01)
    lab.control("POST", "/clock", {"advance_seconds": 3600})
    lab.reset()
    assert lab.control("GET", "/requests") == {"requests": [], "dropped": 0, "newest": 0}
    assert lab.control("GET", "/faults") == {"faults": []}
    assert lab.control("GET", "/latency") == {"latencies": []}
    assert lab.control("GET", "/clock")["offset_seconds"] == 0
    assert lab.control("GET", "/jobs") == {"jobs": []}


@pytest.mark.parametrize("path", ["/requests?nonsense=1", "/requests?since=x", "/requests?service=x", "/faults?all=1"])
def test_control_refuses_unknown_queries(lab: LabUnderTest, path: str) -> None:
    refused: dict[str, Any] = lab.control("GET", path, status=400)
    assert refused["error"]["message"]
