"""The network retry policy, seen from the server: how often each client's request arrives, and how far apart."""

import json
import socket
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from typing import Any

import pytest
import requests
from azure.core.credentials import AccessToken, AccessTokenInfo
from azure.core.exceptions import AzureError, HttpResponseError
from azure.keyvault.secrets import SecretClient
from azure.mgmt.containerregistry.models import ImportImageParameters, ImportSource

from runbook_lib.azure.clients import AzureClients
from runbook_lib.azure.identity import credential
from runbook_lib.azure.settings import Settings, load
from runbook_lib.component_registry.network_policy import read_network_retry_policy
from runbook_lib.errors import RunbookError
from runbook_lib.network.http import TooLarge, read_capped
from runbook_lib.network.http_session import new_session
from runbook_lib.network.requests_retry import send
from runbook_lib.network.retry import AnswerLost, NetworkRetryPolicy
from tests.support.fake_clock import FakeClock
from tests.support.scripted_server import Answer, Reset, ScriptedServer, json_answer

SUBSCRIPTION = "11111111-2222-3333-4444-555555555555"
RESOURCE = f"/subscriptions/{SUBSCRIPTION}/resourceGroups/g/providers/Microsoft.Storage/storageAccounts/vd"
BODY = b"A manifest's bytes."
IN_RANGE = Answer(
    status=206,
    headers={
        "Content-Range": f"bytes 0-{len(BODY) - 1}/{len(BODY)}",
        "ETag": '"1"',
        "Last-Modified": "Mon, 23 Nov 2026 10:00:00 GMT",
        "Content-Type": "application/octet-stream",
        "x-ms-blob-type": "BlockBlob",
    },
    body=BODY,
)
CREATED = Answer(status=201, headers={"ETag": '"1"', "Last-Modified": "Mon, 23 Nov 2026 10:00:00 GMT"})
NO_CONTENT = Answer(status=204, headers={"ETag": '"1"'})


class StaticCredential:
    """A token that nobody checks: these tests are about what comes after it."""

    def get_token(self, *_: str, **__: Any) -> AccessToken:
        return AccessToken("token", int(time.time()) + 3600)

    def get_token_info(self, *_: str, **__: Any) -> AccessTokenInfo:
        return AccessTokenInfo("token", int(time.time()) + 3600)


@dataclass
class World:
    """A scripted server, and the clients of a run that has it for every service."""

    server: ScriptedServer
    clock: FakeClock
    policy: NetworkRetryPolicy
    settings: Settings
    clients: AzureClients

    def send(self, method: str, **options: Any) -> requests.Response:
        return send(
            self.clients.session, method, self.server.url + "/path", policy=self.policy, clock=self.clock, **options
        )


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[ScriptedServer]:
    with ScriptedServer(tmp_path_factory.mktemp("certificates")).running() as running:
        yield running


