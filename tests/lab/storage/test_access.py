"""The credentials that the storage account accepts, and the identities that may use it."""

from datetime import datetime, timedelta, timezone
from urllib.parse import parse_qsl, urlencode

import pytest
import requests
from azure.core.exceptions import HttpResponseError
from azure.identity import ManagedIdentityCredential
from azure.storage.blob import BlobSasPermissions, BlobServiceClient, generate_blob_sas

from tests.support.running_lab import LabUnderTest
from tests.support.storage import CONTAINERS, code, token


@pytest.mark.parametrize("service", ["BLOB", "TABLE"])
def test_tokens_are_checked(lab: LabUnderTest, credential: ManagedIdentityCredential, service: str) -> None:
    url = lab.env[f"VIBEDATA_{service}_ENDPOINT"] + ("?comp=list" if service == "BLOB" else "/Tables")
    good, wrong = token(credential), token(credential, "https://management.azure.com")
    header, payload, signature = good.split(".")
    forged = f"{header}.{payload}.{signature[:-8]}AAAAAAAA"

    def ask(authorization: str | None, version: str | None = "2021-12-02") -> tuple[int, str]:
        headers = {"Accept": "application/json"} if service == "TABLE" else {}
        headers |= {"Authorization": authorization} if authorization else {}
        headers |= {"x-ms-version": version} if version else {}
        answer = requests.get(url, headers=headers, timeout=30)
        if answer.status_code == 401:
            assert answer.headers["WWW-Authenticate"].endswith("resource_id=https://storage.azure.com")
        return answer.status_code, answer.headers.get("x-ms-error-code", "")

    assert ask(f"Bearer {good}") == (200, "")
    assert ask(f"Bearer {token(credential, 'https://storage.azure.com/')}") == (200, "")
    assert ask(None) == (401, "NoAuthenticationInformation")
    assert ask(f"Bearer {forged}") == (401, "InvalidAuthenticationInfo")
    assert ask(f"Bearer {wrong}") == (401, "InvalidAuthenticationInfo")
    assert ask(f"Bearer {wrong}", "2018-11-09") == (403, "AuthenticationFailed")
    assert ask(f"Bearer {good}", None) == (403, "AuthenticationFailed")
    assert ask(f"Bearer {good}", "2099-01-01") == (400, "InvalidHeaderValue")
    assert ask("SharedKey account:c2ln") == (403, "KeyBasedAuthenticationNotPermitted")
    assert ask("Basic dXNlcjpwYXNz") == (400, "InvalidAuthenticationInfo")
    lab.control("POST", "/clock", {"advance_seconds": 25 * 3600})
    assert ask(f"Bearer {good}") == (401, "InvalidAuthenticationInfo")


def test_the_customers_roles_say_nothing_of_the_publishers_account(lab: LabUnderTest) -> None:
    names = lab.control("GET", "/names")
    lab.control("POST", "/authorization", {"judged": "everybody"})
    with ManagedIdentityCredential(client_id=names["publisher_client_id"]) as publisher:
        url = lab.env["VIBEDATA_TABLE_ENDPOINT"]
        for account, status in ((names["publisher_storage_account"], 200), (names["storage_account"], 403)):
            answer = requests.get(
                f"{url.rpartition('/')[0]}/{account}/Tables",
                headers={
                    "Accept": "application/json",
                    "Authorization": f"Bearer {token(publisher)}",
                    "x-ms-version": "2021-12-02",
                },
                timeout=30,
            )
            assert answer.status_code == status, account


def test_the_client_is_told_what_is_wrong_with_its_token(lab: LabUnderTest) -> None:
    with (
        ManagedIdentityCredential(client_id=lab.env["VIBEDATA_UAMI_CLIENT_ID"]) as credential,
        BlobServiceClient(
            lab.env["VIBEDATA_BLOB_ENDPOINT"], credential=credential, audience="https://vault.azure.net"
        ) as client,
    ):
        # The challenge names the right resource, and the client asks again with a token for it.
        assert [container.name for container in client.list_containers()] == CONTAINERS
    with (
        BlobServiceClient(lab.env["VIBEDATA_BLOB_ENDPOINT"], credential="a2V5", retry_total=0) as client,
        pytest.raises(HttpResponseError) as refused,
    ):
        list(client.list_containers())
    assert code(refused) == "KeyBasedAuthenticationNotPermitted"


def test_an_unknown_account_is_refused(lab: LabUnderTest, credential: ManagedIdentityCredential) -> None:
    url = lab.env["VIBEDATA_BLOB_ENDPOINT"].rpartition("/")[0] + "/devstoreaccount1?comp=list"
    headers = {"Authorization": f"Bearer {token(credential)}", "x-ms-version": "2021-12-02"}
    assert requests.get(url, headers=headers, timeout=30).headers["x-ms-error-code"] == "InvalidUri"


def test_user_delegation_sas(lab: LabUnderTest, blobs: BlobServiceClient) -> None:
    blob = blobs.get_blob_client("runbook-packages", "requests-2.32.5-py3-none-any.whl")
    blob.upload_blob(b"a wheel")
    now = datetime.now(timezone.utc)
    key = blobs.get_user_delegation_key(now - timedelta(minutes=5), now + timedelta(hours=2))
    names = lab.control("GET", "/names")
    assert (key.signed_oid, key.signed_tid) == (names["uami_principal_id"], names["tenant_id"])
    assert blobs.account_name is not None
    sas = generate_blob_sas(
        names["storage_account"],
        "runbook-packages",
        blob.blob_name,
        user_delegation_key=key,
        permission=BlobSasPermissions(read=True),
        expiry=now + timedelta(hours=1),
    )
    answer = requests.get(f"{blob.url}?{sas}", timeout=30)
    assert (answer.status_code, answer.content) == (200, b"a wheel")
    assert requests.get(f"{blob.url}?{sas.replace('sp=r', 'sp=rw')}", timeout=30).status_code == 403
    assert requests.put(
        f"{blob.url}?{sas}", data=b"x", headers={"x-ms-blob-type": "BlockBlob"}, timeout=30
    ).status_code in (403, 409)
    other = blob.url.replace("requests-", "other-")
    assert requests.get(f"{other}?{sas}", timeout=30).status_code == 403
    fields = [(name, value) for name, value in parse_qsl(sas) if not name.startswith("sk")]
    unsigned = requests.get(f"{blob.url}?{urlencode(fields)}", timeout=30)
    assert unsigned.headers["x-ms-error-code"] == "KeyBasedAuthenticationNotPermitted"
    assert requests.get(blob.url, timeout=30).headers["x-ms-error-code"] == "PublicAccessNotPermitted"
    lab.control("POST", "/clock", {"advance_seconds": 3700})
    late = requests.get(f"{blob.url}?{sas}", timeout=30)
    assert (late.status_code, late.headers["x-ms-error-code"]) == (403, "AuthenticationFailed")
    signed = [entry["path"] for entry in lab.journal(service="blob") if "sig=" in entry["path"]]
    assert signed and all("sig=***" in path for path in signed)
