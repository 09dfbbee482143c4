"""The key that signs this instance's reports to the publisher, in the customer's Key Vault.

The newest enabled version of secret `hmac-key` is the key in use. Its value is base64url of 32 bytes, and tag `keyId`
has its id. Only rotate_hmac writes it.

Source: docs/design.md#log-lock-callbacks.
"""

import re
from typing import TYPE_CHECKING

from runbook_lib.basics import base64url
from runbook_lib.basics.redaction import MIN_SECRET_LENGTH, Redactor
from runbook_lib.errors import vault
from runbook_lib.request_signing.signer import SigningKey
from runbook_lib.vault.secret_in_use import secret_in_use

if TYPE_CHECKING:
    from runbook_lib.azure.session import AzureSession

SECRET = "hmac-key"  # noqa: S105 - the secret's name in the customer's Key Vault
KEY_ID_TAG = "keyId"
KEY_BYTES = 32
# Code that signs repeatedly may keep the key for this time. The overlap includes it (runbook_lib.rotation.rules).
KEY_CACHE_SECONDS = 60

KEY_ID = re.compile(r"hmac-[0-9a-f]{16}")


def read_signing_key(context: "AzureSession") -> SigningKey | None:
    """Return the key in use, None if no key was provisioned or all are disabled. The redactor learns it.

    Raises RunbookError VD-ROTATION-006 (the secret is not a key), and azure.core's errors.
    """
    found = secret_in_use(context.clients.secrets, SECRET)
    if found is None:
        return None
    key_id = (found.properties.tags or {}).get(KEY_ID_TAG, "")
    return signing_key(found.value or "", key_id, context.redactor)


def signing_key(text: str, key_id: str, redactor: Redactor) -> SigningKey:
    """Return the key in a secret's text. `redactor` learns it. Raises RunbookError VD-ROTATION-006.

    No part of the text may enter a message, even if it is malformed.
    """
    if len(text) >= MIN_SECRET_LENGTH:
        redactor.learn(text)
    key = key_of(text)
    if key is None or KEY_ID.fullmatch(key_id) is None:
        raise vault.NO_SUCH_CREDENTIAL.error(f"it is not {KEY_BYTES} bytes with an id", target=SECRET)
    redactor.learn_key(key)
    return SigningKey(key_id, key)


def key_of(text: str) -> bytes | None:
    """Return the key in a text that `key_text` wrote, None if the text holds none."""
    try:
        key = base64url.decode(text)
    except ValueError:
        return None
    return key if len(key) == KEY_BYTES else None


def key_text(key: bytes, redactor: Redactor) -> str:
    """Return a key as the vault keeps it. `redactor` learns it. Raises RunbookError VD-ROTATION-006."""
    if len(key) >= MIN_SECRET_LENGTH:
        redactor.learn_key(key)
    if len(key) != KEY_BYTES:
        raise vault.NO_SUCH_CREDENTIAL.error(f"it was unwrapped and is not {KEY_BYTES} bytes", target=SECRET)
    return base64url.encode(key)
