"""A customer's vault, and the maker of a rotation of the token."""

import json
from collections.abc import Iterator
from typing import Any

import pytest

from runbooks import rotate_acr_token
from tests.support.release_maker import container_registry, document, push_release_manifest
from tests.support.rotation_rig import Rotation, Vault, vault
from tests.support.running_lab import LabUnderTest
from tests.support.token_rotation import CredentialMaker


@pytest.fixture
def customer(lab: LabUnderTest) -> Iterator[Vault]:
    with vault(lab) as opened:
        yield opened


@pytest.fixture
def rotation(lab: LabUnderTest) -> CredentialMaker:
    """Make a rotation of the token; the publisher's container registry has a release to pull."""
    names = lab.control("GET", "/names")
    push_release_manifest(container_registry(lab, "publisher"), json.dumps(document()).encode())

    def make(credential_id: str = "password2", *, password: str = "", **given: Any) -> Rotation:
        password = password or names["publisher_token_password"]
        content = json.dumps({"username": names["publisher_token_username"], "password": password}).encode()
        return Rotation(
            lab=lab,
            runbook=rotate_acr_token.RUNBOOK,
            id_name="credential_id",
            credential_id=credential_id,
            content=content,
            **given,
        )

    return make
