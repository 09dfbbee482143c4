"""Renewals while clients open connections without a pause. No handshake fails or sees a wrong certificate."""

import pytest
from azure.keyvault.secrets import SecretClient

from tests.support.application_gateway import rule, set_rules, trusting
from tests.support.handshakes import handshakes
from tests.support.running_lab import LabUnderTest
from tests.support.vault_pfx import CONTENT_TYPE, pfx
from tests.support.web_authority import WebAuthority

HOST = "k3v9x2p7.vibedata.ai"
PLACEHOLDER = "tls-certificate"


@pytest.mark.parametrize("renewals", [5, pytest.param(100, marks=pytest.mark.soak)])
def test_no_handshake_fails_while_certificates_and_rules_change(
    lab: LabUnderTest, secrets: SecretClient, authority: WebAuthority, renewals: int
) -> None:
    made = [pfx(authority, HOST) for _ in range(renewals + 1)]
    (first, leaf), *others = made
    secrets.set_secret(PLACEHOLDER, first, content_type=CONTENT_TYPE)
    lab.control("POST", "/gateway", {"listen": True})
    trust = trusting(authority.root_pem)
    with handshakes(lab.env["VIBEDATA_GATEWAY"], HOST, trust, serial=leaf.serial_number) as seen:
        for number, (value, leaf) in enumerate(others):
            before = seen.done
            seen.renewing(leaf.serial_number)
            secrets.set_secret(PLACEHOLDER, value, content_type=CONTENT_TYPE)
            lab.control("POST", "/gateway", {"poll": True})
            seen.renewed()
            if number % 5 == 0:  # a new configuration replaces the process
                set_rules(lab, [])
                set_rules(lab, [rule("Block", (["127.0.0.1/32"], True))])
            seen.wait_for(before + 6)
    assert seen.failed == []
    assert seen.wrong == []
    assert seen.done >= 6 * renewals
