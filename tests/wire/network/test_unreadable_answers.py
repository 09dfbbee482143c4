"""An answer with a successful status that does not come from the service.

Whatever error an SDK raises, the user sees a code.
"""

import json
from collections.abc import Callable, Iterator
from typing import Any

import pytest

from runbook_lib.azure.clients import AzureClients
from runbook_lib.azure.settings import load
from runbook_lib.basics.clock import SYSTEM_CLOCK
from runbook_lib.network.failures import as_runbook_error
from runbook_lib.network.retry import NetworkRetryPolicy
from tests.support.every_client import RESOURCE, SUBSCRIPTION, StaticCredential
from tests.support.raw_server import RawServer, answer, says

POLICY = NetworkRetryPolicy(max_retries=0, total_seconds=5.0)
CALLS: dict[str, Callable[[AzureClients], Any]] = {
    "row": lambda clients: clients.table_service.get_table_client("T").get_entity("p", "r"),
    "rows": lambda clients: list(clients.table_service.get_table_client("T").list_entities()),
    "blobs": lambda clients: list(clients.blob_service.get_container_client("c").list_blobs()),
    "secret": lambda clients: clients.secrets.get_secret("s"),
    "versions": lambda clients: list(clients.secrets.list_properties_of_secret_versions("s")),
    "resource": lambda clients: clients.resources.resources.get_by_id(RESOURCE, api_version="2023-05-01"),
    "resources": lambda clients: list(clients.resources.resources.list_by_resource_group("g")),
    "job": lambda clients: clients.automation.job.get("g", "a", "j"),
    "log": lambda clients: clients.logs_ingestion.upload("dcr-" + "0" * 32, "s", [{"a": 1}]),
}
JSON = b"Content-Type: application/json"
ANSWERS = {
    "a page": answer(200, b"Content-Type: text/html", body=b"<html>\x1b[2J sign in"),
    "nothing": answer(),
    "a list": answer(200, JSON, body=b"[1, 2]"),
    "no members": answer(200, JSON, body=b"{}"),
    "null": answer(200, JSON, body=b'{"value": null}'),
    "members of other kinds": answer(
        200, JSON, body=b'{"value": [null, 5], "id": 5, "properties": "x", "attributes": 1}'
    ),
    "no UTF-8": answer(200, JSON, body=b'{"value": "\xff"}'),
    "no such success": answer(206, body=b"{}"),
    "a redirect to nowhere": answer(302, b"Location: https://[::1%\x1b"),
}


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RawServer]:
    with RawServer(tmp_path_factory.mktemp("certificates")).running() as running:
        yield running


@pytest.fixture
def clients(server: RawServer, monkeypatch: pytest.MonkeyPatch) -> Iterator[AzureClients]:
    monkeypatch.setenv("REQUESTS_CA_BUNDLE", str(server.ca_file))
    endpoints = {f"{name}_endpoint": server.url for name in ("arm", "blob", "table", "key_vault", "logs")}
    given = {"subscription_id": SUBSCRIPTION, "dcr_id": "dcr-" + "0" * 32, **endpoints}
    made = AzureClients(
        settings=load({}, {}, json.dumps(given)),
        credential=StaticCredential(),
        retry_policy_source=lambda: POLICY,
        clock=SYSTEM_CLOCK,
    )
    yield made
    made.session.close()


@pytest.mark.parametrize("name", ANSWERS)
@pytest.mark.parametrize("call", CALLS)
def test_no_answer_ends_in_an_error_without_a_name(
    server: RawServer, clients: AzureClients, call: str, name: str
) -> None:
    server.handler = says(ANSWERS[name])
    try:
        CALLS[call](clients)
    except Exception as error:  # noqa: BLE001 - the test asks for its type
        named = as_runbook_error(error)
        assert named is not None, repr(error)
        assert named.code.startswith("VD-NET-")


def test_the_error_names_what_the_sdk_raised(server: RawServer, clients: AzureClients) -> None:
    server.handler = says(ANSWERS["null"])
    with pytest.raises(TypeError) as caught:
        CALLS["rows"](clients)
    named = as_runbook_error(caught.value)
    assert named is not None and named.code == "VD-NET-012"
    assert "TypeError" in named.message


def test_our_own_error_below_an_sdk_is_not_taken_for_an_unreadable_answer(
    clients: AzureClients, monkeypatch: pytest.MonkeyPatch
) -> None:
    def mistaken(*_: object) -> None:
        raise ValueError("ours")

    table = clients.table_service.get_table_client("T")
    monkeypatch.setattr("runbook_lib.network.sdk_retry.mark", mistaken)
    with pytest.raises(ValueError, match="ours") as caught:
        table.get_entity("p", "r")
    assert as_runbook_error(caught.value) is None
