"""The contents of the customer's Automation account: environments, packages, runbooks, variables (api 2024-10-23).

If the account does not have something, the result is None or lacks it, and no exception is raised. Source of the calls:
docs/azure-facts.md#runbooks-and-jobs.
"""

import hashlib
import json
import re
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from runbook_lib.automation.access import AccountAccess, if_there, plain
from runbook_lib.automation.texts import published_text
from runbook_lib.basics.digest import hex_of
from runbook_lib.basics.service_words import words_of_error
from runbook_lib.errors import automation
from runbook_lib.network.listing import bounded

LANGUAGE, LANGUAGE_VERSION = "Python", "3.10"
# The tag of the suite's runbooks. It helps people and their queries. The runtime environment's name marks them, too.
OWNER_TAG, OWNER_VALUE = "vibedata", "runbook"
# The name of a package set's environment holds the set's digest. Its content never changes.
ENVIRONMENT_PREFIX = "vibedata-"
ENVIRONMENT_DIGITS = 12
_OWN_ENVIRONMENT = re.compile(rf"{ENVIRONMENT_PREFIX}[0-9a-f]{{{ENVIRONMENT_DIGITS}}}", re.IGNORECASE)


@dataclass(frozen=True, slots=True, kw_only=True)
class HeldPackage:
    """A package of a runtime environment. `version` is None if Automation does not say it. `error` says why its import
    failed."""

    state: str
    version: str | None
    error: str


@dataclass(frozen=True, slots=True, kw_only=True)
class HeldRunbook:
    """A runbook of the account.

    Attributes:
        kind: Its type.
        environment: Its runtime environment.
        sha256: The SHA-256 of the published text, hex, None if it was never published.
        in_edit: It has a draft.
        ours: The suite made it.
    """

    kind: str
    environment: str | None
    sha256: str | None
    in_edit: bool
    ours: bool


def environment_of(packages_digest: str) -> str:
    """Return the name of the runtime environment of the package set with this digest (sha256:HEX)."""
    return ENVIRONMENT_PREFIX + hex_of(packages_digest)[:ENVIRONMENT_DIGITS]


class AutomationAccount(AccountAccess):
    """One account. Many threads may use it.

    Raises RunbookError VD-AUTOMATION-001 (there is no such account), and azure.core's errors if ARM cannot be reached,
    fails, throttles, or refuses the identity.
    """

    def location(self) -> str:
        """Return the Azure region of the account. Raises VD-AUTOMATION-001 if there is no account."""
        account = if_there(lambda: self.client.automation_account.get(*self.at))
        if account is None or account.location is None:
            raise automation.ACCOUNT_UNUSABLE.error("it is not there", target=self.at[1])
        return account.location

    def environment(self, name: str) -> str | None:
        """Return the language and the version of a runtime environment, e.g. `Python 3.10`."""
        found = if_there(lambda: self.client.runtime_environments.get(*self.at, name))
        if found is None:
            return None
        runtime = found.properties.runtime if found.properties else None
        return f"{runtime.language} {runtime.version}" if runtime else ""

    def packages(self, environment: str) -> Mapping[str, HeldPackage]:
        """Return the packages of a runtime environment, by name in small letters; none if it does not exist."""
        listed = self.client.package.list_by_runtime_environment(*self.at, environment)
        found = if_there(lambda: list(bounded(listed, target=environment)))
        return {str(package.name).lower(): _held_package(package.properties) for package in found or ()}

    def runbook(self, name: str) -> HeldRunbook | None:
        """Return a runbook."""
        found = if_there(lambda: self.client.runbook.get(*self.at, name))
        if found is None or found.properties is None:
            return None
        properties, state = found.properties, plain(found.properties.state)
        text = None if state == "New" else published_text(self, name)
        return HeldRunbook(
            kind=plain(properties.runbook_type),
            environment=properties.runtime_environment,
            sha256=None if text is None else hashlib.sha256(text).hexdigest(),
            in_edit=state != "Published",
            ours=_is_ours(found),
        )

    def own_runbooks(self) -> list[str]:
        """Return the names of all runbooks that the suite made, from any release."""
        return [
            str(found.name)
            for found in bounded(self.client.runbook.list_by_automation_account(*self.at), target="runbooks")
            if _is_ours(found)
        ]

    def variable(self, name: str) -> str | None:
        """Return the text that a variable holds. ARM holds it as JSON (docs/azure-facts.md#managed-identity).

        If somebody else has written the variable in another form, for example a JSON object instead of a text, this
        returns the JSON as ARM holds it. That text differs from ours. A variable without a value holds "".

        Raises:
            RunbookError: VD-AUTOMATION-012 if it is encrypted.
        """
        found = if_there(lambda: self.client.variable.get(*self.at, name))
        if found is None:
            return None
        if found.properties is not None and found.properties.is_encrypted:
            raise automation.VARIABLE_ENCRYPTED.error(target=name)
        encoded = str(found.properties.value or "") if found.properties else ""
        try:
            text = json.loads(encoded)
        except (ValueError, RecursionError):
            return encoded
        return text if isinstance(text, str) else encoded

    def variable_written(self, name: str) -> datetime | None:
        """Return when a variable was last written, by the service's clock. Return None if it does not exist."""
        found = if_there(lambda: self.client.variable.get(*self.at, name))
        return found.properties.last_modified_time if found and found.properties else None


def _held_package(properties: Any) -> HeldPackage:
    error = properties.error if properties else None
    return HeldPackage(
        state=plain(properties.provisioning_state) if properties else "",
        version=properties.version if properties else None,
        error="" if error is None else str(words_of_error(error.code, error.message)),
    )


def _is_ours(runbook: Any) -> bool:
    environment = (runbook.properties.runtime_environment if runbook.properties else None) or ""
    return (runbook.tags or {}).get(OWNER_TAG) == OWNER_VALUE or _OWN_ENVIRONMENT.fullmatch(environment) is not None
