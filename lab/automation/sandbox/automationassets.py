"""The module `automationassets` as a runbook finds it in the sandbox. The lab puts it into each job's environment.

The assets are those that the Automation account has at the job's start. The lab writes them to a file for this job.
The lab's account has only variables, so credentials, connections and certificates are never found. For an unknown
asset this module raises what Azure's documentation promises (its hybrid worker returns None).
Source: learn automation/python-runbook "Access assets"; docs/azure-facts.md#managed-identity.
"""

import json
import os
from pathlib import Path
from typing import Any, NoReturn

ASSETS_FILE_VARIABLE = "LAB_AUTOMATION_ASSETS"


class AutomationAssetNotFound(Exception):  # noqa: N818 - Azure's name
    """The Automation account has no asset of this kind and name."""


def get_automation_variable(name: str) -> Any:
    """Return the value of the variable `name` (not case-sensitive), decoded from JSON."""
    variables: dict[str, str] = json.loads(Path(os.environ[ASSETS_FILE_VARIABLE]).read_text(encoding="utf-8"))[
        "variables"
    ]
    try:
        encoded = variables[name.lower()]
    except KeyError:
        _not_found("variable", name)
    return json.loads(encoded)


def get_automation_credential(name: str) -> dict[str, str]:
    """Return the credential's `username` and `password`; the lab has none."""
    _not_found("credential", name)


def get_automation_connection(name: str) -> dict[str, Any]:
    """Return the connection's fields; the lab has none."""
    _not_found("connection", name)


def get_automation_certificate(name: str) -> bytes:
    """Return the certificate's bytes; the lab has none."""
    _not_found("certificate", name)


def _not_found(kind: str, name: str) -> NoReturn:
    raise AutomationAssetNotFound(f"The {kind} '{name}' was not found in the Automation account.")
