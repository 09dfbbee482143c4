"""The publisher's operator and one customer, for issuances in the lab. A TLS server replaces the gateway."""

import os
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from functools import partial
from pathlib import Path
from typing import Any, Protocol
from urllib.parse import urlsplit

import pytest
from azure.identity import ManagedIdentityCredential
from azure.keyvault.certificates import CertificateClient
from azure.keyvault.secrets import SecretClient
from cryptography import x509

from publisher.certificates.attempts import TABLE as ORDERS
from publisher.certificates.attempts import Attempts
from publisher.certificates.plan import IssuanceRequest
from publisher.certificates.record import Issuance, Issuances
from publisher.certificates.run import CertificateRun
from publisher.dns_zone.record_sets import RecordSets
from publisher.rotation.customer_phases import RunRunbook
from publisher.rotation.plan import Step
from publisher.tables import partition_of
from runbook_lib.azure.clients import AzureClients
from runbook_lib.basics.redaction import Redactor
from runbook_lib.change import Action, ActionKind
from runbook_lib.tls_certificate.name import CERTIFICATE
from runbooks import configure_gateway, rotate_tls_certificate
from tests.support import dns_zone
from tests.support.publisher_side import publisher_side
from tests.support.runbook_run import QuickClock, run
from tests.support.running_lab import LabUnderTest
from tests.support.tls_server import tls_server
from vibedata.rotation.certificate import certificate_run
from vibedata.rotation.drive import DriveOutcome, Rotating, drive

HOST = "k3v9x2p7.vibedata.ai"
INSTANCE = "k3v9x2p7"
LONG_AGO = "2026-01-01T00:00:00.000000Z"


class Gateway(Protocol):
    """A server of the certificate. address: host and port."""

    @property
    def address(self) -> str: ...

    def serve(self, pfx: str) -> None:
        """Serve the certificate that the vault's secret holds now."""


@dataclass(frozen=True, slots=True, kw_only=True)
class CertificateRig:
    """Everything that an issuance in the lab needs. jobs: the parameters of each phase that ran at the customer's."""

    lab: LabUnderTest
    clients: AzureClients
    zone: RecordSets
    gateway: Gateway
    certificates: CertificateClient
    secrets: SecretClient
    clock: QuickClock
    jobs: list[Mapping[str, Any]] = field(default_factory=list)
    said: list[str] = field(default_factory=list)

    @property
    def issuances(self) -> Issuances:
        """The publisher's record."""
        return Issuances(self.clients.table_service)

    def newest(self) -> Issuance:
        """Return the last issuance. There must be one."""
        found = self.issuances.newest(INSTANCE)
        assert found is not None
        return found

    def set(self, **columns: Any) -> None:
        """Change the record, as if time had passed."""
        assert self.issuances.change(replace(self.newest(), **columns))

    def orders(self) -> list[Mapping[str, Any]]:
        """Return the rows that count the orders."""
        return list(partition_of(self.clients.table_service, ORDERS, self.zone.zone.name))

    @property
    def authority(self) -> str:
        """The host of the lab's authority."""
        return urlsplit(self.lab.env["VIBEDATA_PUBLISHER_ACME_DIRECTORY"]).netloc

    def attempts(self, authority: str = "") -> Attempts:
        """Return the record of the orders at an authority, "" for the lab's."""
        return Attempts(self.clients.table_service, self.zone.zone.name, authority or self.authority)

    def issued(self) -> int:
        """Return how many versions the customer's vault has."""
        return len(list(self.certificates.list_properties_of_certificate_versions(CERTIFICATE)))

    def proofs(self) -> tuple[str, ...]:
        """Return the TXT values for the host in the zone."""
        found = self.zone.read("TXT", f"_acme-challenge.{INSTANCE}")
        return () if found is None else found.values

    def asked(self, path: str, since: int = 0) -> int:
        """Return how many POST requests went to a path of the authority."""
        return sum(path in entry["path"] for entry in self.lab.journal(service="acme", method="POST", since=since))

    def new_run(
        self, customer: RunRunbook | None = None, *, now: bool = False, request: IssuanceRequest | None = None
    ) -> CertificateRun:
        """Return a new run of `vibedata rotate-tls`. customer: runs the phases. None: the runbook itself runs them.
        request: another request than the command's.
        """
        return certificate_run(
            instance_id=INSTANCE,
            host=HOST,
            request=request or IssuanceRequest(now=now),
            clients=self.clients,
            arm_endpoint=self.lab.env["VIBEDATA_ARM_ENDPOINT"],
            environ=self.lab.env,
            run_runbook=customer or self.run_runbook,
            clock=self.clock,
        )

    def run_runbook(self, name: str, parameters: Mapping[str, Any]) -> Mapping[str, Any]:
        """Run a phase in this process. configure_gateway makes the gateway take the vault's newest certificate, and
        before each test the gateway has taken it.
        """
        self.jobs.append({"runbook": name, **parameters})
        if name == configure_gateway.RUNBOOK.name:
            made = run(self.lab, configure_gateway.RUNBOOK, **parameters)
            self.said.append(made.text)
            return made.result
        if parameters["phase"] == "test":
            self.gateway.serve(self.secrets.get_secret(CERTIFICATE).value or "")
        environ = {"VIBEDATA_PUBLIC_HOST": HOST, "VIBEDATA_GATEWAY": self.gateway.address}
        made = run(self.lab, rotate_tls_certificate.RUNBOOK, environ=environ, **parameters)
        self.said.append(made.text)
        return made.result

    def drive(self, rotating: Rotating) -> DriveOutcome:
        """Drive a run in the same way as the command."""
        return drive(rotating, wait=False, report=self.said.append, redactor=Redactor(), clock=self.clock)

    def succeed(self, *, now: bool = False) -> DriveOutcome:
        """Drive a new run that must not fail."""
        outcome = self.drive(self.new_run(now=now))
        assert outcome.failed is None, "\n".join(self.said[-8:])
        return outcome

    def finish(self, *, now: bool = False) -> Issuance:
        """Drive an issuance to its end, through its waiting times, and return its record."""
        outcome = self.succeed(now=now)
        while outcome.resume_at is not None:
            newest = self.newest()
            assert newest.open, f"it waits until {outcome.resume_at}"
            # A time long ago. So the test need not wait for the gateway, and the former certificate may be retired.
            self.set(installed_at=LONG_AGO, retire_after=newest.retire_after and LONG_AGO)
            outcome = self.succeed()
        return self.newest()

    def failing(self, rotating: Rotating | None = None, *, now: bool = False) -> str:
        """Drive a run that must fail, and return the error's code. Without a run, drive a new one."""
        outcome = self.drive(rotating or self.new_run(now=now))
        assert outcome.failed is not None and outcome.failed.error is not None, "\n".join(self.said[-8:])
        return str(outcome.failed.error.code)


