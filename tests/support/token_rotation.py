"""Rotations of the container registry's token, as a test starts them."""

import json
from collections.abc import Callable
from typing import Any

from runbook_lib.vault.publisher_token import SECRET
from runbooks import rotate_acr_token
from tests.support.release_maker import container_registry, document, push_release_manifest
from tests.support.rotation_rig import Rotation
from tests.support.running_lab import LabUnderTest

PENDING = f"{SECRET}-pending"
KEY = "vibedata-wrapping"
NOW = {"overlap_seconds": 0}
CredentialMaker = Callable[..., Rotation]


def token_rotations(lab: LabUnderTest) -> CredentialMaker:
    """Return a function that makes rotations of the token. Also push a release for the token to read."""
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
