"""The managed resource group's listing, with answers that an honest ARM never gives."""

import contextlib
import json
import socket
from collections.abc import Iterator
from typing import Any

import pytest
from azure.core.exceptions import ServiceResponseError

from runbook_lib.azure import arm_listing
from runbook_lib.azure.clients import AzureClients
from runbook_lib.azure.settings import load
from runbook_lib.component_registry.managed_resources import ManagedResources
from runbook_lib.component_registry.schema import CUT_MARK
from runbook_lib.errors import RunbookError
from runbook_lib.network.failures import as_runbook_error
from runbook_lib.network.retry import NetworkRetryPolicy
from tests.support.every_client import SUBSCRIPTION, StaticCredential
from tests.support.fake_clock import FakeClock
from tests.support.scripted_server import Answer, ScriptedServer, json_answer

APP = "Microsoft.App/containerApps"


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[ScriptedServer]:
    with ScriptedServer(tmp_path_factory.mktemp("certificates")).running() as running:
        yield running


@pytest.fixture
def managed(server: ScriptedServer, monkeypatch: pytest.MonkeyPatch) -> Iterator[ManagedResources]:
    for name in ("HTTP_PROXY", "HTTPS_PROXY", "ALL_PROXY", "http_proxy", "https_proxy", "all_proxy"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("REQUESTS_CA_BUNDLE", str(server.ca_file))
    server.forget()
    with resources_of(server.url) as made:
        yield made


@contextlib.contextmanager
def resources_of(arm_endpoint: str) -> Iterator[ManagedResources]:
    given = {"subscription_id": SUBSCRIPTION, "dcr_id": "dcr-" + "0" * 32, "logs_endpoint": "https://127.0.0.1"}
    settings = load({}, {}, json.dumps({**given, "arm_endpoint": arm_endpoint}))
    clients = AzureClients(
        settings=settings, credential=StaticCredential(), retry_policy_source=NetworkRetryPolicy, clock=FakeClock()
    )
    yield ManagedResources(client=clients.resources, settings=settings)
    clients.session.close()


def item(name: str, **fields: object) -> dict[str, Any]:
    return {"id": f"/g/{APP}/{name}", "name": name, "type": APP, **fields}


def refused(managed: ManagedResources) -> RunbookError:
    with pytest.raises(RunbookError) as caught:
        managed.all()
    return caught.value


def test_pages_are_followed_and_what_is_listed_twice_is_there_once(
    managed: ManagedResources, server: ScriptedServer
) -> None:
    server.play(
        json_answer({"value": [item("a"), item("b")], "nextLink": f"{server.url}/next?%7B=1"}),
        json_answer({"value": [item("B", tags={"k": None}), item("c", sku={"name": "S"})], "nextLink": None}),
    )
    found = managed.all()
    assert [(one.name, one.sku) for one in found] == [("a", ""), ("B", ""), ("c", "S")]
    assert [request.path.partition("?")[0].rpartition("/")[2] for request in server.requests] == ["resources", "next"]


@pytest.mark.parametrize(
    "page",
    [
        Answer(body=b"<html>", headers={"Content-Type": "text/html"}),
        json_answer([]),
        json_answer({}),
        Answer(body=b"\xff", headers={"Content-Type": "application/json"}),
        json_answer({"value": {}}),
        json_answer({"value": ["x"]}),
        json_answer({"value": [], "nextLink": 7}),
        json_answer({"value": [{"name": "a", "type": APP}]}),
        json_answer({"value": [{"id": "/a", "name": "", "type": APP}]}),
    ],
)
def test_a_malformed_page_is_refused(managed: ManagedResources, server: ScriptedServer, page: Answer) -> None:
    server.play(page)
    assert refused(managed).code == "VD-ARM-001"


def test_a_page_that_is_nested_too_deeply_ends_by_a_code(managed: ManagedResources, server: ScriptedServer) -> None:
    server.play(Answer(body=b"[" * 100_000, headers={"Content-Type": "application/json"}))
    with pytest.raises(ServiceResponseError, match="nested too deeply") as caught:
        managed.all()
    named = as_runbook_error(caught.value)
    assert named is not None
    assert named.code == "VD-NET-001"


@pytest.mark.parametrize(
    ("link", "said"),
    [
        ("https://elsewhere.example/next", "https://elsewhere.example"),
        ("//elsewhere.example/next", "https://elsewhere.example"),
        ("http://HOST/next", "http://HOST"),
        ("https://[", ""),
        ("https://a\u2100b/", ""),
        ("https://" + "a" * 70 + ".example/", ""),
        ("https://HOST\\@elsewhere.example/", ""),
        ("https://2130706433/next", ""),
    ],
)
def test_the_token_goes_nowhere_else(managed: ManagedResources, server: ScriptedServer, link: str, said: str) -> None:
    server.play(json_answer({"value": [], "nextLink": link.replace("HOST", server.host)}))
    error = refused(managed)
    assert (error.code, error.target) == ("VD-ARM-001", said.replace("HOST", server.host))
    assert len(server.requests) == 1


@pytest.mark.parametrize("link", ["HTTPS://HOST/next?a=b", "/next?a=b"])
def test_a_next_page_may_be_written_in_another_way(
    managed: ManagedResources, server: ScriptedServer, link: str
) -> None:
    server.play(json_answer({"value": [], "nextLink": link.replace("HOST", server.host)}), json_answer({"value": []}))
    assert managed.all() == []
    assert server.requests[-1].path == "/next?a=b"


@pytest.mark.parametrize("endpoint", ["https://localhost", "https://localhost:443", "https://LocalHost/"])
@pytest.mark.parametrize("link", ["https://localhost:443/next", "https://localhost/next", "HTTPS://LOCALHOST:443/next"])
@pytest.mark.usefixtures("managed")
def test_the_default_port_makes_no_other_server(
    server: ScriptedServer, monkeypatch: pytest.MonkeyPatch, endpoint: str, link: str
) -> None:
    """ARM names it in links (docs/azure-facts.md#recorded-answers). Here port 443 leads to the test's server."""
    port = int(server.host.rpartition(":")[2])
    there = (socket.AF_INET, socket.SOCK_STREAM, 6, "", ("127.0.0.1", port))
    monkeypatch.setattr(socket, "getaddrinfo", lambda _host, asked, **_: [there] if asked == 443 else [])
    server.play(json_answer({"value": [item("a")], "nextLink": link}), json_answer({"value": [item("b")]}))
    with resources_of(endpoint) as managed:
        assert [each.name for each in managed.all()] == ["a", "b"]
    assert [each.path.partition("?")[0] for each in server.requests[1:]] == ["/next"]


def test_a_listing_without_an_end_is_given_up(
    managed: ManagedResources, server: ScriptedServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(arm_listing, "MAX_PAGES", 3)
    server.play(*[json_answer({"value": [], "nextLink": f"{server.url}/next"})] * 4)
    assert refused(managed).code == "VD-ARM-001"
    assert len(server.requests) == 3


def test_only_the_properties_that_are_asked_for_are_kept(managed: ManagedResources, server: ScriptedServer) -> None:
    server.play(
        json_answer({"value": [item("A", properties={"x": 1}), item("b", properties={}), item("c", properties=None)]})
    )
    assert managed.properties_of(APP, {"a", "c"}) == {"a": {"x": 1}}


def test_tags_are_kept_as_json_and_cut_at_what_a_property_holds(
    managed: ManagedResources, server: ScriptedServer
) -> None:
    many = {f"{number:02}{'n' * 400}": "v" * 256 for number in range(50)}
    server.play(
        json_answer({"value": [item("a", tags={"b": "2", "vibedata-version": "1"}), item("b", tags=many), item("c")]})
    )
    small, large, none = managed.all()
    assert (small.tags, small.version) == ('{"b": "2", "vibedata-version": "1"}', "1")
    assert large.tags.endswith(CUT_MARK) and len(large.tags.encode("utf-16-le")) <= 64 * 1024
    assert (none.tags, none.version) == ("", "")
