"""The gateway's listener: the certificate that it serves, when it reads a new one, whom it lets in, its backend."""

import time
from collections.abc import Callable
from typing import Any

import pytest
import requests
from azure.keyvault.secrets import SecretClient

from tests.support.application_gateway import (
    GATEWAY,
    network_client,
    open_page,
    rule,
    set_rules,
    trusting,
    trusting_anybody,
)
from tests.support.running_lab import LabUnderTest
from tests.support.vault_pfx import CONTENT_TYPE, pfx
from tests.support.web_authority import WebAuthority, new_web_authority

HOST = "k3v9x2p7.vibedata.ai"
PLACEHOLDER = "tls-certificate"
FOUR_HOURS = 4 * 3600


def listen(lab: LabUnderTest) -> dict[str, Any]:
    """Start the listener and return its state from the lab."""
    shown: dict[str, Any] = lab.control("POST", "/gateway", {"listen": True})
    assert shown["https"] == lab.env["VIBEDATA_GATEWAY"]
    return shown


def renew(secrets: SecretClient, authority: WebAuthority) -> int:
    """Put a new certificate into the vault, and return its serial number."""
    value, leaf = pfx(authority, HOST)
    secrets.set_secret(PLACEHOLDER, value, content_type=CONTENT_TYPE)
    return leaf.serial_number


def served(lab: LabUnderTest) -> int:
    return open_page(lab.env["VIBEDATA_GATEWAY"], HOST, trust=trusting_anybody()).serial


def refuses(lab: LabUnderTest) -> bool:
    """Tell whether nobody listens at the TLS address."""
    try:
        served(lab)
    except ConnectionRefusedError:
        return True
    return False


def until(happens: Callable[[], bool]) -> None:
    """Wait until a condition holds."""
    deadline = time.monotonic() + 60
    while not happens():
        assert time.monotonic() < deadline
        time.sleep(0.05)


def test_the_listener_starts_only_when_it_is_needed(lab: LabUnderTest) -> None:
    shown = lab.control("GET", "/gateway")
    assert (shown["listening"], shown["serial"]) == (False, "")
    assert refuses(lab)
    lab.control("POST", "/gateway", {"poll": True}, status=400)
    lab.control("POST", "/gateway", {"listen": False}, status=400)
    shown = listen(lab)
    assert int(shown["serial"], 16) == served(lab)
    lab.reset()
    assert refuses(lab)


def test_a_browser_that_trusts_the_authority_opens_the_control_panel(
    lab: LabUnderTest, secrets: SecretClient, authority: WebAuthority
) -> None:
    serial = renew(secrets, authority)
    listen(lab)
    page = open_page(lab.env["VIBEDATA_GATEWAY"], HOST, trust=trusting(authority.root_pem))
    assert (page.status, page.serial) == (200, serial)
    assert '"application": "control-panel"' in page.text
    (request,) = lab.journal(service="application")
    assert request["path"] == "/control-panel/healthz"
    with pytest.raises(OSError, match="CERTIFICATE_VERIFY_FAILED"):
        open_page(lab.env["VIBEDATA_GATEWAY"], HOST, trust=trusting(new_web_authority().root_pem))
    with pytest.raises(OSError, match="mismatch"):
        open_page(lab.env["VIBEDATA_GATEWAY"], "other.vibedata.ai", trust=trusting(authority.root_pem))


def test_a_renewed_certificate_is_served_after_four_hours_without_a_write(
    lab: LabUnderTest, secrets: SecretClient, authority: WebAuthority
) -> None:
    listen(lab)
    before = served(lab)
    after = renew(secrets, authority)
    lab.control("POST", "/clock", {"advance_seconds": FOUR_HOURS - 60})
    assert served(lab) == before
    lab.control("POST", "/clock", {"advance_seconds": 60})
    until(lambda: served(lab) == after)
    assert not [one for one in lab.journal(service="arm") if one["method"] == "PUT"]


def test_the_interval_can_be_shorter_and_the_vault_can_be_read_at_once(
    lab: LabUnderTest, secrets: SecretClient, authority: WebAuthority
) -> None:
    listen(lab)
    first = renew(secrets, authority)
    lab.control("POST", "/gateway", {"poll": True})
    assert served(lab) == first
    second = renew(secrets, authority)
    lab.control("POST", "/gateway", {"poll_seconds": 0.1})
    until(lambda: served(lab) == second)


def test_a_write_of_the_gateway_reads_the_vault(
    lab: LabUnderTest, secrets: SecretClient, authority: WebAuthority
) -> None:
    listen(lab)
    after = renew(secrets, authority)
    with network_client(lab) as client:
        gateway = client.application_gateways.get(lab.env["VIBEDATA_RESOURCE_GROUP"], GATEWAY)
        client.application_gateways.begin_create_or_update(
            lab.env["VIBEDATA_RESOURCE_GROUP"], GATEWAY, gateway
        ).result()
    assert served(lab) == after


