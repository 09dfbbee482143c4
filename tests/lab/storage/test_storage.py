"""The storage account's fronts, driven by the official clients and, where those hide the wire, by plain requests."""

import concurrent.futures
import time
import uuid
from collections.abc import Iterator
from datetime import datetime, timedelta, timezone
from typing import Any
from urllib.parse import parse_qsl, urlencode

import pytest
import requests
from azure.core import MatchConditions
from azure.core.exceptions import (
    HttpResponseError,
    ResourceExistsError,
    ResourceModifiedError,
    ResourceNotFoundError,
)
from azure.data.tables import TableServiceClient, TableTransactionError, UpdateMode
from azure.identity import ManagedIdentityCredential
from azure.mgmt.resource.resources import ResourceManagementClient
from azure.storage.blob import (
    BlobClient,
    BlobSasPermissions,
    BlobServiceClient,
    ContentSettings,
    generate_blob_sas,
)

from runbook_lib.azure.settings import load
from runbook_lib.errors import RunbookError
from runbook_lib.release.model import InstalledRelease
from runbook_lib.release.storage import SIGNATURE, blob_name, check_immutable, judge_policy, read_part
from tests.support.running_lab import LabUnderTest

CONTAINERS = ["artifacts", "callbacks-spool", "locks", "operations-spool", "release-manifests", "runbook-packages"]
YEAR = 365
DAY_SECONDS = 24 * 3600
ARM_VERSION = "2023-05-01"


@pytest.fixture
def credential(lab: LabUnderTest) -> Iterator[ManagedIdentityCredential]:
    with ManagedIdentityCredential(client_id=lab.env["VIBEDATA_UAMI_CLIENT_ID"]) as credential:
        yield credential


@pytest.fixture
def blobs(lab: LabUnderTest, credential: ManagedIdentityCredential) -> Iterator[BlobServiceClient]:
    with BlobServiceClient(lab.env["VIBEDATA_BLOB_ENDPOINT"], credential=credential, retry_total=0) as client:
        yield client


@pytest.fixture
def tables(lab: LabUnderTest, credential: ManagedIdentityCredential) -> Iterator[TableServiceClient]:
    with TableServiceClient(lab.env["VIBEDATA_TABLE_ENDPOINT"], credential=credential, retry_total=0) as client:
        yield client


def token(credential: ManagedIdentityCredential, resource: str = "https://storage.azure.com") -> str:
    access: str = credential.get_token(f"{resource}/.default").token
    return access


def header(error: pytest.ExceptionInfo[HttpResponseError], name: str) -> str:
    response: Any = error.value.response
    return str(response.headers[name])


def code(error: pytest.ExceptionInfo[HttpResponseError]) -> str:
    found = getattr(error.value, "error_code", None)
    return str(getattr(found, "value", found))  # known codes are members of an enumeration


# Deployment and ordinary use


def test_containers_are_there_and_show_their_policies(lab: LabUnderTest, blobs: BlobServiceClient) -> None:
    listed = list(blobs.list_containers())
    assert [container.name for container in listed] == CONTAINERS
    assert [container.name for container in listed if container.has_immutability_policy] == ["release-manifests"]
    assert blobs.get_container_client("release-manifests").get_container_properties().has_immutability_policy
    assert not blobs.get_container_client("artifacts").get_container_properties().has_immutability_policy
    blobs.create_container("made-by-a-test")
    blobs.get_blob_client("release-manifests", "kept/by-the-policy").upload_blob(b"x")
    lab.reset()
    assert [container.name for container in blobs.list_containers()] == CONTAINERS
    assert list(blobs.get_container_client("release-manifests").list_blobs()) == []
    assert blobs.get_container_client("release-manifests").get_container_properties().has_immutability_policy


