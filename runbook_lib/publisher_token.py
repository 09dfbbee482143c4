"""The repository-scoped token by which the customer reads the publisher's container registry (design section 6)."""

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from runbook_lib import strict_json
from runbook_lib.errors import RunbookError
from runbook_lib.secret_in_use import secret_in_use
from runbook_lib.secrets import MIN_SECRET_LENGTH, Redactor

if TYPE_CHECKING:
    from azure.keyvault.secrets import SecretClient

SECRET = "publisher-acr-token"  # noqa: S105 - the secret's name in the customer's Key Vault


@dataclass(frozen=True, slots=True)
class PublisherToken:
    """User name and password; the password never shows in a repr."""

    username: str
    password: str = field(repr=False)


def read_publisher_token(secrets: "SecretClient", redactor: Redactor) -> PublisherToken:
    """Return the token in use; `redactor` knows it from then on.

    Raises RunbookError VD-VAULT-001 (absent, or every version disabled), VD-VAULT-002 (not JSON
    `{"username","password"}`), and azure.core's errors.
    """
    found = secret_in_use(secrets, SECRET)
    if found is None:
        raise RunbookError("VD-VAULT-001", target=SECRET)
    return parse_token(found.value or "", redactor)


def parse_token(text: str, redactor: Redactor) -> PublisherToken:
    """Return the token that a secret's text holds; `redactor` knows it from then on. Raises RunbookError VD-VAULT-002.

    Nothing of the secret may enter a message, not even of a malformed one: hence `from None`.
    """
    try:
        text.encode()
    except UnicodeEncodeError:  # JSON can escape half a surrogate pair, and the vault's client reads it so
        raise RunbookError("VD-VAULT-002", "it is no text", target=SECRET) from None
    if len(text) >= MIN_SECRET_LENGTH:
        redactor.learn(text)
    try:
        document = strict_json.loads(text)
    except strict_json.NotStrictJsonError:
        raise RunbookError("VD-VAULT-002", "it is no JSON", target=SECRET) from None
    if not isinstance(document, dict) or document.keys() != {"username", "password"}:
        raise RunbookError("VD-VAULT-002", "it has other fields", target=SECRET)
    username, password = document["username"], document["password"]
    if not isinstance(username, str) or not username or ":" in username:
        raise RunbookError("VD-VAULT-002", "the username is no text that Basic credentials can hold", target=SECRET)
    if not isinstance(password, str) or len(password) < MIN_SECRET_LENGTH:
        raise RunbookError("VD-VAULT-002", f"the password is no text of {MIN_SECRET_LENGTH} characters", target=SECRET)
    redactor.learn(password)
    redactor.learn(f"{username}:{password}")  # as Basic credentials carry it, in base64
    return PublisherToken(username, password)
