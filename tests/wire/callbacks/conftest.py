"""A lab and a publisher whose answers a test scripts: without a key of the instance, and with one."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.support.callback_rig import Rig, rig
from tests.support.running_lab import LabUnderTest
from tests.support.scripted_server import ScriptedServer


@pytest.fixture(scope="module")
def publisher(tmp_path_factory: pytest.TempPathFactory) -> Iterator[ScriptedServer]:
    with ScriptedServer(tmp_path_factory.mktemp("publisher")).running() as running:
        yield running


@pytest.fixture
def bare(
    lab: LabUnderTest, publisher: ScriptedServer, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> Iterator[Rig]:
    """Without a key."""
    publisher.forget()
    with rig(lab, publisher, tmp_path, monkeypatch) as made:
        yield made


@pytest.fixture
def one(bare: Rig) -> Rig:
    """With a key."""
    bare.provision()
    return bare
