"""Change the customer's Automation account: environments, packages, runbooks, variables (api 2024-10-23).

Each function raises RunbookError as `refusals` does, and azure.core's errors. Source of the calls:
docs/azure-facts.md#runbooks-and-jobs.
"""

import json

from runbook_lib.automation.access import AccountAccess
from runbook_lib.automation.account import LANGUAGE, LANGUAGE_VERSION, OWNER_TAG, OWNER_VALUE
from runbook_lib.automation.refusals import refusals
from runbook_lib.azure.operations import result_of

# Without a runtime environment a runbook would run on 3.8 (docs/azure-facts.md#python-and-its-limits). It is not
# confirmed which of these two types a runbook with an environment must have (docs/azure-facts.md#runbooks-and-jobs).
# The suite publishes runbooks of the first type, and replaces its own runbooks of both types.
RUNBOOK_TYPE = "Python3"
RUNBOOK_TYPES = frozenset({"Python3", "Python"})


def create_environment(account: AccountAccess, name: str, location: str) -> None:
    """Create a runtime environment of Python 3.10, in the account's region `location`."""
    from azure.mgmt.automation.models import RuntimeEnvironment, RuntimeEnvironmentProperties, RuntimeProperties

    runtime = RuntimeProperties(language=LANGUAGE, version=LANGUAGE_VERSION)
    body = RuntimeEnvironment(location=location, properties=RuntimeEnvironmentProperties(runtime=runtime))
    with refusals(f"runtime environment {name}"):
        account.client.runtime_environments.create(*account.at, name, body)


def import_package(
    account: AccountAccess, environment: str, name: str, *, version: str, link: str, sha256: str
) -> None:
    """Begin a package's import from the https address `link`. `sha256` (hex) is the SHA-256 of its content."""
    from azure.mgmt.automation.models import (
        ContentHash,
        ContentLink,
        PackageCreateOrUpdateParameters,
        PackageCreateOrUpdateProperties,
    )

    content = ContentLink(uri=link, content_hash=ContentHash(algorithm="SHA256", value=sha256), version=version)
    body = PackageCreateOrUpdateParameters(properties=PackageCreateOrUpdateProperties(content_link=content))
    with refusals(f"package {name}"):
        account.client.package.create_or_update(*account.at, environment, name, body)


def put_runbook(account: AccountAccess, name: str, *, kind: str, environment: str, location: str) -> None:
    """Create a runbook, or give it another runtime environment. Its texts do not change."""
    from azure.mgmt.automation.models import (
        RunbookCreateOrUpdateParameters,
        RunbookCreateOrUpdateProperties,
        RunbookDraft,
    )

    properties = RunbookCreateOrUpdateProperties(
        runbook_type=kind,
        runtime_environment=environment,
        log_verbose=True,
        log_progress=False,
        draft=RunbookDraft(),
    )
    body = RunbookCreateOrUpdateParameters(
        name=name, location=location, tags={OWNER_TAG: OWNER_VALUE}, properties=properties
    )
    with refusals(f"runbook {name}"):
        account.client.runbook.create_or_update(*account.at, name, body)


def replace_draft(account: AccountAccess, name: str, text: bytes) -> None:
    """Replace a runbook's draft. Raises RunbookError VD-ARM-003, too (the operation does not end)."""
    with refusals(f"runbook {name}"):
        # Pass bytes: for a text the client would count characters, but the service wants the length in bytes.
        replacing = account.client.runbook_draft.begin_replace_content(*account.at, name, text)  # type: ignore[arg-type]
        result_of(replacing, target=f"draft of runbook {name}")


def publish(account: AccountAccess, name: str) -> None:
    """Publish a runbook's draft. From then on jobs run this text, and there is no draft.

    Raises RunbookError VD-ARM-003, too (the operation does not end).
    """
    with refusals(f"runbook {name}"):
        result_of(account.client.runbook.begin_publish(*account.at, name), target=f"runbook {name}")


def set_variable(account: AccountAccess, name: str, text: str) -> None:
    """Create or replace a variable that holds a text. Everybody who can read the account can read the text."""
    from azure.mgmt.automation.models import VariableCreateOrUpdateParameters, VariableCreateOrUpdateProperties

    value = VariableCreateOrUpdateProperties(value=json.dumps(text), is_encrypted=False)
    body = VariableCreateOrUpdateParameters(name=name, properties=value)
    with refusals(f"variable {name}"):
        account.client.variable.create_or_update(*account.at, name, body)
