"""A lab with a small, complete release at the publisher, and a customer that has only resources."""

import json
import os
import tempfile
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import requests
from azure.core.credentials import TokenCredential
from azure.data.tables import TableServiceClient
from azure.identity import ManagedIdentityCredential
from azure.keyvault.secrets import SecretClient
from azure.mgmt.automation import AutomationClient
from azure.storage.blob import BlobLeaseClient, BlobServiceClient

from bench.customer import vibedata
from bench.images import push_images
from publisher.certificates.record import Issuances
from publisher.certificates.times import CLAIM_TIME
from runbook_lib.basics.clock import from_rfc3339, rfc3339
from runbook_lib.vault.publisher_token import SECRET
from tests.support.running_lab import LabUnderTest, running

VERSION = "2026.11.0"
# A failed request is repeated at once: other tests prove the policy's pauses.
RETRY_POLICY = {"max_retries": 3, "delay_seconds": 0.1}
# The containers of the two locks of a deployment (docs/design.md#log-lock-callbacks).
LOCKS = ("deployments", "locks")
ENDED = frozenset({"Completed", "Failed", "Stopped", "Suspended"})
JOBS_SECONDS = 300.0
ARM_SCOPE = "https://management.azure.com/.default"


@dataclass(frozen=True, slots=True, kw_only=True)
class World:
    """The lab, and clients that look at what a deployment leaves."""

    lab: LabUnderTest
    folder: Path
    images: int
    credential: TokenCredential
    blobs: Mapping[str, BlobServiceClient]
    tables: Mapping[str, TableServiceClient]
    secrets: SecretClient
    automation: AutomationClient
    # Digests of contents that were read, by place and ETag: a blob with the same ETag has the same content.
    digests: dict[tuple[str, str], str] = field(default_factory=dict)

    @property
    def release(self) -> Path:
        """The folder of the build."""
        return self.folder / "release"

    @property
    def account(self) -> tuple[str, str]:
        """The resource group and the name of the Automation account."""
        return self.lab.env["VIBEDATA_RESOURCE_GROUP"], self.lab.env["VIBEDATA_AUTOMATION_ACCOUNT"]

    def renew(self) -> None:
        """Restore the state before the first deployment."""
        self.lab.reset()
        self.lab.latency(operation="packageImportWindow", seconds=0)
        (self.folder / "blobs").mkdir(exist_ok=True)
        images = push_images(self.images, self.folder / "blobs")
        if not self.release.exists():
            definition = self.folder / "release.json"
            definition.write_text(json.dumps(_definition(images)))
            vibedata("build", "--release", str(definition), "--out", str(self.release))
        vibedata("push", str(self.release))
        # The deployment itself must bring the first token.
        self.secrets.begin_delete_secret(SECRET).wait()
        self.secrets.purge_deleted_secret(SECRET)

    def keep(self, name: str) -> None:
        """Keep the lab's state."""
        self.lab.control("POST", "/snapshots", {"name": name})

    def put_back(self, name: str) -> None:
        """Restore the state that was kept under this name. This ends the gateway's listener, so start it again."""
        self.lab.control("POST", "/snapshots/put_back", {"name": name})
        self.lab.control("POST", "/gateway", {"listen": True})

    def get_resource(self, path: str, *, api_version: str) -> Any:
        """Ask ARM for a resource, with every right."""
        token = self.credential.get_token(ARM_SCOPE).token
        answer = requests.get(
            f"{self.lab.env['VIBEDATA_ARM_ENDPOINT']}{path}",
            params={"api-version": api_version},
            headers={"Authorization": f"Bearer {token}"},
            verify=self.lab.env["REQUESTS_CA_BUNDLE"],
            timeout=60,
        )
        answer.raise_for_status()
        return answer.json()

    def wait_for_jobs(self) -> None:
        """Return when no job runs any more. Raises TimeoutError if one does not end."""
        deadline = time.monotonic() + JOBS_SECONDS
        while any(job["status"] not in ENDED for job in self.lab.control("GET", "/jobs")["jobs"]):
            if time.monotonic() > deadline:
                raise TimeoutError(f"jobs still run after {JOBS_SECONDS:.0f} s")
            time.sleep(0.1)

    def end_claims(self) -> None:
        """End the claim of a dead process to send an order now. It ends by itself after CLAIM_TIME."""
        instance = self.lab.env["VIBEDATA_SUBSCRIPTION_ID"]
        issuances = Issuances(self.tables["publisher"])
        newest = issuances.newest(instance)
        if newest is not None and newest.claimed_at:
            began = from_rfc3339(newest.claimed_at) - CLAIM_TIME
            issuances.change(replace(newest, claimed_at=rfc3339(began)))

    def end_leases(self, *, only: Sequence[str] = ()) -> None:
        """End the leases of a dead process now. Azure ends them within 60 s.

        A broken lease leaves the same state as an expired lease: nobody holds the blob, and its content is unchanged.
        only: the containers; empty means all.
        """
        for service in self.blobs.values():
            for container in service.list_containers():
                if only and container.name not in only:
                    continue
                with service.get_container_client(container.name) as client:
                    for blob in client.list_blobs():
                        if blob.lease.state == "leased":
                            BlobLeaseClient(client.get_blob_client(blob.name)).break_lease(0)


@contextmanager
def world(*, images: int = 1) -> Iterator[World]:
    """Start a lab in a new folder, for a release with `images` images. Always end it and delete the folder."""
    before = dict(os.environ)
    with ExitStack() as stack:
        folder = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="vibedata-proof-")))
        stack.callback(_restore, before)
        lab = stack.enter_context(running(folder / "lab"))
        os.environ.update(lab.env)
        yield stack.enter_context(_opened(lab, folder, images))


@contextmanager
def _opened(lab: LabUnderTest, folder: Path, images: int) -> Iterator[World]:
    env = lab.env
    sides = {"customer": "VIBEDATA_", "publisher": "VIBEDATA_PUBLISHER_"}
    with ExitStack() as stack:
        credential = stack.enter_context(ManagedIdentityCredential(client_id=env["VIBEDATA_UAMI_CLIENT_ID"]))
        automation = AutomationClient(
            credential,
            env["VIBEDATA_SUBSCRIPTION_ID"],
            base_url=env["VIBEDATA_ARM_ENDPOINT"],
            credential_scopes=[ARM_SCOPE],
        )
        yield World(
            lab=lab,
            folder=folder,
            images=images,
            credential=credential,
            blobs={
                side: stack.enter_context(BlobServiceClient(env[f"{prefix}BLOB_ENDPOINT"], credential))
                for side, prefix in sides.items()
            },
            tables={
                side: stack.enter_context(TableServiceClient(env[f"{prefix}TABLE_ENDPOINT"], credential=credential))
                for side, prefix in sides.items()
            },
            secrets=stack.enter_context(SecretClient(env["VIBEDATA_KEY_VAULT_ENDPOINT"], credential)),
            automation=stack.enter_context(automation),
        )


def _restore(before: Mapping[str, str]) -> None:
    os.environ.clear()
    os.environ.update(before)


def _definition(images: list[dict[str, Any]]) -> dict[str, Any]:
    return {
        "version": VERSION,
        "channel": "stable",
        "valid_days": 365,
        "images": images,
        "components": [],
        "policies": {"networkRetryPolicies": RETRY_POLICY},
    }
