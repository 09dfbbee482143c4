"""All tests share this. Each test session (and worker) has one lab, which is reset before each test."""

from collections.abc import Iterator
from pathlib import Path

import pytest
from hypothesis import settings

from tests.support import running_lab
from tests.support.running_lab import LabUnderTest

# The time of an example depends on the machine and on its other load.
settings.register_profile("suite", deadline=None)
settings.load_profile("suite")
TESTS = Path(__file__).parent


# The files with the longest tests come first, so that all workers have something to do until the end.
ORDER = ("end_to_end", "wire", "lab", "house", "pure")


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Order the tests by their folders. With several workers, each takes the next file (`--no-loadscope-reorder`)."""
    items.sort(key=lambda item: ORDER.index(item.path.relative_to(TESTS).parts[0]))


@pytest.fixture(scope="session")
def lab(tmp_path_factory: pytest.TempPathFactory) -> Iterator[LabUnderTest]:
    with running_lab.running(tmp_path_factory.mktemp("lab")) as lab:
        yield lab


@pytest.fixture(autouse=True)
def fresh_lab(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """For tests that use the lab: reset it, and point this process's clients at it.

    At the end, each fault must have met a request, unless the test has the marker `unmet_faults`.
    """
    if "lab" not in request.fixturenames:
        yield
        return
    lab: LabUnderTest = request.getfixturevalue("lab")
    lab.reset()
    running_lab.point_at(lab, monkeypatch)
    yield
    if request.node.get_closest_marker("unmet_faults") is None:
        lab.require_met()
