"""What tests of the lab's storage account share: its containers, a token, the parts of an error."""

from typing import Any

import pytest
from azure.core.exceptions import HttpResponseError
from azure.identity import ManagedIdentityCredential

CONTAINERS = ["artifacts", "callbacks-spool", "locks", "operations-spool", "release-manifests", "runbook-packages"]


def token(credential: ManagedIdentityCredential, resource: str = "https://storage.azure.com") -> str:
    access: str = credential.get_token(f"{resource}/.default").token
    return access


def header(error: pytest.ExceptionInfo[HttpResponseError], name: str) -> str:
    response: Any = error.value.response
    return str(response.headers[name])


def code(error: pytest.ExceptionInfo[HttpResponseError]) -> str:
    found = getattr(error.value, "error_code", None)
    return str(getattr(found, "value", found))  # known codes are members of an enumeration