def test_blobs_go_up_in_blocks_and_come_back_whole(lab: LabUnderTest, credential: ManagedIdentityCredential) -> None:
    data = bytes(range(256)) * 4096 * 9  # 9 MiB: above the client's limit for a single request
    with BlobClient(
        lab.env["VIBEDATA_BLOB_ENDPOINT"],
        "artifacts",
        "päckage/with space+%.whl",
        credential=credential,
        max_single_put_size=1024 * 1024,
        max_block_size=2 * 1024 * 1024,
        max_single_get_size=1024 * 1024,
        max_chunk_get_size=3 * 1024 * 1024,
    ) as blob:
        blob.upload_blob(data, content_settings=ContentSettings(content_type="application/zip"), metadata={"a": "b"})
        properties = blob.get_blob_properties()
        assert properties.size == len(data)
        assert (properties.content_settings.content_type, properties.metadata) == ("application/zip", {"a": "b"})
        assert blob.download_blob(max_concurrency=2).readall() == data
        with pytest.raises(ResourceExistsError) as conflict:
            blob.upload_blob(data, overwrite=False)
        assert code(conflict) == "BlobAlreadyExists"
        blob.upload_blob(b"new", overwrite=True)
        assert blob.download_blob().readall() == b"new"
    uploads = [entry for entry in lab.journal(service="blob", method="PUT") if "comp=block&" in entry["path"]]
    assert len(uploads) >= 5
    assert all(entry["api_version"] and entry["status"] == 201 for entry in uploads)


def test_listing_pages_and_prefixes(blobs: BlobServiceClient) -> None:
    container = blobs.get_container_client("operations-spool")
    for number in range(7):
        container.upload_blob(f"run-{number % 2}/{number}.json", b"{}")
    pages = [list(page) for page in container.list_blobs(results_per_page=3).by_page()]
    assert [len(page) for page in pages] == [3, 3, 1]
    assert [blob.name for blob in container.list_blobs(name_starts_with="run-1/")] == [
        "run-1/1.json",
        "run-1/3.json",
        "run-1/5.json",
    ]
    container.delete_blob("run-1/1.json")
    with pytest.raises(ResourceNotFoundError):
        container.download_blob("run-1/1.json")


def test_leases_exclude_each_other(blobs: BlobServiceClient) -> None:
    blob = blobs.get_blob_client("locks", "a-subscription")
    blob.upload_blob(b"", overwrite=True)
    lease = blob.acquire_lease(lease_duration=60)
    with pytest.raises(ResourceExistsError) as held:
        blob.acquire_lease(lease_duration=60)
    assert code(held) == "LeaseAlreadyPresent"
    with pytest.raises(HttpResponseError) as missing:
        blob.upload_blob(b"other", overwrite=True)
    assert code(missing) == "LeaseIdMissing"
    blob.upload_blob(b"mine", overwrite=True, lease=lease)
    lease.renew()
    lease.release()
    blob.acquire_lease(lease_duration=15).release()


def test_append_blobs_grow(blobs: BlobServiceClient) -> None:
    blob = blobs.get_blob_client("operations-spool", "log")
    blob.create_append_blob()
    blob.append_block(b"one ")
    blob.append_block(b"two", appendpos_condition=4)
    with pytest.raises(HttpResponseError) as position:
        blob.append_block(b"three", appendpos_condition=4)
    assert position.value.status_code == 412
    assert blob.download_blob().readall() == b"one two"


def test_conditions_on_etags(blobs: BlobServiceClient) -> None:
    blob = blobs.get_blob_client("artifacts", "etag")
    etag = blob.upload_blob(b"1")["etag"]
    blob.upload_blob(b"2", overwrite=True, etag=etag, match_condition=MatchConditions.IfNotModified)
    with pytest.raises(ResourceModifiedError) as modified:
        blob.upload_blob(b"3", overwrite=True, etag=etag, match_condition=MatchConditions.IfNotModified)
    assert code(modified) == "ConditionNotMet"


# Immutability


