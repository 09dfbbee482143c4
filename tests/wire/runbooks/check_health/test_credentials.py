"""check_health's records of the credentials and of waiting blobs: table Credentials, and the rows of the spools."""

from collections.abc import Iterator, Mapping
from datetime import datetime, timedelta, timezone

import pytest

from runbook_lib.rotation.versions import OVERLAP_SECONDS
from tests.support.health_rig import Rig
from tests.support.rotation_rig import Vault, vault
from tests.support.runbook_run import Run
from tests.support.token_rotation import NOW, token_rotations

TOKEN, KEY = "registry-token/publisher-acr-token", "hmac-key/hmac-key"


@pytest.fixture
def customer(ready: Rig) -> Iterator[Vault]:
    """A customer whose component registry is there, and has one component."""
    ready.register("api-gateway")
    with vault(ready.lab) as opened:
        for table in ("Schema", "Credentials"):
            opened.tables.create_table(table)
        yield opened


def recorded(result: Run) -> list[str]:
    assert result.exit_code == 0, result.text
    return [change["target"] for change in result.result["changes"] if change["target"].startswith("Credentials ")]


def states(customer: Vault) -> Mapping[str, str]:
    return {key: row["state"] for key, row in customer.rows().items()}


def rotation_in(customer: Vault) -> tuple[str, str, bool]:
    """Return the content of the token's row: the unfinished rotation, its state, and whether it has an end time."""
    row = customer.rows()[TOKEN]
    return row["rotationId"], row["rotationState"], bool(row["retireAfter"])


def test_a_disabled_secret_shows_after_one_check(ready: Rig, customer: Vault) -> None:
    assert recorded(ready.check()) == ["Credentials hmac-key 1/1", "Credentials registry-token 1/1"]
    assert states(customer) == {TOKEN: "enabled", KEY: "not provisioned"}
    assert recorded(ready.check()) == [], "nothing new is written again"
    customer.secrets.update_secret_properties("publisher-acr-token", enabled=False)
    assert recorded(ready.check(plan_only=True)) == ["Credentials registry-token 1/1"]
    assert states(customer)[TOKEN] == "enabled", "a plan writes nothing"
    assert recorded(ready.check()) == ["Credentials registry-token 1/1"]
    assert states(customer)[TOKEN] == "disabled"


def test_a_rotation_that_is_not_finished_shows_after_one_check(ready: Rig, customer: Vault) -> None:
    """The vault shows the state, even if somebody has emptied the row or done a phase in another way."""
    rotation = token_rotations(ready.lab)()
    credentials = customer.tables.get_table_client("Credentials")
    other = {"PartitionKey": "registry-token", "RowKey": "publisher-acr-token", "rotationId": "x"}
    for phase, shown in (("stage", "pending"), ("test", "tested"), ("promote", "promoted")):
        rotation.through(phase) if phase == "stage" else rotation.succeed(phase)
        credentials.upsert_entity(other)
        assert recorded(ready.check())[-1:] == ["Credentials registry-token 1/1"]
        assert rotation_in(customer) == (rotation.rotation_id, shown, shown == "promoted")
        assert recorded(ready.check()) == []
    due = datetime.fromisoformat(customer.rows()[TOKEN]["retireAfter"].replace("Z", "+00:00"))
    assert abs(due - datetime.now(timezone.utc) - timedelta(seconds=OVERLAP_SECONDS)) < timedelta(minutes=5)
    rotation.succeed("retire", **NOW)
    assert rotation_in(customer) == ("", "", False), "the rotation itself says that it is over"
    assert recorded(ready.check()) == []


def test_a_vault_that_cannot_be_read_changes_no_record(ready: Rig, customer: Vault) -> None:
    ready.check()
    ready.lab.fault("status", status=403, match={"service": "key_vault", "path": "/versions"}, times=0)
    assert recorded(ready.check()) == []
    assert states(customer) == {TOKEN: "enabled", KEY: "not provisioned"}
    assert ready.reason("credentials", "observability").startswith("cannot be read: VD-NET-003")


def test_reports_that_wait_show_with_their_number_and_the_reason(ready: Rig, customer: Vault) -> None:
    assert customer
    ready.check()
    assert (ready.health("reports", "observability"), ready.reason("reports", "observability")) == ("healthy", "")
    ready.check()  # the report of the first check waits: there is no HMAC key
    assert ready.health("reports", "observability") == "healthy", "before the first key that is no illness"
    assert ready.reason("reports", "observability").startswith("reports to the publisher wait: 1, since 20")
    assert ready.reason("reports", "observability").endswith("(VD-CALLBACK-029)")
