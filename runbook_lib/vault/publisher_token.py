"""The repository-scoped token that lets the customer read the publisher's container registry.

Source: docs/design.md#import.
"""

from dataclasses import dataclass, field, replace
from datetime import datetime
from typing import TYPE_CHECKING

from runbook_lib.basics import strict_json
from runbook_lib.basics.redaction import MIN_SECRET_LENGTH, Redactor
from runbook_lib.errors import vault
from runbook_lib.vault.secret_in_use import how_to_mend, out_of_time, secret_in_use, why_none

if TYPE_CHECKING:
    from azure.keyvault.secrets import SecretClient

SECRET = "publisher-acr-token"  # noqa: S105 - the secret's name in the customer's Key Vault
COMMAND = "vibedata rotate-acr-token"


@dataclass(frozen=True, slots=True)
class PublisherToken:
    """User name and password. A repr never shows the password. `version` is the secret's, "" if it is not known."""

    username: str
    password: str = field(repr=False)
    version: str = field(default="", compare=False)


def read_publisher_token(secrets: "SecretClient", redactor: Redactor, *, now: datetime) -> PublisherToken:
    """Return the token in use at `now` (aware). `redactor` learns it.

    Raises RunbookError VD-VAULT-001 (absent, deleted, or every version disabled), VD-VAULT-002 (not JSON
    `{"username","password"}`), VD-VAULT-003 (expired, or not yet valid), and azure.core's errors.
    """
    found = secret_in_use(secrets, SECRET)
    state = why_none(secrets, SECRET) if found is None else out_of_time(found, now)
    if state is not None:
        detail = how_to_mend(state, vault_url=secrets.vault_url, name=SECRET, command=COMMAND)
        raise (vault.SECRET_MISSING if found is None else vault.SECRET_UNUSABLE).error(detail, target=SECRET)
    assert found is not None  # noqa: S101 - if it were None, there would be a state
    return replace(parse_token(found.value or "", redactor), version=str(found.properties.version))


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
