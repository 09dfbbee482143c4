"""The runbook's identity and clients, with the lab's sandbox endpoint and services."""

import os
import socket
import subprocess
from dataclasses import replace
from typing import Any

import pytest

from runbook_lib.azure.clients import AzureClients
from runbook_lib.azure.identity import credential
from runbook_lib.azure.settings import load
from runbook_lib.basics.clock import SYSTEM_CLOCK
from runbook_lib.component_registry.policies import read_network_retry_policy
from runbook_lib.errors import RunbookError
from runbook_lib.network.retry import NetworkRetryPolicy
from tests.support.fake_clock import FakeClock
from tests.support.running_lab import LabUnderTest

VAULT = "https://vault.azure.net/.default"


def refused(identity: Any) -> RunbookError:
    with pytest.raises(RunbookError) as caught:
        identity.get_token(VAULT)
    assert caught.value.code == "VD-IDENTITY-001"
    return caught.value


def test_the_managed_identity_gives_a_token_and_keeps_it(lab: LabUnderTest) -> None:
    identity = credential(load({}, os.environ, None), os.environ)
    assert identity.get_token(VAULT).token == identity.get_token(VAULT).token
    (entry,) = lab.journal(service="identity")
    assert entry["method"] == "GET" and f"client_id={lab.env['VIBEDATA_UAMI_CLIENT_ID']}" in entry["path"]


def test_an_unknown_client_id_is_reported(lab: LabUnderTest) -> None:
    other = "99999999-8888-7777-6666-555555555555"
    settings = replace(load({}, os.environ, None), uami_client_id=other)
    refused(credential(settings, os.environ))
    assert len(lab.journal(service="identity")) == 1


@pytest.mark.usefixtures("lab")
def test_a_wrong_header_is_reported_without_it(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("IDENTITY_HEADER", "wrong-identity-header")
    error = refused(credential(load({}, os.environ, None), os.environ))
    assert "wrong-identity-header" not in str(error)


def test_a_passing_failure_is_overcome(lab: LabUnderTest) -> None:
    clock = FakeClock()
    lab.fault("reset_before", times=1, match={"service": "identity"})
    lab.fault("status", status=503, times=1, match={"service": "identity"})
    assert credential(load({}, os.environ, None), os.environ, clock=clock).get_token(VAULT).token
    assert clock.slept == [2, 2]


@pytest.mark.usefixtures("lab")
def test_an_endpoint_that_is_not_there_is_reported_in_time(monkeypatch: pytest.MonkeyPatch) -> None:
    clock = FakeClock()
    with socket.socket() as reserved:  # bound and not listening: connections are refused
        reserved.bind(("127.0.0.1", 0))
        monkeypatch.setenv("IDENTITY_ENDPOINT", f"http://127.0.0.1:{reserved.getsockname()[1]}/oauth2/token")
        refused(credential(load({}, os.environ, None), os.environ, clock=clock))
    assert clock.slept == [2, 2, 2]


@pytest.mark.usefixtures("lab")
def test_a_sandbox_without_an_endpoint_starts_no_program(monkeypatch: pytest.MonkeyPatch) -> None:
    def never(*_: object, **__: object) -> Any:
        raise AssertionError("a sandbox supports no subprocess")

    monkeypatch.setattr(subprocess, "Popen", never)
    settings = load({}, os.environ, None)
    with pytest.raises(RunbookError) as caught:
        credential(settings, {"AUTOMATION_ASSET_ACCOUNTID": "x", "IDENTITY_ENDPOINT": "x"})
    assert caught.value.code == "VD-IDENTITY-001"


@pytest.mark.usefixtures("lab")
def test_a_sandbox_without_a_client_id_is_reported() -> None:
    settings = replace(load({}, os.environ, None), uami_client_id="")
    with pytest.raises(RunbookError) as caught:
        credential(settings, os.environ)
    assert caught.value.code == "VD-SETTINGS-001"


def test_outside_automation_the_developers_login_is_used(lab: LabUnderTest, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATH", "/nowhere")  # neither az nor azd
    with pytest.raises(RunbookError) as caught:
        credential(load({}, os.environ, None), {}).get_token(VAULT)
    assert caught.value.code == "VD-IDENTITY-002"
    assert lab.journal(service="identity") == []


def test_every_client_reaches_its_service(lab: LabUnderTest) -> None:
    settings = load({}, os.environ, None)
    clients = AzureClients(
        settings=settings,
        credential=credential(settings, os.environ),
        retry_policy_source=NetworkRetryPolicy,
        clock=SYSTEM_CLOCK,
    )
    blob = clients.blob_service.create_container("from-a-test").get_blob_client("b")
    blob.upload_blob(b"bytes")
    assert blob.download_blob().readall() == b"bytes"
    assert [item.name for item in clients.blob_service.list_containers(name_starts_with="from-a-test")] == [
        "from-a-test"
    ]
    policies = clients.table_service.create_table("Policies")
    entity = {"PartitionKey": "policy", "RowKey": "networkRetryPolicies", "max_retries": 1, "delay_seconds": 0.5}
    policies.submit_transaction([("upsert", entity)])
    assert read_network_retry_policy(clients.table_service) == (NetworkRetryPolicy(1, 0.5), "")
    assert "publisher-acr-token" in {item.name for item in clients.secrets.list_properties_of_secrets()}
    clients.logs_ingestion.upload(settings.dcr_id, "Custom-VibeData_Operations_CL", [])
    assert list(clients.resources.resources.list_by_resource_group(settings.resource_group))
    registry = clients.container_registry_management.registries.get(
        settings.resource_group, settings.customer_registry_name
    )
    assert registry.name == settings.customer_registry_name
    seen = lab.journal()
    assert {"arm", "blob", "table", "key_vault"} <= {entry["service"] for entry in seen}
    agents = {entry["client"] for entry in seen if entry["service"] in ("arm", "blob", "table", "key_vault")}
    assert all("vibedata-runbooks/" in agent for agent in agents), agents
