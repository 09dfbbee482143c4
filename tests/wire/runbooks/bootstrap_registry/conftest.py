"""A customer with an installed release, and its tables."""

from collections.abc import Iterator

import pytest
from azure.data.tables import TableServiceClient
from azure.identity import ManagedIdentityCredential

from tests.support.bootstrap_rig import World
from tests.support.running_lab import LabUnderTest


@pytest.fixture
def credential(lab: LabUnderTest) -> Iterator[ManagedIdentityCredential]:
    with ManagedIdentityCredential(client_id=lab.env["VIBEDATA_UAMI_CLIENT_ID"]) as made:
        yield made


@pytest.fixture
def world(lab: LabUnderTest, credential: ManagedIdentityCredential) -> Iterator[World]:
    with TableServiceClient(endpoint=lab.env["VIBEDATA_TABLE_ENDPOINT"], credential=credential) as tables:
        yield World(lab, tables)
