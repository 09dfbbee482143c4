"""A scripted server that stands for every service of a run."""

from collections.abc import Iterator

import pytest

from tests.support.every_client import World, world_of
from tests.support.scripted_server import ScriptedServer


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
    made = world_of(server, server.url)
    yield made
    made.clients.session.close()
