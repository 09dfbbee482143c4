"""Naming an error raises none, whatever has been imported of the libraries whose errors it knows."""

import sys
from types import ModuleType

import pytest
from azure.core.exceptions import HttpResponseError, ServiceRequestError
from requests import ConnectionError as NotConnected

from runbook_lib.failures import name_error


@pytest.mark.parametrize(
    "error", [ServiceRequestError("no route\nmore"), HttpResponseError("lost"), NotConnected("lost")]
)
def test_what_the_transports_raise_has_a_code(error: Exception) -> None:
    named = name_error(error)
    assert named is not None and named.code == "VD-NET-001"
    assert "more" not in named.message


@pytest.mark.parametrize("module", ["azure.core.exceptions", "requests.exceptions", "requests"])
@pytest.mark.parametrize("state", [None, ModuleType("begun")], ids=["cannot be imported", "import broke off"])
def test_an_import_that_did_not_end_hides_no_error(
    monkeypatch: pytest.MonkeyPatch, module: str, state: ModuleType | None
) -> None:
    monkeypatch.setitem(sys.modules, module, state)
    assert name_error(ValueError("the first")) is None
