"""A container registry whose answers a test scripts, and a reader of it."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from runbook_lib.container_registry.reader import ContainerRegistryReader
from tests.support.registry_readers import publisher_of
from tests.support.scripted_server import ScriptedServer


@pytest.fixture
def server(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[ScriptedServer]:
    with ScriptedServer(tmp_path).running() as running:
        monkeypatch.setenv("REQUESTS_CA_BUNDLE", str(running.ca_file))
        yield running


@pytest.fixture
def reader(server: ScriptedServer) -> ContainerRegistryReader:
    reader: ContainerRegistryReader = publisher_of(server.host)
    return reader
