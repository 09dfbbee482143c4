"""Rotate the token that lets this tenant read the publisher's container registry.

The token has two passwords. While one of them works, the publisher renews the other one, and sends it wrapped for the
customer's vault. The phases: prepare (make the wrapping key), stage (unwrap the token and store it as pending), test (a
pull with the pending token), promote (it becomes the current one), retire (disable the former one). auto does the next
phase.
"""

import re
import sys
from dataclasses import dataclass, field
from datetime import datetime

from runbook_lib.basics.clock import from_rfc3339
from runbook_lib.basics.redaction import Redactor
from runbook_lib.container_registry.reader import publisher_reader
from runbook_lib.context import Context
from runbook_lib.errors import RunbookError, container_registry, run, vault
from runbook_lib.errors import rotation as rotation_errors
from runbook_lib.permissions.credentials import USE_WRAPPING_KEY, WRITE_SECRETS
from runbook_lib.permissions.storage import WRITE_TABLES
from runbook_lib.release.model import LATEST, MANIFEST_REPOSITORY
from runbook_lib.rotation import runbook as rotation
from runbook_lib.rotation.parameters import RotationParameters
from runbook_lib.rotation.runbook import Credential, Facts
from runbook_lib.rotation.versions import Version
from runbook_lib.runbook import Runbook, main
from runbook_lib.vault.publisher_token import SECRET, TOKEN_ID_TAG, parse_token

KIND = "registry-token"

_CREDENTIAL_ID = re.compile(r"[A-Za-z0-9][A-Za-z0-9-]{0,63}")


@dataclass(frozen=True, kw_only=True)
class Parameters(RotationParameters):
    """The token's own parameters."""

    credential_id: str = field(default="", metadata={"help": "stage: what the publisher calls the token"})
    expires: str = field(default="", metadata={"help": "stage: when the token ends, RFC 3339"})

    def __post_init__(self) -> None:
        """Check the forms. Raises RunbookError VD-PARAM-002."""
        super().__post_init__()
        if (self.credential_id or self.wrapped_key) and not _CREDENTIAL_ID.fullmatch(self.credential_id):
            raise run.MALFORMED_PARAMETER.error("takes up to 64 letters, digits and dashes", target="credential_id")
        self.expires_at()

    def expires_at(self) -> datetime | None:
        """Return when the token ends, None if the publisher does not say. Raises RunbookError VD-PARAM-002."""
        if not self.expires:
            return None
        try:
            moment = from_rfc3339(self.expires)
        except ValueError:
            moment = None
        if moment is None or moment.tzinfo is None:
            raise run.MALFORMED_PARAMETER.error("takes a time such as 2026-12-24T00:00:00Z", target="expires")
        return moment.replace(microsecond=0)  # the vault keeps whole seconds


def text_of(unwrapped: bytes, redactor: Redactor) -> str:
    """Return the token's JSON as it is stored. Raises RunbookError VD-ROTATION-006."""
    try:
        text = unwrapped.decode()
        parse_token(text, redactor)
    except (UnicodeDecodeError, RunbookError):
        # The messages of these errors may quote the secret.
        raise vault.NO_SUCH_CREDENTIAL.error("it was unwrapped and is no token", target=SECRET) from None
    return text


def try_out(context: Context, version: Version, text: str) -> None:
    """Ask the publisher's container registry for the newest release with this token.

    Raises RunbookError VD-ROTATION-009 (the token is refused), and the reader's errors.
    """
    try:
        publisher_reader(context, parse_token(text, context.redactor)).digest_of(MANIFEST_REPOSITORY, LATEST)
    except RunbookError as error:
        if not error.is_(container_registry.TOKEN_REFUSED, vault.SECRET_MALFORMED):
            raise
        raise rotation_errors.PENDING_CREDENTIAL_REFUSED.error(error.message, target=version.credential_id) from error


TOKEN = Credential(
    kind=KIND,
    secret=SECRET,
    id_tag=TOKEN_ID_TAG,
    content_type="application/json",
    text_of=text_of,
    try_out=try_out,
)


def observe(context: Context, parameters: Parameters) -> Facts:
    """Read the token's secrets in the vault, and table Credentials."""
    return rotation.observe(
        context, parameters, TOKEN, credential_id=parameters.credential_id, expires=parameters.expires_at()
    )


RUNBOOK = Runbook(
    name="rotate_acr_token",
    summary="provision or rotate the token for the publisher's container registry",
    parameters=Parameters,
    observe=observe,
    plan=rotation.plan,
    actions=rotation.actions,
    report=rotation.report,
    permissions=(USE_WRAPPING_KEY, WRITE_SECRETS, WRITE_TABLES),
)

if __name__ == "__main__":
    sys.exit(main(RUNBOOK))
