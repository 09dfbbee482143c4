"""The message about a failed request: everything useful, but no query, no token, and no role that would not help."""

import base64
import json
import socket
from dataclasses import replace
from typing import Any

import pytest
import requests
from azure.core.exceptions import HttpResponseError, ServiceRequestError
from urllib3.exceptions import MaxRetryError, NewConnectionError

from runbook_lib.network._requests_failures import connection_failure
from runbook_lib.network.failures import as_runbook_error
from runbook_lib.network.retry import GiveUp, NetworkRetryPolicy, decide
from runbook_lib.network.trouble import ARM, Place, mark, once_in_a_while, os_cause
from tests.support.fake_clock import FakeClock

OID = "11111111-2222-3333-4444-555555555555"
GROUP = "/subscriptions/s/resourceGroups/g"
ACCOUNT = f"{GROUP}/providers/Microsoft.Automation/automationAccounts/a"
BLOBS = Place(service="blob storage", scope=f"{GROUP}/x", reads="Reader of blobs", writes="Writer of blobs")
IN_ARM = Place(service=ARM, scope=GROUP, reads="Reader", writes="Contributor")


class Request:
    def __init__(self, method: str, url: str, *, oid: str = OID) -> None:
        claims = base64.urlsafe_b64encode(json.dumps({"oid": oid}).encode()).decode().rstrip("=")
        self.method, self.url = method, url
        self.headers = {"Authorization": f"Bearer e30.{claims}.c2lnbmF0dXJl"}


class Response:
    reason = "Forbidden"

    def text(self) -> str:
        return ""

    def body(self) -> bytes:
        return b""

    def __init__(self, request: Request, status_code: int = 403) -> None:
        self.request, self.status_code = request, status_code


def refused(request: Request, place: Place | None, words: str = "Forbidden", status: int = 403) -> Any:
    mark(request, place)
    named = as_runbook_error(HttpResponseError(words, response=Response(request, status)))
    assert named is not None and named.code == "VD-NET-003"
    return named


def test_a_refusal_names_service_operation_resource_identity_and_role() -> None:
    named = refused(Request("PUT", "https://a.example:8443/c/blob?sig=SECRET&x=1"), BLOBS)
    assert "(a.example:8443): 403 " in named.message
    assert f"; blob storage: PUT a.example:8443/c/blob, as object id {OID}" in named.message
    line = f'az role assignment create --assignee {OID} --role "Writer of blobs" --scope {GROUP}/x'
    assert named.remedy.endswith(line)
    for hidden in ("SECRET", "sig=", "e30.", "c2lnbmF0dXJl"):
        assert hidden not in str(named)
    assert '--role "Reader of blobs"' in refused(Request("GET", "https://a.example/c"), BLOBS).remedy


@pytest.mark.parametrize(
    ("method", "path", "role", "scope"),
    [
        ("GET", f"{ACCOUNT}/jobs", "Reader", ACCOUNT),
        ("PUT", f"{ACCOUNT}/jobs/1".lower(), "Automation Contributor", ACCOUNT.lower()),
        ("GET", f"{GROUP}/providers/Microsoft.Insights/metricAlerts", "Monitoring Reader", GROUP),
        ("GET", f"{GROUP}/resources", "Reader", GROUP),
        # The resource is in another group than the settings name. The path shows it.
        ("GET", "/subscriptions/p/resourceGroups/q/things", "Reader", "/subscriptions/p/resourceGroups/q"),
        ("GET", "/subscriptions/p/resources", "Reader", GROUP),
        ("PUT", f"{GROUP}/providers/Microsoft.Other/things/t", "Contributor", GROUP),
    ],
)
def test_the_role_in_arm_follows_from_the_path(method: str, path: str, role: str, scope: str) -> None:
    remedy = refused(Request(method, f"https://management.azure.com{path}?api-version=1"), IN_ARM).remedy
    assert remedy.endswith(f'--role "{role}" --scope {scope}')


@pytest.mark.parametrize(
    "words",
    [
        "(DenyAssignmentAuthorizationFailed) The client has a deny assignment",
        "This request is not authorized to perform this operation. ErrorCode:AuthorizationFailure",
        "(Forbidden) Client address is not authorized. Inner error: ForbiddenByFirewall",
    ],
)
def test_no_role_is_named_where_none_helps(words: str) -> None:
    remedy = refused(Request("GET", "https://a.example/c"), BLOBS, words).remedy
    assert "az role" not in remedy and remedy


def test_a_scope_that_is_not_known_is_to_be_filled_in() -> None:
    place = replace(BLOBS, scope="")
    assert refused(Request("GET", "https://a.example/c"), place).remedy.endswith("--scope RESOURCE_ID")


def test_a_token_that_is_refused_lacks_no_role() -> None:
    assert "az role" not in refused(Request("GET", "https://a.example/c"), BLOBS, status=401).remedy
    assert "az role" not in refused(Request("GET", "https://a.example/c"), None).remedy


@pytest.mark.parametrize("oid", ["", "x; rm -rf ~", "not-a-guid"])
def test_an_identity_that_is_no_id_is_not_shown(oid: str) -> None:
    named = refused(Request("GET", "https://a.example/c", oid=oid), BLOBS)
    assert "--assignee OBJECT_ID" in named.remedy
    assert "as object id" not in named.message


def unresolved() -> requests.ConnectionError:
    """Return the error in the form in which requests and urllib3 wrap it."""
    cause = socket.gaierror(socket.EAI_NONAME, "Name or service not known")
    inner = NewConnectionError(None, "Failed to resolve")  # type: ignore[arg-type] # of no pool
    inner.__cause__ = cause
    return requests.ConnectionError(MaxRetryError(None, "/x?sig=SECRET", inner))  # type: ignore[arg-type] # as above


def test_a_name_that_does_not_resolve_is_found_under_every_wrapping() -> None:
    error = unresolved()
    wrapped = ServiceRequestError(error, error=error)
    for each in (error, wrapped):
        assert isinstance(os_cause(each), socket.gaierror)
    wrapped.request = Request("GET", "https://nowhere.invalid/c?sig=SECRET")  # type: ignore[attr-defined]
    named = as_runbook_error(wrapped)
    assert named is not None and named.code == "VD-NET-001"
    assert "the name nowhere.invalid does not resolve (Name or service not known)" in named.message
    assert "SECRET" not in named.message
    assert connection_failure(error) == "no_such_name"
    for method in ("GET", "POST"):
        decision = decide(NetworkRetryPolicy(), attempt=1, method=method, elapsed=0, connection_failure="no_such_name")
        assert decision == GiveUp("final")


def test_an_error_that_holds_itself_ends() -> None:
    error = ValueError()
    error.args = (error,)
    assert os_cause(error) is None


def test_the_same_line_is_told_once_in_a_while() -> None:
    told: list[str] = []
    clock = FakeClock()
    tell = once_in_a_while(told.append, clock)
    for _ in range(3):
        tell("a")
        tell("b")
    clock.sleep(30)
    tell("a")
    assert told == ["a", "b", "a"]
