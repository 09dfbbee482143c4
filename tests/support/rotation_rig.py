"""Rotations in the lab, as the publisher drives them: a credential wrapped for the customer's vault, phase by phase."""

import base64
import json
import uuid
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any

from azure.core.exceptions import ResourceNotFoundError
from azure.data.tables import TableServiceClient
from azure.identity import ManagedIdentityCredential
from azure.keyvault.keys import KeyClient
from azure.keyvault.secrets import SecretClient, SecretProperties
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import padding, rsa

from tests.support.runbook_run import Run, run
from tests.support.running_lab import LabUnderTest

OAEP = padding.OAEP(mgf=padding.MGF1(hashes.SHA256()), algorithm=hashes.SHA256(), label=None)
PHASES = ("prepare", "stage", "test", "promote", "retire")


@dataclass(frozen=True, slots=True, kw_only=True)
class Vault:
    """The customer's vault and tables, with full rights."""

    secrets: SecretClient
    keys: KeyClient
    tables: TableServiceClient

    def versions(self, name: str) -> list[SecretProperties]:
        """Return a secret's versions, the newest first."""
        try:
            found = list(self.secrets.list_properties_of_secret_versions(name))
        except ResourceNotFoundError:
            return []
        return sorted(found, key=lambda one: (one.created_on, (one.tags or {}).get("writtenAt", "")), reverse=True)

    def enabled(self, name: str) -> list[str]:
        """Return the rotations of a secret's enabled versions, the newest first; "" for none."""
        return [(one.tags or {}).get("rotationId", "") for one in self.versions(name) if one.enabled]

    def rows(self) -> dict[str, Mapping[str, Any]]:
        """Return table Credentials by partition/row."""
        listed = self.tables.get_table_client("Credentials").list_entities()
        return {f"{one['PartitionKey']}/{one['RowKey']}": one for one in listed}


@contextmanager
def vault(lab: LabUnderTest) -> Iterator[Vault]:
    endpoint = lab.env["VIBEDATA_KEY_VAULT_ENDPOINT"]
    with (
        ManagedIdentityCredential(client_id=lab.env["VIBEDATA_UAMI_CLIENT_ID"]) as credential,
        SecretClient(endpoint, credential) as secrets,
        KeyClient(endpoint, credential) as keys,
        TableServiceClient(endpoint=lab.env["VIBEDATA_TABLE_ENDPOINT"], credential=credential) as tables,
    ):
        yield Vault(secrets=secrets, keys=keys, tables=tables)


def new_rotation_id() -> str:
    return str(uuid.uuid4())


def base64url(content: bytes) -> str:
    return base64.urlsafe_b64encode(content).decode().rstrip("=")


def wrap(report: Mapping[str, Any], content: bytes) -> str:
    """Wrap `content` for the key that a run's report shows."""
    jwk = json.loads("".join(report["wrapping_key"]))
    numbers = {name: int.from_bytes(base64.urlsafe_b64decode(jwk[name] + "=="), "big") for name in ("n", "e")}
    public = rsa.RSAPublicNumbers(**numbers).public_key()
    return base64url(public.encrypt(content, OAEP))


@dataclass(slots=True, kw_only=True)
class Rotation:
    """One rotation of one credential. content: the text that is wrapped. given: parameters of every run."""

    lab: LabUnderTest
    runbook: Any
    id_name: str
    credential_id: str
    content: bytes
    rotation_id: str = field(default_factory=new_rotation_id)
    given: Mapping[str, object] = field(default_factory=dict)
    report: Mapping[str, Any] = field(default_factory=dict)

    def run(self, phase: str, **given: Any) -> Run:
        """Run a phase. Keep its report for the next phase."""
        parameters: dict[str, Any] = {"phase": phase, "rotation_id": self.rotation_id, **self.given}
        if phase == "stage" or (phase == "auto" and self.report.get("state") == "prepared"):
            parameters |= {
                self.id_name: self.credential_id,
                "wrapped_key": wrap(self.report, self.content),
                "wrapping_key_version": self.report["wrapping_key_version"],
            }
        made = run(self.lab, self.runbook, **{**parameters, **given})
        self.report = made.result.get("report", self.report)
        return made

    def succeed(self, phase: str, **given: object) -> Run:
        made = self.run(phase, **given)
        assert made.exit_code == 0, made.text
        return made

    def through(self, last: str, **given: object) -> None:
        """Run the phases up to and including `last`."""
        for phase in PHASES[: PHASES.index(last) + 1]:
            self.succeed(phase, **given)
