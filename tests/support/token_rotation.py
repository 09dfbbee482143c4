"""Rotations of the container registry's token, as a test starts them."""

from collections.abc import Callable

from runbook_lib.vault.publisher_token import SECRET
from tests.support.rotation_rig import Rotation

PENDING = f"{SECRET}-pending"
KEY = "vibedata-wrapping"
NOW = {"overlap_seconds": 0}
CredentialMaker = Callable[..., Rotation]