def test_a_retained_blob_is_neither_overwritten_nor_changed_nor_deleted(
    lab: LabUnderTest, blobs: BlobServiceClient
) -> None:
    container = blobs.get_container_client("release-manifests")
    blob = container.get_blob_client("2026.11.0/0a1b.json")
    blob.upload_blob(b"first", metadata={"kept": "yes"})
    changes: list[Any] = [
        lambda: blob.upload_blob(b"second", overwrite=True),
        lambda: blob.upload_blob(b"x" * 5_000_000, overwrite=True),
        lambda: blob.commit_block_list([]),
        lambda: blob.start_copy_from_url(f"{blob.url}.other"),
        lambda: blob.set_blob_metadata({"kept": "no"}),
        lambda: blob.set_http_headers(ContentSettings(content_type="text/plain")),
        blob.create_snapshot,
        blob.delete_blob,
    ]
    for change in changes:
        with pytest.raises(HttpResponseError) as refused:
            change()
        assert (refused.value.status_code, code(refused)) == (409, "BlobImmutableDueToPolicy")
    with pytest.raises(ResourceExistsError) as conflict:
        blob.upload_blob(b"second", overwrite=False)
    assert code(conflict) == "BlobAlreadyExists"
    assert blob.download_blob().readall() == b"first"
    assert blob.get_blob_properties().metadata == {"kept": "yes"}
    blob.acquire_lease(lease_duration=15).release()  # leases and tiers are no change of content
    blob.stage_block("block", b"staged, never committed")
    with pytest.raises(HttpResponseError) as batch:
        container.delete_blobs(blob.blob_name)
    assert batch.value.status_code == 501
    with pytest.raises(HttpResponseError) as deletion:
        container.delete_container()
    assert (deletion.value.status_code, code(deletion)) == (409, "ContainerImmutabilityPolicyLocked")
    # A year later it may go, but never be overwritten.
    lab.control("POST", "/clock", {"advance_seconds": YEAR * DAY_SECONDS + 60})
    with (
        ManagedIdentityCredential(client_id=lab.env["VIBEDATA_UAMI_CLIENT_ID"]) as later,
        BlobClient.from_blob_url(blob.url, credential=later, retry_total=0) as blob,
    ):
        with pytest.raises(HttpResponseError) as expired:
            blob.upload_blob(b"second", overwrite=True)
        assert code(expired) == "BlobImmutableDueToPolicy"
        blob.delete_blob()
        blob.upload_blob(b"second")


def test_of_simultaneous_creations_one_wins(blobs: BlobServiceClient) -> None:
    blob = blobs.get_blob_client("release-manifests", "raced")

    def create(number: int) -> str:
        try:
            blob.upload_blob(str(number).encode(), overwrite=True)
        except HttpResponseError as error:
            assert str(getattr(error, "error_code", "")) == "BlobImmutableDueToPolicy"
            return ""
        return str(number)

    with concurrent.futures.ThreadPoolExecutor(8) as pool:
        winners = [winner for winner in pool.map(create, range(8)) if winner]
    assert winners == [blob.download_blob().readall().decode()]


def test_append_blobs_under_a_policy(blobs: BlobServiceClient) -> None:
    blob = blobs.get_blob_client("release-manifests", "log")
    blob.create_append_blob()
    with pytest.raises(HttpResponseError) as refused:
        blob.append_block(b"x")
    assert code(refused) == "BlobImmutableDueToPolicy"


@pytest.mark.usefixtures("lab")
def test_version_level_immutability_is_refused_not_ignored(blobs: BlobServiceClient) -> None:
    blob = blobs.get_blob_client("artifacts", "held")
    with pytest.raises(HttpResponseError) as refused:
        blob.upload_blob(b"x", legal_hold=True)
    assert code(refused) == "UnsupportedHeader"


def test_a_policy_that_lets_blobs_grow_is_none(
    lab: LabUnderTest, credential: ManagedIdentityCredential, blobs: BlobServiceClient
) -> None:
    arm = Arm(lab, credential, "release-manifests")
    assert arm.ask("DELETE").status_code == 200
    assert arm.ask("PUT", body={}).status_code == 201
    policy = {"immutabilityPeriodSinceCreationInDays": 1, "allowProtectedAppendWrites": True}
    wrong = {"properties": {**policy, "allowProtectedAppendWrites": "true"}}
    assert arm.ask("PUT", "/immutabilityPolicies/default", wrong).json()["error"]["code"] == (
        "InvalidRequestPropertyValue"
    )
    etag = arm.ask("PUT", "/immutabilityPolicies/default", {"properties": policy}).headers["ETag"]
    arm.policy("POST", "/lock", etag=etag)
    assert arm.policy("GET").json()["properties"] == {**policy, "state": "Locked"}
    # What is appended is of its own time; the blob's creation says nothing of it.
    release = InstalledRelease("2026.11.0", "a" * 64)
    blob = blobs.get_blob_client("release-manifests", blob_name(release, SIGNATURE))
    blob.create_append_blob()
    time.sleep(1.1)  # the service's times have whole seconds
    blob.append_block(b"{}")
    made, read = blob.get_blob_properties(), read_part(blobs, release, SIGNATURE)
    assert read is not None
    assert (read.content, read.taken_in_at) == (b"{}", made.last_modified)
    assert made.last_modified > made.creation_time
    settings = load({}, lab.env, None)
    with (
        ResourceManagementClient(
            credential,
            settings.subscription_id,
            base_url=settings.arm_endpoint,
            credential_scopes=["https://management.azure.com/.default"],
        ) as client,
        pytest.raises(RunbookError, match=r"VD-STORAGE-001.*allowProtectedAppendWrites"),
    ):
        check_immutable(client, settings)


