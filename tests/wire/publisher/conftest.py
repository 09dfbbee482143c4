"""The publisher's API as an instance sees it."""

from collections.abc import Iterator

import pytest
import requests

from tests.support.callback_api import Api
from tests.support.publisher_side import publisher_side
from tests.support.running_lab import LabUnderTest


@pytest.fixture
def api(lab: LabUnderTest) -> Iterator[Api]:
    with publisher_side(lab) as side, requests.Session() as session:
        yield Api(lab, side, session)
