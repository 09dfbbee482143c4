"""The repository-scoped token that lets the customer read the publisher's container registry.

Source: docs/design.md#import.
"""

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from runbook_lib.basics import strict_json
from runbook_lib.basics.redaction import MIN_SECRET_LENGTH, Redactor
from runbook_lib.errors import vault

if TYPE_CHECKING:
    pass

SECRET = "publisher-acr-token"  # noqa: S105 - the secret's name in the customer's Key Vault
TOKEN_ID_TAG = "credentialId"  # noqa: S105 - a tag's name


@dataclass(frozen=True, slots=True)
class PublisherToken:
    """User name and password. A repr never shows the password. `version` is the secret's, "" if it is not known."""

    username: str
    password: str = field(repr=False)
    version: str = field(default="", compare=False)


def parse_token(text: str, redactor: Redactor) -> PublisherToken:
    """Return the token in a secret's text. `redactor` learns it. Raises RunbookError VD-VAULT-002.

    No part of the secret may enter a message, even if it is malformed: hence `from None`.
    """
    try:
        text.encode()
    except UnicodeEncodeError:  # JSON can escape half a surrogate pair, and the vault's client reads it so
        raise vault.SECRET_MALFORMED.error("it is no text", target=SECRET) from None
    if len(text) >= MIN_SECRET_LENGTH:
        redactor.learn(text)
    try:
        document = strict_json.loads(text)
    except strict_json.NotStrictJsonError:
        raise vault.SECRET_MALFORMED.error("it is no JSON", target=SECRET) from None
    if not isinstance(document, dict) or document.keys() != {"username", "password"}:
        raise vault.SECRET_MALFORMED.error("it has other fields", target=SECRET)
    username, password = document["username"], document["password"]
    if not isinstance(username, str) or not username or ":" in username:
        raise vault.SECRET_MALFORMED.error("the username is no text that Basic credentials can hold", target=SECRET)
    if not isinstance(password, str) or len(password) < MIN_SECRET_LENGTH:
        raise vault.SECRET_MALFORMED.error(f"the password is no text of {MIN_SECRET_LENGTH} characters", target=SECRET)
    redactor.learn(password)
    redactor.learn(f"{username}:{password}")  # Basic credentials hold this text in base64
    return PublisherToken(username, password)
