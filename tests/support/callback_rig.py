"""A lab whose runbooks report to a publisher that answers by a script, for tests of these reports."""

import re
from base64 import urlsafe_b64encode
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
from azure.identity import ManagedIdentityCredential
from azure.keyvault.secrets import SecretClient
from azure.storage.blob import BlobServiceClient, ContainerClient

from runbook_lib.callbacks.spool import CONTAINER
from runbook_lib.runbook import Runbook
from tests.support import sample_runbook
from tests.support.log_reader import table_rows
from tests.support.runbook_run import Run, run
from tests.support.running_lab import LabUnderTest
from tests.support.scripted_server import Act, Answer, ScriptedServer, json_answer

INSTANCE = "contoso-1"
KEY_ID = "hmac-0123456789abcdef"
KEY = bytes(range(100, 132))
DEPLOYMENT = "0f8fad5b-d9cb-469f-a165-70867728950e"
TAKEN = json_answer({"accepted": True, "key_id": KEY_ID})
DOWN = (Answer(status=503),) * 4
SAMPLE: Runbook[Any, Any] = sample_runbook.RUNBOOK
NAME = re.compile(r"\d{8}T\d{6}\.\d{6}Z-[a-z]+-([0-9a-f-]{36})-[0-9a-f]{64}\.json")


@dataclass(frozen=True, slots=True)
class Rig:
    """One lab, its publisher, and the container of the waiting reports."""

    lab: LabUnderTest
    publisher: ScriptedServer
    spool: ContainerClient
    secrets: SecretClient

    def provision(self, key: str | None = None, key_id: str = KEY_ID) -> None:
        """Put a key into the vault. key: the secret's text."""
        value = urlsafe_b64encode(KEY).decode().rstrip("=") if key is None else key
        self.secrets.set_secret("hmac-key", value, tags={"keyId": key_id})

    def run(
        self, *acts: Act, runbook: Runbook[Any, Any] = SAMPLE, correlation_id: str = DEPLOYMENT, **given: Any
    ) -> Run:
        """Run a step of a deployment, while the publisher answers by the script."""
        if runbook.name == SAMPLE.name:
            given.setdefault("blobs", "a")
        self.publisher.forget()
        self.publisher.play(*acts)
        environ = {"VIBEDATA_PUBLISHER_API": self.publisher.url, "VIBEDATA_INSTANCE_ID": INSTANCE}
        return run(self.lab, runbook, environ=environ, correlation_id=correlation_id, **given)

    def left_waiting(self, count: int) -> list[str]:
        """Run `count` steps while the publisher accepts no signature, and return the ids of their reports."""
        for _ in range(count):
            self.run(Answer(status=401))
        return self.ids_waiting()

    def waiting(self) -> list[str]:
        """Return the names of the waiting reports, the oldest first."""
        return sorted(self.spool.list_blob_names())

    def ids_waiting(self) -> list[str]:
        return [found[1] for name in self.waiting() if (found := NAME.fullmatch(name))]

    def ids_sent(self) -> list[str]:
        return [request.headers["Idempotency-Key"] for request in self.publisher.requests]

    def events(self) -> list[Mapping[str, Any]]:
        """Return the operations log's events of callbacks."""
        return [row for row in table_rows(self.lab) if row["Action"] == "callback"]


@contextmanager
def rig(lab: LabUnderTest, publisher: ScriptedServer, folder: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Rig]:
    """Yield a rig whose runs trust the lab and the publisher."""
    bundle = folder / "trusted.pem"
    bundle.write_bytes(Path(lab.env["REQUESTS_CA_BUNDLE"]).read_bytes() + publisher.ca_file.read_bytes())
    monkeypatch.setenv("REQUESTS_CA_BUNDLE", str(bundle))
    with (
        ManagedIdentityCredential(client_id=lab.env["VIBEDATA_UAMI_CLIENT_ID"]) as credential,
        BlobServiceClient(lab.env["VIBEDATA_BLOB_ENDPOINT"], credential) as blobs,
        SecretClient(lab.env["VIBEDATA_KEY_VAULT_ENDPOINT"], credential) as secrets,
    ):
        yield Rig(lab, publisher, blobs.get_container_client(CONTAINER), secrets)


SPOOL = {"service": "blob", "path": "/callbacks-spool"}
REFUSED = Answer(status=400)


def requests_of(made: Run, *services: str) -> list[str]:
    """Return a run's requests to these services. "spool" is the container of the waiting reports."""
    return [
        f"{each['service']} {each['method']}"
        for each in made.requests
        if ("spool" if "/callbacks-spool" in each["path"] else each["service"]) in services
    ]
