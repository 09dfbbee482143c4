"""Errors that a test asks the storage account for."""

import pytest
from azure.core.exceptions import HttpResponseError
from azure.data.tables import TableServiceClient
from azure.storage.blob import BlobServiceClient

from tests.support.running_lab import LabUnderTest
from tests.support.storage import code, header


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
