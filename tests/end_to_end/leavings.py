"""Everything that the runs of a deployed lab leave behind, and everything that existed before them."""

import json
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass

from azure.data.tables import TableServiceClient
from azure.identity import ManagedIdentityCredential
from azure.storage.blob import BlobServiceClient

from tests.end_to_end.deployed import Deployed
from tests.support.log_reader import table_rows


@contextmanager
def identity(deployed: Deployed) -> Iterator[ManagedIdentityCredential]:
    with ManagedIdentityCredential(client_id=deployed.lab.env["VIBEDATA_UAMI_CLIENT_ID"]) as credential:
        yield credential


def blobs(deployed: Deployed) -> Iterator[tuple[str, bytes]]:
    """Yield every blob of every container."""
    with (
        identity(deployed) as credential,
        BlobServiceClient(deployed.lab.env["VIBEDATA_BLOB_ENDPOINT"], credential) as client,
    ):
        for container in client.list_containers():
            with client.get_container_client(container.name) as content:
                for name in content.list_blob_names():
                    yield f"{container.name}/{name}", name.encode() + content.download_blob(name).readall()


def entities(deployed: Deployed) -> Iterator[tuple[str, bytes]]:
    """Yield every table's entities."""
    endpoint = deployed.lab.env["VIBEDATA_TABLE_ENDPOINT"]
    with identity(deployed) as credential, TableServiceClient(endpoint, credential=credential) as client:
        for table in client.list_tables():
            with client.get_table_client(table.name) as content:
                yield table.name, repr(list(content.list_entities())).encode()


def job_ids(deployed: Deployed) -> list[str]:
    return [job["id"] for job in deployed.lab.control("GET", "/jobs")["jobs"]]


def account(deployed: Deployed, jobs_before: list[str]) -> Iterator[tuple[str, bytes]]:
    """Yield what the Automation account shows of each job since `jobs_before`, and its variables."""
    automation = deployed.automation
    for job_id in job_ids(deployed)[len(jobs_before) :]:
        job = automation.client.job.get(*automation.at, job_id)
        ended = deployed.wait(job_id)
        yield f"job {job_id}", json.dumps(job.as_dict()).encode()
        yield f"streams of job {job_id}", (ended.text + ended.output + ended.exception).encode()
    for variable in automation.client.variable.list_by_automation_account(*automation.at):
        yield f"variable {variable.name}", json.dumps(variable.as_dict()).encode()


def everything(deployed: Deployed, jobs_before: list[str]) -> Iterator[tuple[str, bytes]]:
    """Yield everything that the runs of this lab have left, each with its place."""
    yield from blobs(deployed)
    yield from entities(deployed)
    yield from account(deployed, jobs_before)
    yield "operations log", json.dumps(table_rows(deployed.lab), default=str, ensure_ascii=False).encode()
    yield "journal", json.dumps(deployed.lab.journal()).encode()
    for log in (deployed.lab.directory / "publisher").glob("*.log"):
        yield f"the callback API's log {log.name}", log.read_bytes()


@dataclass(frozen=True, kw_only=True)
class Before:
    """The state before: jobs, and the newest request."""

    jobs: list[str]
    request: int


def now(deployed: Deployed) -> Before:
    return Before(jobs=job_ids(deployed), request=deployed.lab.last_request())
