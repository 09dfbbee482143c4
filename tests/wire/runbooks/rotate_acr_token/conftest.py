"""A customer's vault, and the maker of a rotation of the token."""

from collections.abc import Iterator

import pytest

from tests.support.rotation_rig import Vault, vault
from tests.support.running_lab import LabUnderTest
from tests.support.token_rotation import CredentialMaker, token_rotations


@pytest.fixture
def customer(lab: LabUnderTest) -> Iterator[Vault]:
    with vault(lab) as opened:
        yield opened


@pytest.fixture
def rotation(lab: LabUnderTest) -> CredentialMaker:
    return token_rotations(lab)
