"""Containers with a retention policy: what the policy allows, and how ARM shows it."""

import concurrent.futures
import time
from typing import Any

import pytest
import requests
from azure.core.exceptions import HttpResponseError, ResourceExistsError
from azure.identity import ManagedIdentityCredential
from azure.mgmt.resource.resources import ResourceManagementClient
from azure.storage.blob import BlobClient, BlobServiceClient, ContentSettings

from runbook_lib.azure.settings import load
from runbook_lib.errors import RunbookError
from runbook_lib.release.immutability import check_immutable, judge_policy
from runbook_lib.release.model import ReleaseId
from runbook_lib.release.storage import SIGNATURE, blob_name, read_part
from tests.support.running_lab import LabUnderTest
from tests.support.storage import code, token

YEAR = 365
DAY_SECONDS = 24 * 3600
ARM_VERSION = "2023-05-01"


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
    blob.acquire_lease(lease_duration=15).release()  # leases and tiers do not change the content
    blob.stage_block("block", b"staged, never committed")
    with pytest.raises(HttpResponseError) as batch:
        container.delete_blobs(blob.blob_name)
    assert batch.value.status_code == 501
    with pytest.raises(HttpResponseError) as deletion:
        container.delete_container()
    assert (deletion.value.status_code, code(deletion)) == (409, "ContainerImmutabilityPolicyLocked")
    # After a year it may be deleted, but never overwritten.
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


def test_a_policy_that_lets_blobs_grow_does_not_count(
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
    # Appended bytes have their own time. The blob's creation time says nothing about them.
    release = ReleaseId("2026.11.0", "sha256:" + "a" * 64)
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
    """Its policy looks like any other policy.

    Only the container shows the difference, and a blob in it can be replaced.
    """
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