class Arm:
    """Requests to ARM for one container."""

    def __init__(self, lab: LabUnderTest, credential: ManagedIdentityCredential, container: str) -> None:
        self._token = token(credential, "https://management.azure.com")
        account = lab.control("GET", "/names")["storage_account"]
        self.path = (
            f"/subscriptions/{lab.env['VIBEDATA_SUBSCRIPTION_ID']}"
            f"/resourceGroups/{lab.env['VIBEDATA_RESOURCE_GROUP']}/providers/Microsoft.Storage/storageAccounts/"
            f"{account}/blobServices/default/containers/{container}"
        )
        self._url = lab.env["VIBEDATA_ARM_ENDPOINT"] + self.path

    def ask(self, method: str, path: str = "", body: object = None, etag: str | None = None) -> requests.Response:
        headers = {"Authorization": f"Bearer {self._token}"} | ({"If-Match": etag} if etag else {})
        url = f"{self._url}{path}?api-version={ARM_VERSION}"
        return requests.request(method, url, json=body, headers=headers, timeout=30)

    def policy(
        self, method: str, action: str = "", days: int | None = None, etag: str | None = None
    ) -> requests.Response:
        body = None if days is None else {"properties": {"immutabilityPeriodSinceCreationInDays": days}}
        return self.ask(method, f"/immutabilityPolicies/default{action}", body, etag)


def test_arm_shows_the_locked_policy(lab: LabUnderTest, credential: ManagedIdentityCredential) -> None:
    arm = Arm(lab, credential, "release-manifests")
    policy = arm.policy("GET")
    assert policy.status_code == 200
    assert policy.json()["properties"] == {"immutabilityPeriodSinceCreationInDays": YEAR, "state": "Locked"}
    assert policy.json()["etag"] == policy.headers["ETag"]
    container = arm.ask("GET").json()["properties"]
    assert (container["hasImmutabilityPolicy"], container["leaseState"]) == (True, "Available")
    assert [entry["update"] for entry in container["immutabilityPolicy"]["updateHistory"]] == ["put", "lock"]


def test_a_container_with_version_level_immutability_says_so_and_keeps_no_blob(
    lab: LabUnderTest, credential: ManagedIdentityCredential, blobs: BlobServiceClient
) -> None:
    """Its policy looks like any other; only the container tells, and a blob in it can be replaced."""
    arm = Arm(lab, credential, "versions")
    made = arm.ask("PUT", body={"properties": {"immutableStorageWithVersioning": {"enabled": True}}})
    assert made.status_code == 201
    assert arm.policy("PUT", days=YEAR).status_code == 200
    assert arm.policy("POST", "/lock", etag=arm.policy("GET").headers["ETag"]).json()["properties"]["state"] == "Locked"
    container = arm.ask("GET").json()["properties"]
    assert container["immutableStorageWithVersioning"]["enabled"] is True
    refusal, _ = judge_policy(container, arm.policy("GET").json()["properties"])
    assert "versions" in refusal
    blob = blobs.get_blob_client("versions", "a")
    blob.upload_blob(b"former")
    blob.upload_blob(b"newer", overwrite=True)
    assert blob.download_blob().readall() == b"newer"


