"""The sources of a run's token and of its retry policy, over the wire."""

import time
from dataclasses import replace

import pytest

from runbook_lib.azure.clients import AzureClients
from runbook_lib.azure.identity import credential
from runbook_lib.component_registry.policies import read_network_retry_policy
from runbook_lib.errors import RunbookError
from runbook_lib.network.retry import NetworkRetryPolicy
from tests.support.every_client import SUBSCRIPTION, World
from tests.support.scripted_server import Answer, Reset, json_answer


def test_the_identity_endpoint_is_asked_again(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("IDENTITY_ENDPOINT", world.server.url + "/oauth2/token")
    monkeypatch.setenv("IDENTITY_HEADER", "h")
    settings = replace(world.settings, uami_client_id=SUBSCRIPTION)
    identity = credential(settings, {"IDENTITY_ENDPOINT": "x", "IDENTITY_HEADER": "h"}, clock=world.clock)
    token = {"access_token": "secret", "expires_on": str(int(time.time()) + 86400), "token_type": "Bearer"}
    world.server.play(Reset(), Answer(status=503), json_answer(token))
    assert identity.get_token("https://vault.azure.net/.default").token == "secret"
    assert identity.get_token("https://vault.azure.net/.default").token == "secret"
    assert len(world.server.requests) == 3
    assert world.clock.slept == [2, 2]
    assert f"client_id={SUBSCRIPTION}" in world.server.requests[0].path
    assert "resource=https://vault.azure.net&" in world.server.requests[0].path


@pytest.mark.parametrize(
    "answer",
    [
        json_answer({"statusCode": 400, "message": "no such identity"}, status=400),
        json_answer({"access_token": "t", "expires_on": "11/24/2026 10:00:00 AM"}),
        json_answer(["no", "object"]),
        Answer(body=b"<html>"),
        Answer(status=403),
    ],
    ids=["unknown identity", "expiry is no number", "no object", "no JSON", "refused"],
)
def test_an_identity_endpoint_that_answers_badly_has_a_code(
    world: World, monkeypatch: pytest.MonkeyPatch, answer: Answer
) -> None:
    monkeypatch.setenv("IDENTITY_ENDPOINT", world.server.url)
    monkeypatch.setenv("IDENTITY_HEADER", "h")
    settings = replace(world.settings, uami_client_id=SUBSCRIPTION)
    identity = credential(settings, {"IDENTITY_ENDPOINT": "x", "IDENTITY_HEADER": "h"}, clock=world.clock)
    world.server.play(answer)
    clients = AzureClients(
        settings=settings, credential=identity, retry_policy_source=NetworkRetryPolicy, clock=world.clock
    )
    with pytest.raises(RunbookError) as caught:
        clients.blob_service.get_blob_client("c", "b").download_blob()
    assert caught.value.code == "VD-IDENTITY-001"


@pytest.mark.parametrize(
    ("entity", "expected"),
    [
        ({"max_retries": 5, "delay_seconds": 1.5}, NetworkRetryPolicy(max_retries=5, delay_seconds=1.5)),
        ({"max_retries": 0, "delay_seconds": 1}, NetworkRetryPolicy(max_retries=0, delay_seconds=1)),
    ],
)
def test_the_recorded_policy_is_read_by_one_request(
    world: World, entity: dict[str, object], expected: NetworkRetryPolicy
) -> None:
    world.server.play(json_answer({"PartitionKey": "policy", "RowKey": "networkRetryPolicies", **entity}))
    assert read_network_retry_policy(world.clients.table_service) == (expected, "")
    assert len(world.server.requests) == 1


@pytest.mark.parametrize(
    "entity",
    [
        {},
        {"max_retries": 11, "delay_seconds": 2},
        {"max_retries": True, "delay_seconds": 2},
        {"max_retries": "3", "delay_seconds": 2},
        {"max_retries": 3, "delay_seconds": 0},
        {"max_retries": 3, "delay_seconds": -1.5},
        {"max_retries": 3, "delay_seconds": 61},
    ],
)
def test_a_recorded_policy_out_of_bounds_is_warned_of(world: World, entity: dict[str, object]) -> None:
    world.server.play(json_answer({"PartitionKey": "policy", "RowKey": "networkRetryPolicies", **entity}))
    policy, warning = read_network_retry_policy(world.clients.table_service)
    assert policy == NetworkRetryPolicy()
    assert "networkRetryPolicies" in warning


def test_without_a_component_registry_the_default_holds(world: World) -> None:
    error = {"odata.error": {"code": "TableNotFound", "message": {"lang": "en", "value": "no"}}}
    world.server.play(json_answer(error, status=404))
    assert read_network_retry_policy(world.clients.table_service) == (NetworkRetryPolicy(), "")
    assert len(world.server.requests) == 1
