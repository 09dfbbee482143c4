"""An instance's name, end to end: the publisher orders, the customer's vault and gateway serve, and a browser opens it.

The browser trusts only the root of the authority. It asks the zone's name server for the address. Instead of this
address it connects to the lab's listener.
"""

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest

from publisher.instances.document import read
from publisher.instances.store import Instances
from publisher.session import operator_tables
from runbook_lib.basics.clock import SYSTEM_CLOCK
from runbooks import configure_gateway, rotate_tls_certificate
from tests.support.application_gateway import Page, open_page, trusting
from tests.support.arm import group, send
from tests.support.certificate_rig import HOST, INSTANCE, LONG_AGO, CertificateRig, certificate_rig
from tests.support.dns import look_up
from tests.support.runbook_run import run
from tests.support.running_lab import LabUnderTest
from vibedata import cli

CUSTOMER, PUBLISHER, STRANGER = "127.0.0.1", "127.0.0.2", "127.0.0.3"


def add_instance(lab: LabUnderTest, folder: Path) -> None:
    """Record the lab's customer with the name for which the rig orders the certificate."""
    file = folder / "instance.json"
    file.write_text(json.dumps({**json.loads((lab.directory / "instance.json").read_text()), "id": INSTANCE}))
    Instances(operator_tables(lab.env, SYSTEM_CLOCK)).add(read(file.read_bytes(), source=str(file)))


def let_in(lab: LabUnderTest, **ranges: list[str]) -> None:
    """Write the address ranges into the variable that the runbook reads."""
    account = f"{group(lab)}/providers/Microsoft.Automation/automationAccounts/{lab.env['VIBEDATA_AUTOMATION_ACCOUNT']}"
    name = configure_gateway.RANGES_VARIABLE
    body = {"name": name, "properties": {"value": json.dumps(json.dumps(ranges))}}
    assert send(lab, f"{account}/variables/{name}?api-version=2024-10-23", "PUT", json=body).status_code in (200, 201)


def issue(rig: CertificateRig) -> None:
    """Drive an issuance to its end. Before the test of a first certificate, the run configures the gateway."""

    def customer(name: str, parameters: Mapping[str, Any]) -> Mapping[str, Any]:
        environ = {"VIBEDATA_PUBLIC_HOST": HOST, "VIBEDATA_GATEWAY": rig.lab.env["VIBEDATA_GATEWAY"]}
        runbook = {each.name: each for each in (configure_gateway.RUNBOOK, rotate_tls_certificate.RUNBOOK)}[name]
        made = run(rig.lab, runbook, environ=environ, **parameters)
        rig.said.append(made.text)
        return made.result

    while True:
        outcome = rig.drive(rig.new_run(customer))
        assert outcome.failed is None, "\n".join(rig.said[-8:])
        newest = rig.newest()
        if not newest.open or outcome.resume_at is None:
            return
        # A time long ago. So the test need not wait for the gateway, and the former certificate may be retired.
        rig.set(installed_at=LONG_AGO, retire_after=newest.retire_after and LONG_AGO)


def test_a_browser_opens_the_instance_by_its_name(
    lab: LabUnderTest, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    add_instance(lab, tmp_path)
    let_in(lab, customer=[f"{CUSTOMER}/32"], publisher=[f"{PUBLISHER}/32"])
    lab.control("POST", "/gateway", {"listen": True})
    root = trusting(Path(lab.env["VIBEDATA_ACME_ROOT"]).read_text())
    with certificate_rig(lab, tmp_path, monkeypatch) as rig:
        assert cli.main(["dns", "point", "--instance", INSTANCE]) == 0
        (server,) = rig.zone.name_servers()

        def opened(source: str) -> Page:
            assert look_up(server, HOST, "A") == ["203.0.113.40"]
            return open_page(lab.env["VIBEDATA_GATEWAY"], HOST, trust=root, source=source)

        with pytest.raises(OSError, match="CERTIFICATE_VERIFY_FAILED"):
            opened(CUSTOMER)  # it is the placeholder
        issue(rig)
        first = opened(CUSTOMER)
        assert (first.status, opened(PUBLISHER).status, opened(STRANGER).status) == (200, 200, 403)
        assert '"application": "control-panel"' in first.text

        # A renewal needs no write of the gateway, because the gateway reads the vault every four hours.
        rig.lab.control("POST", "/acme", {"renew_now": True})
        since = lab.last_request()
        rig.set(ask_after=LONG_AGO)
        lab.control("POST", "/gateway", {"poll_seconds": 0.1})
        issue(rig)
        assert opened(CUSTOMER).serial != first.serial
        written = lab.journal(service="arm", method="PUT", since=since)
        assert not [one for one in written if "/applicationGateways/" in one["path"]]
