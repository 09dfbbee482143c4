"""Answers that no part of the suite expects. The error names status, code, host and the words of the service."""

import pytest

from runbooks import rotate_hmac
from tests.support.runbook_run import run
from tests.support.running_lab import LabUnderTest


@pytest.mark.parametrize("status", [400, 404, 409, 410])
@pytest.mark.parametrize("service", ["table", "key_vault"])
def test_a_refusal_that_nobody_expects_is_named(lab: LabUnderTest, service: str, status: int) -> None:
    lab.fault("status", status=status, code="SomeCode", times=0, match={"service": service, "method": "GET"})
    made = run(lab, rotate_hmac.RUNBOOK, phase="prepare")
    lab.clear_faults()
    if (service, status) == ("key_vault", 404):
        return  # from a vault it means that the key does not exist, which is expected
    assert made.error_code == "VD-NET-010", made.text
    assert str(status) in made.text and "SomeCode" in made.text and "127.0.0.1" in made.text


@pytest.mark.parametrize(
    ("service", "code"), [("table", "TableBeingDeleted"), ("table", "AccountBeingCreated"), ("key_vault", "Conflict")]
)
def test_what_ends_by_itself_is_worth_a_rerun(lab: LabUnderTest, service: str, code: str) -> None:
    lab.fault("status", status=409, code=code, times=0, match={"service": service, "method": "GET"})
    made = run(lab, rotate_hmac.RUNBOOK, phase="prepare")
    lab.clear_faults()
    wanted = "VD-NET-010" if code == "Conflict" else "VD-NET-011"
    assert made.error_code == wanted and code in made.text, made.text
    assert made.result["error"]["retryable"] is (wanted == "VD-NET-011")
