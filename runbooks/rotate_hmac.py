"""Provision or rotate the key that signs this instance's reports to the publisher.

The publisher makes the key and sends it wrapped for the customer's vault. The phases: prepare (make the wrapping key),
stage (unwrap the key and store it as pending), test (a ping signed with the pending key), promote (it becomes the
current one), retire (disable the former one after the overlap). auto does the next phase. Before the first key there is
no former key.
"""

import sys
from dataclasses import dataclass, field
from uuid import uuid4

from runbook_lib.callbacks.client import callback_client
from runbook_lib.context import Context
from runbook_lib.errors import RunbookError, callbacks, run
from runbook_lib.errors import rotation as rotation_errors
from runbook_lib.permissions.credentials import USE_WRAPPING_KEY, WRITE_SECRETS
from runbook_lib.permissions.storage import WRITE_TABLES
from runbook_lib.rotation import runbook as rotation
from runbook_lib.rotation.parameters import RotationParameters
from runbook_lib.rotation.runbook import Credential, Facts
from runbook_lib.rotation.versions import Version
from runbook_lib.runbook import Runbook, main
from runbook_lib.vault.hmac_key import KEY_ID, KEY_ID_TAG, SECRET, key_text, signing_key


@dataclass(frozen=True, kw_only=True)
class Parameters(RotationParameters):
    """The key's own parameters."""

    key_id: str = field(default="", metadata={"help": "stage: what the publisher calls the key"})

    def __post_init__(self) -> None:
        """Check the form. Raises RunbookError VD-PARAM-002."""
        super().__post_init__()
        if (self.key_id or self.wrapped_key) and not KEY_ID.fullmatch(self.key_id):
            raise run.MALFORMED_PARAMETER.error("takes hmac- and 16 hexadecimal digits", target="key_id")


def try_out(context: Context, version: Version, text: str) -> None:
    """Send the publisher a ping that is signed with this key.

    Raises RunbookError VD-ROTATION-009 (the publisher refuses it), VD-CALLBACK-020 (the publisher cannot be reached),
    -021 (the clocks differ too much).
    """
    key = signing_key(text, version.credential_id, context.redactor)
    try:
        callback_client(context).ping(context.settings.instance_id, key, report_id=str(uuid4()))
    except RunbookError as error:
        if not error.is_(callbacks.SIGNATURE_REFUSED):
            raise
        raise rotation_errors.PENDING_CREDENTIAL_REFUSED.error(error.message, target=version.credential_id) from error


KEY = Credential(
    kind="hmac-key",
    secret=SECRET,
    id_tag=KEY_ID_TAG,
    content_type="application/octet-stream;encoding=base64url",
    text_of=key_text,
    try_out=try_out,
)


def observe(context: Context, parameters: Parameters) -> Facts:
    """Read the key's secrets in the vault, and table Credentials."""
    return rotation.observe(context, parameters, KEY, credential_id=parameters.key_id)


RUNBOOK = Runbook(
    name="rotate_hmac",
    summary="provision or rotate the key that signs callbacks",
    parameters=Parameters,
    observe=observe,
    plan=rotation.plan,
    actions=rotation.actions,
    report=rotation.report,
    permissions=(USE_WRAPPING_KEY, WRITE_SECRETS, WRITE_TABLES),
)

if __name__ == "__main__":
    sys.exit(main(RUNBOOK))