class Between:
    """A run in which something else happens right before the first change of one kind."""

    def __init__(self, rotating: CertificateRun, kind: ActionKind[Any], happens: Callable[[], object]) -> None:
        self._rotating, self._kind = rotating, kind
        self._happens: list[Callable[[], object]] = [happens]

    def next_step(self) -> Step:
        return self._rotating.next_step()

    def actions(self) -> list[Action[Any]]:
        return [
            replace(action, make=partial(self._make, action)) if action.kind == self._kind else action
            for action in self._rotating.actions()
        ]

    def _make(self, action: Action[Any], subject: object) -> None:
        while self._happens:
            self._happens.pop()()
        action.make(subject)


@contextmanager
def certificate_rig(lab: LabUnderTest, folder: Path, patch: pytest.MonkeyPatch) -> Iterator[CertificateRig]:
    """Open the clients. Everybody in this process trusts the root of the lab's authority."""
    trusted = folder / "trusted.pem"
    root = Path(lab.env["VIBEDATA_ACME_ROOT"]).read_text()
    trusted.write_text(Path(lab.env["REQUESTS_CA_BUNDLE"]).read_text() + root)
    patch.setitem(os.environ, "REQUESTS_CA_BUNDLE", str(trusted))
    lab = replace(lab, env={**lab.env, "REQUESTS_CA_BUNDLE": str(trusted)})
    endpoint = lab.env["VIBEDATA_KEY_VAULT_ENDPOINT"]
    with (
        publisher_side(lab) as side,
        dns_zone.record_sets(lab) as zone,
        tls_server() as gateway,
        ManagedIdentityCredential(client_id=lab.env["VIBEDATA_UAMI_CLIENT_ID"]) as credential,
        CertificateClient(endpoint, credential) as certificates,
        SecretClient(endpoint, credential) as secrets,
    ):
        yield CertificateRig(
            lab=lab,
            clients=side.clients,
            zone=zone,
            gateway=gateway,
            certificates=certificates,
            secrets=secrets,
            clock=QuickClock(),
        )


def served_names(rig: CertificateRig) -> list[str]:
    """Return the names of the certificate in the customer's vault."""
    found = x509.load_der_x509_certificate(bytes(rig.certificates.get_certificate(CERTIFICATE).cer or b""))
    return found.extensions.get_extension_for_class(x509.SubjectAlternativeName).value.get_values_for_type(x509.DNSName)