def test_a_locked_policy_is_only_ever_extended(lab: LabUnderTest, credential: ManagedIdentityCredential) -> None:
    arm = Arm(lab, credential, "release-manifests")
    etag = arm.policy("GET").headers["ETag"]
    for refused in (
        arm.policy("DELETE", etag=etag),
        arm.policy("PUT", days=1, etag=etag),
        arm.policy("PUT", days=YEAR + 1),
        arm.policy("POST", "/lock", etag=etag),
        arm.policy("POST", "/extend", days=YEAR - 1, etag=etag),
        arm.policy("POST", "/extend", days=YEAR, etag=etag),
    ):
        assert (refused.status_code, refused.json()["error"]["code"]) == (409, "ContainerImmutabilityPolicyFailure")
    assert arm.policy("POST", "/extend", days=YEAR + 1).json()["error"]["code"] == "MissingRequiredHeader"
    assert arm.policy("POST", "/extend", days=YEAR + 1, etag='"0x1"').status_code == 412
    for days in range(YEAR + 1, YEAR + 6):
        extended = arm.policy("POST", "/extend", days=days, etag=etag)
        assert extended.json()["properties"] == {"immutabilityPeriodSinceCreationInDays": days, "state": "Locked"}
        etag = extended.headers["ETag"]
    assert arm.policy("POST", "/extend", days=YEAR + 6, etag=etag).status_code == 409


def test_the_resource_client_reads_the_policy(lab: LabUnderTest, credential: ManagedIdentityCredential) -> None:
    path = Arm(lab, credential, "release-manifests").path + "/immutabilityPolicies/default"
    with ResourceManagementClient(
        credential,
        lab.env["VIBEDATA_SUBSCRIPTION_ID"],
        base_url=lab.env["VIBEDATA_ARM_ENDPOINT"],
        credential_scopes=["https://management.azure.com/.default"],
    ) as client:
        policy = client.resources.get_by_id(path.lstrip("/"), api_version=ARM_VERSION)
    assert policy.id == path
    assert policy.properties == {"immutabilityPeriodSinceCreationInDays": YEAR, "state": "Locked"}


def test_an_empty_container_goes_with_its_policy(
    lab: LabUnderTest, credential: ManagedIdentityCredential, blobs: BlobServiceClient
) -> None:
    arm = Arm(lab, credential, "release-manifests")
    container = blobs.get_container_client("release-manifests")
    assert arm.ask("DELETE").status_code == 200
    assert arm.ask("DELETE").status_code == 204
    assert arm.ask("PUT", body={}).status_code == 201
    assert arm.policy("GET").json()["properties"]["state"] == "Unlocked"
    container.upload_blob("blob", b"1")
    container.upload_blob("blob", b"2", overwrite=True)  # nothing protects it now
    etag = arm.policy("PUT", days=1).headers["ETag"]
    arm.policy("POST", "/lock", etag=etag)
    kept = arm.ask("DELETE")
    assert (kept.status_code, kept.json()["error"]["code"]) == (409, "ContainerProtectedFromDeletion")


def test_an_unlocked_policy_protects_and_can_be_taken_away(
    lab: LabUnderTest, credential: ManagedIdentityCredential, blobs: BlobServiceClient
) -> None:
    arm = Arm(lab, credential, "made-through-arm")
    assert arm.policy("GET").json()["error"]["code"] == "ContainerNotFound"
    assert arm.ask("PUT", body={"properties": {"publicAccess": "None"}}).status_code == 201
    assert arm.ask("PUT", body={}).status_code == 200
    none = arm.policy("GET")
    assert none.json()["properties"] == {"immutabilityPeriodSinceCreationInDays": 0, "state": "Unlocked"}
    assert arm.policy("PUT", days=0).json()["error"]["code"] == "InvalidRequestPropertyValue"
    blob = blobs.get_blob_client("made-through-arm", "blob")
    blob.upload_blob(b"1")
    etag = arm.policy("PUT", days=1).headers["ETag"]
    with pytest.raises(HttpResponseError) as refused:
        blob.delete_blob()
    assert code(refused) == "BlobImmutableDueToPolicy"
    etag = arm.policy("PUT", days=2, etag=etag).headers["ETag"]
    assert arm.policy("DELETE", etag="stale").status_code == 412
    assert arm.policy("DELETE", etag=etag).status_code == 200
    blob.delete_blob()


# Who may


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


def test_another_account_is_none(lab: LabUnderTest, credential: ManagedIdentityCredential) -> None:
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
    assert all("sig=***" in entry["path"] for entry in lab.journal(service="blob") if "sig=" in entry["path"])


# Faults


