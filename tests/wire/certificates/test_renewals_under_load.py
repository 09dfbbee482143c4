"""Whole renewals, from the order to the retired certificate, while clients open connections without a pause."""

from dataclasses import dataclass, replace
from pathlib import Path

import pytest
from cryptography import x509

from runbook_lib.tls_certificate.name import CERTIFICATE
from tests.support.application_gateway import trusting
from tests.support.certificate_rig import HOST, CertificateRig
from tests.support.handshakes import handshakes
from tests.support.running_lab import LabUnderTest

SOAK_SECONDS = 7200
# Each client opened some connections with each certificate.
CONNECTIONS = 6


@dataclass(frozen=True, slots=True)
class LabGateway:
    """The lab's gateway. It reads the vault before each test, as the real one does within four hours."""

    lab: LabUnderTest

    @property
    def address(self) -> str:
        return self.lab.env["VIBEDATA_GATEWAY"]

    def serve(self, pfx: str) -> None:  # noqa: ARG002 - the gateway reads the vault itself
        self.lab.control("POST", "/gateway", {"poll": True})


@pytest.mark.parametrize(
    "renewals", [3, pytest.param(100, marks=[pytest.mark.soak, pytest.mark.timeout(SOAK_SECONDS)])]
)
def test_no_handshake_fails_or_sees_another_certificate(rig: CertificateRig, renewals: int) -> None:
    rig = replace(rig, gateway=LabGateway(rig.lab))
    rig.finish()
    trust = trusting(Path(rig.lab.env["VIBEDATA_ACME_ROOT"]).read_text())
    with handshakes(rig.gateway.address, HOST, trust, serial=serial(rig)) as seen:
        for number in range(renewals):
            # The former certificate is disabled at the end of the renewal, and the gateway serves the new one by then.
            renewed = rig.finish(now=True)
            assert (renewed.number, renewed.customer) == (number + 2, "retired")
            seen.renewing(serial(rig))
            seen.renewed()
            seen.wait_for(seen.done + CONNECTIONS)
    assert seen.failed == []
    assert seen.wrong == []
    assert seen.done >= CONNECTIONS * renewals


def serial(rig: CertificateRig) -> int:
    """Return the serial number of the certificate that the vault has."""
    return x509.load_der_x509_certificate(bytes(rig.certificates.get_certificate(CERTIFICATE).cer or b"")).serial_number
