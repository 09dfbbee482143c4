"""The lab's gateway and everything that configure_gateway reads."""

from collections.abc import Iterator

import pytest

from tests.support.gateway_rig import Rig, gateway_rig
from tests.support.running_lab import LabUnderTest


@pytest.fixture
def rig(lab: LabUnderTest) -> Iterator[Rig]:
    with gateway_rig(lab) as opened:
        yield opened
