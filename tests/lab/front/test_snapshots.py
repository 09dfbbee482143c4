"""The lab keeps its state and restores it. The tests look with the official clients."""

from collections.abc import Iterator
from contextlib import ExitStack
from dataclasses import dataclass
from typing import Any

import pytest
from azure.core.credentials import TokenCredential
from azure.core.exceptions import HttpResponseError
from azure.data.tables import TableServiceClient
from azure.identity import ManagedIdentityCredential
from azure.keyvault.certificates import CertificateClient, CertificatePolicy, WellKnownIssuerNames
from azure.keyvault.secrets import SecretClient
from azure.storage.blob import BlobLeaseClient, BlobServiceClient
from cryptography.hazmat.primitives.serialization import Encoding

from tests.support.automation import Automation, automation, wait_for
from tests.support.release_maker import ContainerRegistry, container_registry
from tests.support.running_lab import LabUnderTest
from tests.support.web_authority import WebAuthority, new_web_authority

CONTAINER = "locks"
CERTIFICATE = "a-certificate"


@dataclass(frozen=True, slots=True, kw_only=True)
class Instance:
    """The lab, and clients of everything that holds a state."""

    lab: LabUnderTest
    account: Automation
    blobs: BlobServiceClient
    tables: TableServiceClient
    secrets: SecretClient
    certificates: CertificateClient
    authority: WebAuthority
    registry: ContainerRegistry

    def write(self, value: str) -> None:
        """Write a value to every place."""
        self.blobs.get_blob_client(CONTAINER, "a").upload_blob(value.encode(), overwrite=True)
        self.tables.create_table_if_not_exists("Rows").upsert_entity(
            {"PartitionKey": "a", "RowKey": "b", "Value": value}
        )
        self.secrets.set_secret("a-secret", value)
        self._merge_and_begin(f"{value}.vibedata.ai")
        self.registry.push_artifact("some/where", "latest", value.encode())
        self.account.environment()
        self.account.run(f"print('{value}')")

    def _merge_and_begin(self, host: str) -> None:
        """Complete the operation that waits, if any, and begin another one with another policy."""
        if [*self.certificates.list_properties_of_certificates(include_pending=True)]:
            chain = self.authority.chain(self.certificates.get_certificate_operation(CERTIFICATE).csr or b"")
            self.certificates.merge_certificate(CERTIFICATE, [each.public_bytes(Encoding.DER) for each in chain])
        policy = CertificatePolicy(issuer_name=WellKnownIssuerNames.unknown, subject=f"CN={host}", san_dns_names=[host])
        self.certificates.begin_create_certificate(CERTIFICATE, policy).result()

    def read(self) -> dict[str, Any]:
        """Return the values in all places."""
        jobs = self.lab.control("GET", "/jobs")["jobs"]
        return {
            "blobs": self.blobs.get_blob_client(CONTAINER, "a").download_blob().readall(),
            "tables": [row["Value"] for row in self.tables.get_table_client("Rows").list_entities()],
            "secrets": [secret.version for secret in self.secrets.list_properties_of_secret_versions("a-secret")],
            "certificates": [
                each.version for each in self.certificates.list_properties_of_certificate_versions(CERTIFICATE)
            ],
            "policy": self.certificates.get_certificate_policy(CERTIFICATE).subject,
            "operation": self.certificates.get_certificate_operation(CERTIFICATE).csr,
            "registry": self.registry.digest("some/where", "latest"),
            "runbooks": b"".join(map(_bytes, self.account.client.runbook.get_content(*self.account.at, "probe"))),
            "jobs": {job["id"]: self.account.output(job["id"]) for job in jobs},
        }


def _bytes(part: object) -> bytes:
    return part if isinstance(part, bytes) else str(part).encode()


@pytest.fixture
def instance(lab: LabUnderTest) -> Iterator[Instance]:
    with ExitStack() as stack:
        env = lab.env
        credential: TokenCredential = stack.enter_context(
            ManagedIdentityCredential(client_id=env["VIBEDATA_UAMI_CLIENT_ID"])
        )
        yield Instance(
            lab=lab,
            account=stack.enter_context(automation(lab)),
            blobs=stack.enter_context(BlobServiceClient(env["VIBEDATA_BLOB_ENDPOINT"], credential)),
            tables=stack.enter_context(TableServiceClient(env["VIBEDATA_TABLE_ENDPOINT"], credential=credential)),
            secrets=stack.enter_context(SecretClient(env["VIBEDATA_KEY_VAULT_ENDPOINT"], credential)),
            certificates=stack.enter_context(CertificateClient(env["VIBEDATA_KEY_VAULT_ENDPOINT"], credential)),
            authority=new_web_authority(),
            registry=container_registry(lab, "customer"),
        )


@pytest.mark.slow
def test_what_was_kept_is_there_again_and_nothing_else(instance: Instance) -> None:
    lab = instance.lab
    instance.write("first")
    lease = BlobLeaseClient(instance.blobs.get_blob_client(CONTAINER, "a"))
    lab.control("POST", "/snapshots", {"name": "first"})
    kept = instance.read()
    # The real servers were started again, and everything is still there.
    assert (kept["blobs"], kept["tables"], list(kept["jobs"].values())) == (b"first", ["first"], ["first"])
    for value in ("second", "third"):
        instance.write(value)
        instance.blobs.get_blob_client(CONTAINER, "b").upload_blob(b"")
        lease.acquire()
        assert not any(instance.read()[part] == kept[part] for part in kept)
        lab.control("POST", "/snapshots/put_back", {"name": "first"})
        assert lab.journal() == []
        assert instance.read() == kept
        found = list(instance.blobs.get_container_client(CONTAINER).list_blobs())
        assert [(blob.name, blob.lease.state) for blob in found] == [("a", "available")]
    # No task of the lab runs a job that was put back.
    (job,) = kept["jobs"]
    assert lab.control("POST", "/jobs", {"id": job, "status": "Removed"})["jobs"] == []


def test_nothing_is_kept_while_a_job_runs(instance: Instance) -> None:
    instance.account.environment()
    instance.account.publish("import time\ntime.sleep(600)")
    job = instance.account.start()
    wait_for(lambda: instance.account.status(job), lambda status: status == "Running")
    answer = instance.lab.control("POST", "/snapshots", {"name": "early"}, status=400)
    assert f"the job {job} of probe is Running" in str(answer)
    # Nothing was kept, so nothing can be restored.
    answer = instance.lab.control("POST", "/snapshots/put_back", {"name": "early"}, status=400)
    assert "there is no snapshot 'early'" in str(answer)
    assert instance.account.status(job) == "Running"


@pytest.mark.parametrize("body", [{}, {"name": 1}, {"name": ""}, {"name": "../a"}, {"name": "a", "more": 1}])
def test_a_malformed_name_is_refused(lab: LabUnderTest, body: object) -> None:
    for path in ("/snapshots", "/snapshots/put_back"):
        assert "a snapshot takes name" in str(lab.control("POST", path, body, status=400))


def test_put_back_ends_what_runs(instance: Instance) -> None:
    lab = instance.lab
    lab.control("POST", "/snapshots", {"name": "empty"})
    instance.account.environment()
    instance.account.publish("import time\ntime.sleep(600)")
    job = instance.account.start()
    wait_for(lambda: instance.account.status(job), lambda status: status == "Running")
    lab.control("POST", "/snapshots/put_back", {"name": "empty"})
    assert lab.control("GET", "/jobs")["jobs"] == []
    with pytest.raises(HttpResponseError) as caught:
        instance.account.client.job.get(*instance.account.at, job)
    assert caught.value.status_code == 404