def test_a_versioned_id_is_never_renewed(lab: LabUnderTest, secrets: SecretClient, authority: WebAuthority) -> None:
    group = lab.env["VIBEDATA_RESOURCE_GROUP"]
    version = secrets.get_secret(PLACEHOLDER).id
    with network_client(lab) as client:
        gateway = client.application_gateways.get(group, GATEWAY)
        assert gateway.properties is not None and gateway.properties.ssl_certificates is not None
        (certificate,) = gateway.properties.ssl_certificates
        assert certificate.properties is not None
        certificate.properties.key_vault_secret_id = version
        client.application_gateways.begin_create_or_update(group, GATEWAY, gateway).result()
    listen(lab)
    before = served(lab)
    renew(secrets, authority)
    lab.control("POST", "/gateway", {"poll": True})
    assert served(lab) == before


def test_a_certificate_that_the_customer_withholds_disables_the_listener(
    lab: LabUnderTest, secrets: SecretClient
) -> None:
    listen(lab)
    before = served(lab)
    secrets.update_secret_properties(PLACEHOLDER, enabled=False)
    assert lab.control("POST", "/gateway", {"poll": True})["reason"] == "SecretDisabled"
    assert refuses(lab)
    secrets.update_secret_properties(PLACEHOLDER, enabled=True)
    assert lab.control("POST", "/gateway", {"poll": True})["reason"] == ""
    assert served(lab) == before
    secrets.set_secret(PLACEHOLDER, "no PFX", content_type=CONTENT_TYPE)
    assert lab.control("POST", "/gateway", {"poll": True})["reason"] == "ApplicationGatewaySslCertificateInvalidData"
    assert refuses(lab)


def test_a_vault_that_does_not_answer_changes_nothing(lab: LabUnderTest) -> None:
    listen(lab)
    before = served(lab)
    lab.fault("status", status=503, match={"service": "key_vault"})
    assert lab.control("POST", "/gateway", {"poll": True})["reason"] == "Status503"
    assert served(lab) == before


def test_a_stopped_gateway_does_not_listen(lab: LabUnderTest) -> None:
    listen(lab)
    group = lab.env["VIBEDATA_RESOURCE_GROUP"]
    with network_client(lab) as client:
        client.application_gateways.begin_stop(group, GATEWAY).result()
        assert refuses(lab)
        client.application_gateways.begin_start(group, GATEWAY).result()
    assert not refuses(lab)


def statuses(lab: LabUnderTest, *sources: str) -> list[int]:
    gateway = lab.env["VIBEDATA_GATEWAY"]
    return [open_page(gateway, HOST, trust=trusting_anybody(), source=source).status for source in sources]


def test_addresses_on_a_list_are_let_in_and_others_are_not(lab: LabUnderTest) -> None:
    listen(lab)
    assert statuses(lab, "127.0.0.1", "127.0.0.2") == [200, 403]
    lists = (["127.0.0.2/32"], True), (["127.0.1.0/24", "2001:db8::/32"], True)
    set_rules(lab, [rule("Block", *lists)])
    assert statuses(lab, "127.0.0.1", "127.0.0.2", "127.0.1.9") == [403, 200, 200]
    set_rules(lab, [rule("Block", *lists)], mode="Detection")
    assert statuses(lab, "127.0.0.1") == [200]
    set_rules(lab, [rule("Block", *lists, state="Disabled")])
    assert statuses(lab, "127.0.0.1") == [200]
    set_rules(lab, [])
    assert statuses(lab, "127.0.0.1") == [200]
    lab.reset()
    listen(lab)
    assert statuses(lab, "127.0.0.1", "127.0.0.2") == [200, 403]


def test_rules_are_asked_in_the_order_of_their_priorities(lab: LabUnderTest) -> None:
    listen(lab)
    everybody = (["127.0.0.0/8"], False)
    one = (["127.0.0.3"], False)
    set_rules(lab, [rule("Block", everybody, priority=9), rule("Allow", one, priority=5)])
    assert statuses(lab, "127.0.0.3", "127.0.0.4") == [200, 403]
    set_rules(lab, [rule("Block", everybody, priority=4), rule("Allow", one, priority=5)])
    assert statuses(lab, "127.0.0.3", "127.0.0.4") == [403, 403]


def test_http_leads_allowed_addresses_to_https(lab: LabUnderTest) -> None:
    shown = listen(lab)
    address = f"http://{shown['http']}/a?b=c"
    answer = requests.get(address, headers={"Host": HOST}, allow_redirects=False, timeout=30)
    assert (answer.status_code, answer.headers["Location"]) == (301, f"https://{HOST}/a?b=c")
    set_rules(lab, [rule("Block", (["127.0.0.0/8"], False))])
    assert requests.get(address, headers={"Host": HOST}, allow_redirects=False, timeout=30).status_code == 403


def test_an_ill_control_panel_is_seen_through_the_gateway(lab: LabUnderTest) -> None:
    listen(lab)
    lab.control("POST", "/applications", {"name": "control-panel", "mode": "status", "status": 500})
    assert statuses(lab, "127.0.0.1") == [500]
    lab.control("POST", "/applications", {"name": "control-panel", "mode": "closed"})
    assert statuses(lab, "127.0.0.1") == [502]