@pytest.mark.parametrize(
    ("status", "asked", "got"),
    [
        (503, None, "ServerBusy"),
        (403, None, "AuthorizationPermissionMismatch"),
        (403, "InsufficientAccountPermissions", "InsufficientAccountPermissions"),
        (403, "AccountIsDisabled", "AccountIsDisabled"),
        (409, "AccountCapacityExceeded", "AccountCapacityExceeded"),
    ],
)
def test_faults_speak_storage(
    lab: LabUnderTest, blobs: BlobServiceClient, status: int, asked: str | None, got: str
) -> None:
    blob = blobs.get_blob_client("artifacts", "faulty")
    blob.upload_blob(b"1")
    lab.fault("status", times=0, match={"service": "blob", "method": "PUT"}, status=status, code=asked)
    with pytest.raises(HttpResponseError) as refused:
        blob.upload_blob(b"2", overwrite=True)
    assert (refused.value.status_code, code(refused)) == (status, got)
    assert blob.download_blob().readall() == b"1"  # reading goes on: the account is read-only


def test_a_code_goes_with_a_status(lab: LabUnderTest) -> None:
    refused = {"action": "delay", "seconds": 1, "code": "ServerBusy"}
    assert "code" in lab.control("POST", "/faults", refused, status=400)["error"]["message"]


def test_throttling_names_a_wait(lab: LabUnderTest, tables: TableServiceClient) -> None:
    lab.fault("throttle", match={"service": "table"}, seconds=7)
    with pytest.raises(HttpResponseError) as throttled:
        tables.create_table("Throttled")
    assert (throttled.value.status_code, header(throttled, "Retry-After")) == (429, "7")


def test_reset_after_has_written(lab: LabUnderTest, blobs: BlobServiceClient) -> None:
    blob = blobs.get_blob_client("release-manifests", "lost-answer")
    lab.fault("reset_after", match={"service": "blob", "method": "PUT"})
    with pytest.raises(Exception, match=r"(?i)connection|reset|aborted"):
        blob.upload_blob(b"written")
    assert blob.download_blob().readall() == b"written"


# Tables


def test_tables(tables: TableServiceClient) -> None:
    table = tables.create_table("Components")
    with pytest.raises(ResourceExistsError):
        tables.create_table("Components")
    entity = {
        "PartitionKey": "application",
        "RowKey": "api",
        "version": "1",
        "registered_at": datetime.now(timezone.utc),
    }
    table.create_entity(entity)
    with pytest.raises(ResourceExistsError) as exists:
        table.create_entity(entity)
    assert header(exists, "x-ms-error-code") == "EntityAlreadyExists"
    read = table.get_entity("application", "api")
    assert read["version"] == "1"
    changed = {**read, "version": "2"}
    condition: dict[str, Any] = {"etag": read.metadata["etag"], "match_condition": MatchConditions.IfNotModified}
    table.update_entity(changed, mode=UpdateMode.REPLACE, **condition)
    with pytest.raises(ResourceModifiedError):
        table.update_entity({**changed, "version": "3"}, mode=UpdateMode.REPLACE, **condition)
    with pytest.raises(HttpResponseError) as deletion:
        table.delete_entity("application", "api", **condition)
    assert deletion.value.status_code == 412
    assert table.get_entity("application", "api")["version"] == "2"
    with pytest.raises(ResourceNotFoundError):
        table.get_entity("application", "absent")


def test_table_batches_and_queries(tables: TableServiceClient) -> None:
    table = tables.create_table("Batches")
    rows = [{"PartitionKey": "p", "RowKey": f"{number:03d}", "number": number} for number in range(100)]
    table.submit_transaction([("create", row) for row in rows])
    found = table.query_entities("PartitionKey eq 'p' and number ge 90", results_per_page=4)
    assert [row["number"] for row in found] == list(range(90, 100))
    with pytest.raises(TableTransactionError):
        table.submit_transaction([("upsert", {**rows[0], "number": -1}), ("create", rows[1])])
    assert table.get_entity("p", "000")["number"] == 0


def test_tables_are_gone_after_reset(lab: LabUnderTest, tables: TableServiceClient) -> None:
    name = f"T{uuid.uuid4().hex}"
    tables.create_table(name)
    lab.reset()
    assert [table.name for table in tables.list_tables()] == []
