"""Failures of the secrets in the customer's Key Vault."""

from runbook_lib.errors.entry import entry

# The area of the codes, for code that treats all its failures alike.
AREA = "VD-VAULT"

SECRET_MISSING = entry(
    "VD-VAULT-001",
    "a secret is missing",
    "It does not exist in the customer's Key Vault, is deleted but recoverable, or is disabled. The message says"
    " which, and which command helps.",
    "Do what the message says. Absent: the publisher provisions it. `vibedata deploy` gives a customer the first"
    " token for the publisher's container registry. `vibedata rotate-acr-token` and `vibedata rotate-hmac` give new"
    " credentials."
    " Deleted: `az keyvault secret recover --vault-name VAULT --name SECRET`. Disabled: `az keyvault secret"
    " set-attributes --vault-name VAULT --name SECRET --enabled true`.",
)
SECRET_MALFORMED = entry(
    "VD-VAULT-002",
    "a secret has the wrong form",
    'Secret publisher-acr-token must be JSON: {"username": ..., "password": ...}.',
    "The publisher makes a new one: `vibedata rotate-acr-token`.",
)
SECRET_UNUSABLE = entry(
    "VD-VAULT-003",
    "a secret cannot be used now",
    "It has expired, or it is not valid yet.",
    "Expired: the publisher makes a new one (`vibedata rotate-acr-token`). Not yet valid: check this machine's clock"
    " and the secret's start.",
)
# A rotation may raise it, too, for the secret that it unwraps. A module that only reads a credential needs no other
# failure of rotations.
NO_SUCH_CREDENTIAL = entry(
    "VD-ROTATION-006",
    "the unwrapped or stored value is not such a credential",
    "A key for callbacks is 32 bytes, stored as base64url with its id in tag keyId; a token is JSON"
    ' {"username": ..., "password": ...}.',
    "Start a new rotation. If the message is about the secret in use, you can also disable its newest version: the"
    " former version is in use again.",
)
