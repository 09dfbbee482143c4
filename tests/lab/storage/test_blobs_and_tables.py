"""The normal use of storage by runbooks: blobs in containers, and rows in tables."""

import uuid
from datetime import datetime, timezone
from typing import Any

import pytest
from azure.core import MatchConditions
from azure.core.exceptions import HttpResponseError, ResourceExistsError, ResourceModifiedError, ResourceNotFoundError
from azure.data.tables import TableServiceClient, TableTransactionError, UpdateMode
from azure.identity import ManagedIdentityCredential
from azure.storage.blob import BlobClient, BlobServiceClient, ContentSettings

from tests.support.running_lab import LabUnderTest
from tests.support.storage import CONTAINERS, code, header

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
