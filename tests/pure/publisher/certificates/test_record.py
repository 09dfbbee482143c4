"""The row of an issuance: it can be written and read back, and a malformed row raises an error with a name."""

from dataclasses import fields, replace
from typing import Any

import pytest

from publisher.certificates.customer import after_refusal
from publisher.certificates.record import Issuance, columns_of, issuance_of
from runbook_lib.basics.clock import SYSTEM_CLOCK, rfc3339
from runbook_lib.errors import RunbookError

TIME = "2026-11-29T12:00:00.000000Z"
ISSUANCE = Issuance(
    instance_id="k3v9x2p7",
    number=3,
    rotation_id="r",
    host="k3v9x2p7.vibedata.ai",
    known=True,
    customer="prepared",
    failures=2,
    failed_at=TIME,
    order="https://ca.example/order/1",
    authority="ca.example",
    attempt="a",
    chain="c",
    not_before=TIME,
    not_after=TIME,
)


class Row(dict[str, Any]):
    """A row in the form of the client of tables."""

    metadata = {"etag": "1"}  # noqa: RUF012 - as the client has it


def row(**columns: Any) -> Row:
    return Row(PartitionKey="k3v9x2p7", RowKey="99999996", **{**columns_of(ISSUANCE), **columns})


def test_a_row_can_be_read_back() -> None:
    assert issuance_of(row()) == ISSUANCE
    assert len(columns_of(ISSUANCE)) == len(fields(Issuance)) - 3


def test_a_row_of_a_former_version_names_no_authority() -> None:
    former = row()
    del former["authority"]
    assert issuance_of(former) == replace(ISSUANCE, authority="")


@pytest.mark.parametrize(
    "columns",
    [
        {"failures": "2"},
        {"failures": True},
        {"known": 1},
        {"customer": "happy"},
        {"notAfter": "tomorrow"},
        {"notAfter": "2026-11-29T12:00:00"},
        {"notBefore": ""},
        {"windowEnd": TIME},
        {"order": None},
    ],
)
def test_a_malformed_row_raises_an_error_that_names_the_columns(columns: dict[str, Any]) -> None:
    with pytest.raises(RunbookError) as caught:
        issuance_of(row(**columns))
    assert caught.value.code == "VD-ROTATION-040" and next(iter(columns))[:6] in caught.value.message


def test_after_a_refusal_by_the_customers_side_the_issuance_goes_on() -> None:
    assert after_refusal(ISSUANCE, "test", "VD-TLS-002", SYSTEM_CLOCK) == replace(ISSUANCE, overtaken=True)
    assert after_refusal(ISSUANCE, "test", "VD-TLS-010", SYSTEM_CLOCK) == ISSUANCE
    assert after_refusal(ISSUANCE, "test", "VD-TLS-001", SYSTEM_CLOCK) == ISSUANCE
    lost = replace(ISSUANCE, customer="installed", installed_at=TIME)
    assert after_refusal(lost, "retire", "VD-TLS-001", SYSTEM_CLOCK).overtaken
    fresh = replace(lost, installed_at=rfc3339(SYSTEM_CLOCK.now()))
    assert after_refusal(fresh, "test", "VD-TLS-001", SYSTEM_CLOCK) == fresh, "a read may not show it yet"
    for code in ("VD-TLS-001", "VD-TLS-004", "VD-TLS-006", "VD-TLS-007"):
        again = after_refusal(ISSUANCE, "install", code, SYSTEM_CLOCK)
        assert (again.customer, again.chain, again.order, again.failures) == ("none", "", "", 3)
