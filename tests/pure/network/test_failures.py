"""To name an error raises no error, no matter which libraries have been imported."""

import json
import sys
from types import ModuleType

import pytest
from azure.core.exceptions import HttpResponseError, ServiceRequestError
from azure.core.rest import HttpRequest
from requests import ConnectionError as NotConnected

from runbook_lib.network.failures import PASSING_CODES, as_runbook_error


@pytest.mark.parametrize(
    "error", [ServiceRequestError("no route\nmore"), HttpResponseError("lost"), NotConnected("lost")]
)
def test_what_the_transports_raise_has_a_code(error: Exception) -> None:
    named = as_runbook_error(error)
    assert named is not None and named.code == "VD-NET-001"
    assert "more" not in named.message


class Answer:
    """An answer with the attributes that azure.core's errors read."""

    def __init__(self, status: int, headers: dict[str, str], body: bytes) -> None:
        self.status_code, self.reason, self.headers, self._body = status, "Reason", headers, body
        self.request = HttpRequest("GET", "https://account.table.example/x?sig=SECRET")

    def text(self, encoding: str | None = None) -> str:  # noqa: ARG002 - azure.core's signature
        return self._body.decode()

    def body(self) -> bytes:
        return self._body


def answered(status: int, *, code: str = "", inner: str = "", header: str = "") -> HttpResponseError:
    error = {"code": code or "Conflict", "message": "the service's own words", "innererror": {"code": inner}}
    headers = {"x-ms-error-code": header} if header else {}
    return HttpResponseError(response=Answer(status, headers, json.dumps({"error": error}).encode()))


@pytest.mark.parametrize("status", [400, 404, 405, 409, 410, 412, 413, 415, 416, 422, 423, 301, 304])
def test_a_refusal_that_nobody_expects_is_named_with_all_that_the_service_says(status: int) -> None:
    named = as_runbook_error(answered(status, code="SomeCode", header="AnotherCode"))
    assert named is not None
    assert named.code == ("VD-NET-011" if status == 412 else "VD-NET-010")
    for part in (str(status), "SomeCode", "AnotherCode", "the service's own words", "account.table.example"):
        assert part in named.message
    assert "SECRET" not in named.message


@pytest.mark.parametrize("code", sorted(PASSING_CODES))
def test_what_ends_by_itself_is_worth_a_rerun_wherever_the_code_stands(code: str) -> None:
    for error in (answered(409, code=code), answered(409, inner=code), answered(409, header=code)):
        named = as_runbook_error(error)
        assert named is not None and (named.code, named.retryable) == ("VD-NET-011", True)


@pytest.mark.parametrize(
    "code", ["ObjectIsDeletedButRecoverable", "ScopeLocked", "ResourceGroupBeingDeleted", "Conflict"]
)
def test_what_waits_for_somebody_is_not(code: str) -> None:
    named = as_runbook_error(answered(409, code=code, inner=code))
    assert named is not None and (named.code, named.retryable) == ("VD-NET-010", False)


def test_a_name_in_the_words_is_no_code() -> None:
    error = HttpResponseError(message="table TableBeingDeleted is of another kind", response=Answer(409, {}, b""))
    named = as_runbook_error(error)
    assert named is not None and named.code == "VD-NET-010"


TEXTS = {
    "a text": json.dumps(json.dumps({"error": {"code": "TableBeingDeleted", "message": "in a text"}})),
    "a text without a wrapper": json.dumps(json.dumps({"code": "TableBeingDeleted", "message": "in a text"})),
    "a code alone": json.dumps(json.dumps({"error": {"code": "TableBeingDeleted"}})),
    "no wrapper": json.dumps({"code": "TableBeingDeleted", "message": "in a text"}),
    "in the message": json.dumps(
        {
            "error": {
                "code": "Outer",
                "message": json.dumps({"error": {"code": "TableBeingDeleted", "message": "in a text"}}, indent=2),
            }
        }
    ),
}


@pytest.mark.parametrize("status", [403, 409, 429, 500])
@pytest.mark.parametrize("form", TEXTS)
def test_a_code_is_kept_wherever_it_stands_in_the_body(form: str, status: int) -> None:
    named = as_runbook_error(HttpResponseError(response=Answer(status, {}, TEXTS[form].encode())))
    assert named is not None and "TableBeingDeleted" in named.message
    assert named.code == {403: "VD-NET-003", 409: "VD-NET-011"}.get(status, "VD-NET-002")
    assert form == "a code alone" or "in a text" in named.message
    assert form != "in the message" or "Outer" in named.message


def test_an_inner_code_of_a_refusal_is_told() -> None:
    named = as_runbook_error(answered(403, code="Forbidden", inner="ForbiddenByFirewall"))
    assert named is not None and "ForbiddenByFirewall" in named.message


@pytest.mark.parametrize("module", ["azure.core.exceptions", "requests.exceptions", "requests"])
@pytest.mark.parametrize("state", [None, ModuleType("begun")], ids=["cannot be imported", "import broke off"])
def test_an_import_that_did_not_end_hides_no_error(
    monkeypatch: pytest.MonkeyPatch, module: str, state: ModuleType | None
) -> None:
    monkeypatch.setitem(sys.modules, module, state)
    assert as_runbook_error(ValueError("the first")) is None
