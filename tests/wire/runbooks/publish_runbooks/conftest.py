"""A customer with an installed release of two runbooks."""

from collections.abc import Iterator

import pytest

from tests.support import installed
from tests.support.installed import Customer
from tests.support.running_lab import LabUnderTest


@pytest.fixture
def customer(lab: LabUnderTest) -> Iterator[Customer]:
    with installed.customer(lab) as opened:
        yield opened
