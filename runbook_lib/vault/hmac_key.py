"""The key by which this instance signs what it tells the publisher, as the vault holds it.

Secret `hmac-key`: the newest enabled version is the key in use, its value base64url of 32 bytes, its id in tag `keyId`.
rotate_hmac alone writes it.

Source: docs/design.md#log-lock-callbacks.
"""

import re
from typing import TYPE_CHECKING

from runbook_lib.basics import base64url
from runbook_lib.basics.redaction import MIN_SECRET_LENGTH, Redactor
from runbook_lib.errors import rotation
from runbook_lib.request_signing.signer import SigningKey
from runbook_lib.vault.secret_in_use import secret_in_use

if TYPE_CHECKING:
    from runbook_lib.azure.session import AzureSession

SECRET = "hmac-key"  # noqa: S105 - the secret's name in the customer's Key Vault
KEY_ID_TAG = "keyId"
KEY_BYTES = 32
# Who signs repeatedly may keep the key for so long: an overlap counts on it (runbook_lib.rotation.rules).
KEY_CACHE_SECONDS = 60

KEY_ID = re.compile(r"hmac-[0-9a-f]{16}")


def read_signing_key(context: "AzureSession") -> SigningKey | None:
    """Return the key in use, None if none was provisioned, or somebody has disabled them all.

    The redactor knows it from then on. Raises RunbookError VD-ROTATION-006 (it is no key), and azure.core's errors.
    """
    found = secret_in_use(context.clients.secrets, SECRET)
    if found is None:
        return None
    key_id = (found.properties.tags or {}).get(KEY_ID_TAG, "")
    return signing_key(found.value or "", key_id, context.redactor)


def signing_key(text: str, key_id: str, redactor: Redactor) -> SigningKey:
    """Return the key that a secret's text holds; `redactor` knows it from then on. Raises RunbookError VD-ROTATION-006.

    Nothing of it may enter a message, not even of a malformed one.
    """
    if len(text) >= MIN_SECRET_LENGTH:
        redactor.learn(text)
    key = key_of(text)
    if key is None or KEY_ID.fullmatch(key_id) is None:
        raise rotation.NO_SUCH_CREDENTIAL.error(f"it is not {KEY_BYTES} bytes with an id", target=SECRET)
    redactor.learn_key(key)
    return SigningKey(key_id, key)


def key_of(text: str) -> bytes | None:
    """Return the key that a text holds as `key_text` writes it, None if it holds none."""
    try:
        key = base64url.decode(text)
    except ValueError:
        return None
    return key if len(key) == KEY_BYTES else None


def key_text(key: bytes, redactor: Redactor) -> str:
    """Return a key as the vault keeps it; `redactor` knows it from then on. Raises RunbookError VD-ROTATION-006."""
    if len(key) >= MIN_SECRET_LENGTH:
        redactor.learn_key(key)
    if len(key) != KEY_BYTES:
        raise rotation.NO_SUCH_CREDENTIAL.error(f"it was unwrapped and is not {KEY_BYTES} bytes", target=SECRET)
    return base64url.encode(key)
