"""The lab's storage account, as the official clients see it."""

from collections.abc import Iterator

import pytest
from azure.data.tables import TableServiceClient
from azure.identity import ManagedIdentityCredential
from azure.storage.blob import BlobServiceClient

from tests.support.running_lab import LabUnderTest


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
