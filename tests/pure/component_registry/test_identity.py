"""The owner of a component registry: which instance counts as the same, and which is refused."""

from typing import Any

import pytest

from runbook_lib.component_registry.identity import Identity, check_recorded, identity_row
from runbook_lib.component_registry.schema import IDENTITY_COLUMNS, batches
from runbook_lib.errors import RunbookError

OWN = Identity(instance_id="k3v9x2", subscription_id="2f4cfa0e-6b0d-4a4e-8a67-6f9f1b8a7c02", resource_group="contoso-g")
ROW = dict(identity_row(OWN).columns)


def refused(entity: dict[str, Any]) -> RunbookError:
    with pytest.raises(RunbookError) as caught:
        check_recorded(entity, OWN)
    return caught.value


def test_what_is_written_is_what_is_compared() -> None:
    check_recorded(ROW, OWN)
    (batch,) = batches([identity_row(OWN)])
    assert batch.seen({"identity": ROW}) == batch.wanted


def test_azure_tells_no_capitals_apart_in_subscriptions_and_groups() -> None:
    capitals = {name: str(value).upper() for name, value in ROW.items() if name != "instanceId"}
    check_recorded({**ROW, **capitals, "updatedAt": "x"}, OWN)


@pytest.mark.parametrize("column", IDENTITY_COLUMNS)
def test_each_part_counts_and_both_identities_are_named(column: str) -> None:
    error = refused({**ROW, column: "another"})
    assert error.code == "VD-COMPONENT-008"
    assert str(OWN) in error.message and "another" in error.message


@pytest.mark.parametrize("column", IDENTITY_COLUMNS)
@pytest.mark.parametrize("value", [None, "", 7, b"x", ["a"], True])
def test_a_row_that_no_bootstrap_wrote_is_never_the_same(column: str, value: object) -> None:
    error = refused({**ROW, column: value})
    assert (error.code, column in error.message) == ("VD-COMPONENT-009", True)
    missing = {name: text for name, text in ROW.items() if name != column}
    assert refused(missing).code == "VD-COMPONENT-009"


def test_what_somebody_else_wrote_stays_short_and_obeys_nobody() -> None:
    error = refused({**ROW, "managedResourceGroup": "a\x1b[2J\n" + "x" * 30_000})
    assert "\x1b" not in error.message and len(error.message) < 600