@pytest.fixture
def world(server: ScriptedServer, monkeypatch: pytest.MonkeyPatch) -> Iterator[World]:
    for name in ("HTTP_PROXY", "HTTPS_PROXY", "ALL_PROXY", "http_proxy", "https_proxy", "all_proxy"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("REQUESTS_CA_BUNDLE", str(server.ca_file))
    server.forget()
    made = _world(server, server.url)
    yield made
    made.clients.session.close()


def _world(server: ScriptedServer, url: str) -> World:
    endpoints = dict.fromkeys(("arm", "blob", "table", "key_vault", "logs"), url)
    given = {
        "subscription_id": SUBSCRIPTION,
        "dcr_id": "dcr-" + "0" * 32,
        **{f"{name}_endpoint": endpoint for name, endpoint in endpoints.items()},
    }
    settings = load({}, {}, json.dumps(given))
    clock = FakeClock()
    clients = AzureClients(
        settings=settings, credential=StaticCredential(), retry_policy_source=lambda: made.policy, clock=clock
    )
    made = World(server=server, clock=clock, policy=NetworkRetryPolicy(), settings=settings, clients=clients)
    return made


@dataclass(frozen=True)
class Operation:
    """One operation of one client: what it does, and what answers it well. method: the request's."""

    name: str
    method: str
    run: Callable[[World], Any]
    good: Answer

    def __str__(self) -> str:
        return self.name


def _get_blob(world: World) -> Any:
    return world.clients.blob_service.get_blob_client("c", "b").download_blob().readall()


def _put_blob(world: World) -> Any:
    return world.clients.blob_service.get_blob_client("c", "b").upload_blob(BODY)


def _list_blobs(world: World) -> Any:
    return list(world.clients.blob_service.get_container_client("c").list_blobs())


def _get_entity(world: World) -> Any:
    return world.clients.table_service.get_table_client("Policies").get_entity("policy", "p")


def _create_entity(world: World) -> Any:
    return world.clients.table_service.get_table_client("T").create_entity({"PartitionKey": "p", "RowKey": "r"})


def _create_table(world: World) -> Any:
    return world.clients.table_service.create_table("T")


def _get_secret(world: World) -> Any:
    return world.clients.secrets.get_secret("s").value


def _get_resource(world: World) -> Any:
    return world.clients.resources.resources.get_by_id(RESOURCE, api_version="2023-05-01")


def _import_image(world: World) -> Any:
    parameters = ImportImageParameters(source=ImportSource(source_image="a@sha256:0", registry_uri="r"))
    return world.clients.container_registry_management.registries.begin_import_image(
        "g", "vdacr", parameters, polling=False
    )


def _upload_logs(world: World) -> Any:
    return world.clients.logs_ingestion.upload("dcr-" + "0" * 32, "Custom-T", [{"a": 1}])


LIST = b'<?xml version="1.0"?><EnumerationResults ContainerName="c"><Blobs/><NextMarker/></EnumerationResults>'
REPEATED = (
    Operation("requests GET", "GET", lambda world: world.send("GET"), Answer(body=BODY)),
    Operation("requests PUT", "PUT", lambda world: world.send("PUT", data=BODY), Answer()),
    Operation("requests marked POST", "POST", lambda world: world.send("POST", repeatable=True), Answer()),
    Operation("blob read", "GET", _get_blob, IN_RANGE),
    Operation("blob write", "PUT", _put_blob, CREATED),
    Operation("blob list", "GET", _list_blobs, Answer(headers={"Content-Type": "application/xml"}, body=LIST)),
    Operation("table read", "GET", _get_entity, json_answer({"PartitionKey": "policy", "RowKey": "p"})),
    Operation("secret read", "GET", _get_secret, json_answer({"value": "v", "id": "https://127.0.0.1/secrets/s/1"})),
    Operation("resource read", "GET", _get_resource, json_answer({"id": RESOURCE, "name": "vd"})),
)
NOT_REPEATED = (
    Operation("requests POST", "POST", lambda world: world.send("POST", data=BODY), Answer()),
    Operation("requests PATCH", "PATCH", lambda world: world.send("PATCH", data=BODY), Answer()),
    Operation("table write", "POST", _create_entity, NO_CONTENT),
    Operation("table creation", "POST", _create_table, NO_CONTENT),
    Operation("image import", "POST", _import_image, Answer(status=200)),
    Operation("log upload", "POST", _upload_logs, Answer(status=204)),
)
every_operation = pytest.mark.parametrize("operation", REPEATED + NOT_REPEATED, ids=str)
repeated = pytest.mark.parametrize("operation", REPEATED, ids=str)
not_repeated = pytest.mark.parametrize("operation", NOT_REPEATED, ids=str)


def _fails(operation: Operation, world: World) -> BaseException:
    """Run an operation that fails. `requests` hands back the last answer, the SDKs raise."""
    with pytest.raises((AzureError, requests.RequestException)) as caught:
        answer = operation.run(world)
        if isinstance(answer, requests.Response):
            answer.raise_for_status()
    return caught.value


@repeated
@pytest.mark.parametrize("status", [408, 429, 500, 502, 503, 504])
def test_a_passing_failure_is_retried_three_times_two_seconds_apart(
    operation: Operation, world: World, status: int
) -> None:
    world.server.play(*[Answer(status=status)] * 3, operation.good)
    operation.run(world)
    assert world.server.methods == [operation.method] * 4
    assert world.clock.slept == [2, 2, 2]


@every_operation
def test_the_fourth_failure_is_the_last(operation: Operation, world: World) -> None:
    world.server.play(*[Answer(status=429)] * 5)
    _fails(operation, world)
    assert world.server.methods == [operation.method] * 4
    assert world.clock.slept == [2, 2, 2]


@every_operation
def test_every_attempt_carries_the_whole_request(operation: Operation, world: World) -> None:
    world.server.play(Answer(status=429), operation.good)
    operation.run(world)
    first, second = world.server.requests
    assert (first.method, first.path, first.body) == (second.method, second.path, second.body)


@every_operation
def test_retry_after_is_honoured(operation: Operation, world: World) -> None:
    world.server.play(
        Answer(status=429, headers={"Retry-After": "7"}),
        Answer(status=503, headers={"Retry-After": "Mon, 23 Nov 2026 10:00:27 GMT"}),
        operation.good,
    )
    operation.run(world)
    assert world.clock.slept == [7, 20]


@every_operation
def test_nothing_waits_past_the_total_time(operation: Operation, world: World) -> None:
    world.server.play(Answer(status=429, headers={"Retry-After": "100"}), *[Answer(status=429)] * 3)
    world.policy = replace(world.policy, total_seconds=101)
    _fails(operation, world)
    assert world.server.methods == [operation.method] * 2
    assert world.clock.slept == [100]


@every_operation
def test_the_policy_is_read_at_each_request(operation: Operation, world: World) -> None:
    world.server.play(operation.good)
    operation.run(world)
    world.policy = NetworkRetryPolicy(max_retries=1, delay_seconds=5)
    world.server.play(*[Answer(status=429)] * 3)
    _fails(operation, world)
    assert world.server.methods == [operation.method] * 3
    assert world.clock.slept == [5]


@repeated
def test_a_broken_connection_is_tried_again(operation: Operation, world: World) -> None:
    world.server.play(Reset(), Reset(), operation.good)
    operation.run(world)
    assert world.server.methods == [operation.method] * 3
    assert world.clock.slept == [2, 2]


@pytest.mark.parametrize("operation", [each for each in REPEATED if each.good.body], ids=str)
def test_an_answer_that_breaks_off_is_fetched_again(operation: Operation, world: World) -> None:
    world.server.play(replace(operation.good, cut_at=len(operation.good.body) // 2), operation.good)
    operation.run(world)
    assert world.server.methods == [operation.method] * 2
    assert world.clock.slept == [2]


@not_repeated
def test_a_lost_answer_to_a_write_is_told_and_not_repeated(operation: Operation, world: World) -> None:
    world.server.play(Reset(), operation.good)
    assert isinstance(_fails(operation, world), AnswerLost)
    assert world.server.methods == [operation.method]
    assert world.clock.slept == []


@not_repeated
@pytest.mark.parametrize("status", [408, 500, 502, 503, 504])
def test_a_write_that_may_have_been_carried_out_is_not_repeated(
    operation: Operation, world: World, status: int
) -> None:
    world.server.play(Answer(status=status), operation.good)
    _fails(operation, world)
    assert world.server.methods == [operation.method]


@not_repeated
def test_a_refused_write_is_repeated(operation: Operation, world: World) -> None:
    world.server.play(Answer(status=429), Answer(status=503, headers={"Retry-After": "3"}), operation.good)
    operation.run(world)
    assert world.server.methods == [operation.method] * 3
    assert world.clock.slept == [2, 3]


def test_an_sdk_operation_can_be_marked_as_repeatable(world: World) -> None:
    world.server.play(Reset(), Answer(status=500), Answer(status=204))
    world.clients.logs_ingestion.upload("dcr-" + "0" * 32, "Custom-T", [{"a": 1}], repeatable=True)
    assert world.server.methods == ["POST"] * 3


@every_operation
def test_what_was_never_sent_is_sent_again_whatever_it_is(operation: Operation, server: ScriptedServer) -> None:
    with socket.socket() as reserved:  # bound and not listening: connections are refused
        reserved.bind(("127.0.0.1", 0))
        world = _world(server, f"https://127.0.0.1:{reserved.getsockname()[1]}")
        if operation.name.startswith("requests"):
            with pytest.raises(requests.ConnectionError):
                send(
                    world.clients.session,
                    operation.method,
                    world.settings.arm_endpoint,
                    policy=world.policy,
                    clock=world.clock,
                )
        else:
            assert not isinstance(_fails(operation, world), AnswerLost)
        assert world.clock.slept == [2, 2, 2]


@every_operation
def test_a_final_answer_is_not_retried(operation: Operation, world: World) -> None:
    world.server.play(json_answer({"error": {"code": "No", "message": "no"}}, status=403), operation.good)
    failure = _fails(operation, world)
    assert world.server.methods == [operation.method]
    assert isinstance(failure, (HttpResponseError, requests.HTTPError))
    assert failure.response is not None and failure.response.status_code == 403


@every_operation
def test_a_gateways_page_is_an_error_with_its_status(operation: Operation, world: World) -> None:
    world.server.play(Answer(status=418, headers={"Content-Type": "text/html"}, body=b"<html>"))
    failure = _fails(operation, world)
    assert isinstance(failure, (HttpResponseError, requests.HTTPError))
    assert failure.response is not None and failure.response.status_code == 418


def test_a_large_blob_is_read_in_ranges_and_each_is_retried(world: World) -> None:
    size = 4 * 1024 * 1024
    blob = bytes(range(256)) * (size // 256) + BODY
    first, second = (
        replace(IN_RANGE, body=part, headers={**IN_RANGE.headers, "Content-Range": f"bytes {start}-{end}/{len(blob)}"})
        for part, start, end in ((blob[:size], 0, size - 1), (blob[size:], size, len(blob) - 1))
    )
    world.server.play(replace(first, cut_at=1000), first, Answer(status=500), second)
    assert _get_blob(world) == blob
    assert len(world.server.requests) == 4


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


def test_a_netrc_file_and_cookies_change_no_request(
    world: World, monkeypatch: pytest.MonkeyPatch, tmp_path: Any
) -> None:
    netrc = tmp_path / "netrc"
    netrc.write_text("machine 127.0.0.1 login other password other")
    monkeypatch.setenv("NETRC", str(netrc))
    world.server.play(Answer(headers={"Set-Cookie": "a=b"}), Answer())
    for _ in range(2):
        world.send("GET", headers={"Authorization": "Bearer token"})
    assert [request.headers["Authorization"] for request in world.server.requests] == ["Bearer token"] * 2
    assert all("Cookie" not in request.headers for request in world.server.requests)


def test_no_more_is_read_than_was_agreed(world: World) -> None:
    world.server.play(Answer(body=b"1234"), Answer(body=b"12345"))
    assert read_capped(world.send("GET", stream=True), 4) == b"1234"
    with pytest.raises(TooLarge):
        read_capped(world.send("GET", stream=True), 4)


def test_many_threads_share_one_client_and_its_connections(world: World) -> None:
    from concurrent.futures import ThreadPoolExecutor

    world.server.play(*[IN_RANGE] * 64)
    with ThreadPoolExecutor(16) as pool:
        found = list(pool.map(lambda _: (_get_blob(world), world.clients.blob_service), range(64)))
    assert {body for body, _ in found} == {BODY}
    assert len({id(client) for _, client in found}) == 1


def test_the_vaults_challenge_is_checked(world: World) -> None:
    elsewhere = SecretClient(
        world.server.url.replace("127.0.0.1", "localhost"),
        StaticCredential(),
        transport=world.clients.secrets._client._client._pipeline._transport,
    )
    with pytest.raises(ValueError, match="does not match"):
        elsewhere.get_secret("s")


def test_a_session_speaks_through_exceptions_alone(capfd: pytest.CaptureFixture[str]) -> None:
    import logging

    new_session()
    logging.getLogger("azure.identity").warning("would go to stderr")
    logging.getLogger("msal").error("would go to stderr")
    assert capfd.readouterr().err == ""
