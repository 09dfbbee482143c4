"""The fixtures of the gateway's tests: an authority, and the customer's vault."""

from collections.abc import Iterator

import pytest
from azure.identity import ManagedIdentityCredential
from azure.keyvault.secrets import SecretClient

from tests.support.running_lab import LabUnderTest
from tests.support.web_authority import WebAuthority, new_web_authority


@pytest.fixture(scope="module")
def authority() -> WebAuthority:
    return new_web_authority()


@pytest.fixture
def secrets(lab: LabUnderTest) -> Iterator[SecretClient]:
    with (
        ManagedIdentityCredential(client_id=lab.env["VIBEDATA_UAMI_CLIENT_ID"]) as credential,
        SecretClient(lab.env["VIBEDATA_KEY_VAULT_ENDPOINT"], credential) as client,
    ):
        yield client
