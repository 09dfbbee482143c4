"""A lab whose components a bootstrap has recorded: no components, and three that depend on each other."""

from collections.abc import Iterator

import pytest

from tests.support.health_rig import VAULT, Rig, rig
from tests.support.running_lab import LabUnderTest


@pytest.fixture
def ready(lab: LabUnderTest) -> Iterator[Rig]:
    with rig(lab) as made:
        yield made


@pytest.fixture
def three(ready: Rig) -> Rig:
    """Three applications that depend on each other, and a vault."""
    ready.register("control-panel", depends_on=["api-service"])
    ready.register("api-service", depends_on=["api-gateway"])
    ready.register("api-gateway")
    vault = ready.resource_id(VAULT, "vibedata-kv")
    ready.register("vault", kind="arm", component_type="infrastructure", resourceId=vault, endpoint="")
    return ready
