"""Tests of who gets the credentials of this shell, without a request."""

import argparse

import pytest

from runbook_lib.container_registry.tokens import EntraTokenSource
from runbook_lib.container_registry.wire import PUBLISHER
from runbook_lib.errors import RunbookError
from vibedata.release.publisher_registry import HOST, open_wire, token_source

LOGIN = argparse.Namespace(entra=True, username=None, password_stdin=False)


@pytest.mark.parametrize(
    ("host", "named"),
    [
        ("vibedata.azurecr.io", ""),
        ("Vibedata.AzureCR.io", "another.azurecr.io"),
        ("vibedata.azurecr.cn", ""),
        ("vibedata.azurecr.us", ""),
        ("registry.example:5000", "registry.example:5000"),
    ],
)
def test_the_logins_token_goes_to_azure_and_to_the_named_host(host: str, named: str) -> None:
    wire = open_wire(host, PUBLISHER, option="--to")
    assert isinstance(token_source(LOGIN, {HOST: named}, wire), EntraTokenSource)


@pytest.mark.parametrize(
    "host",
    ["azurecr.io", "vibedataazurecr.io", "vibedata.azurecr.io.example", "vibedata.azurecr.io:8443", "registry.example"],
)
@pytest.mark.parametrize("named", ["", "vibedata.azurecr.io"])
def test_the_logins_token_goes_to_no_other_host(host: str, named: str) -> None:
    wire = open_wire(host, PUBLISHER, option="--to")
    with pytest.raises(RunbookError) as refused:
        token_source(LOGIN, {HOST: named}, wire)
    assert refused.value.code == "VD-PUSH-004"
    assert "token of this shell's Azure login is not sent" in str(refused.value)
