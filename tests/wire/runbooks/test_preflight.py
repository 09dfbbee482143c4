"""preflight over the wire: everything that would fail is found in one run, and nothing is changed."""

from collections.abc import Iterator
from datetime import datetime, timedelta
from typing import Any

import pytest
from azure.identity import ManagedIdentityCredential
from azure.keyvault.secrets import SecretClient
from azure.storage.blob import BlobServiceClient

from runbook_lib.permissions.images import IMPORT_IMAGES
from runbook_lib.permissions.storage import WRITE_TABLES
from runbooks.preflight import NEEDED, RUNBOOK
from scripts.pages.permissions import declared
from tests.support.automation import Automation
from tests.support.automation import automation as open_automation
from tests.support.permissions import grant
from tests.support.runbook_run import QuickClock, Run, run
from tests.support.running_lab import LabUnderTest
from tests.support.scripted_server import Answer, ScriptedServer


@pytest.fixture
def automation(lab: LabUnderTest) -> Iterator[Automation]:
    with open_automation(lab) as opened:
        yield opened


@pytest.fixture
def credential(lab: LabUnderTest) -> Iterator[ManagedIdentityCredential]:
    with ManagedIdentityCredential(client_id=lab.env["VIBEDATA_UAMI_CLIENT_ID"]) as credential:
        yield credential


def bad(made: Run) -> list[str]:
    """Return the codes of the bad findings, in the order of the table."""
    return list(made.codes().values())


def test_what_it_looks_for_is_what_all_runbooks_declare() -> None:
    assert set(NEEDED) >= {each for every in declared().values() for each in every}


def test_if_all_is_well_it_says_so_and_writes_nothing(lab: LabUnderTest) -> None:
    made = run(lab, RUNBOOK)
    assert (made.exit_code, made.status) == (0, "unchanged"), made.text
    report = made.result["report"]
    assert (report["bad"], report["unknown"], report["absent"]) == ([], [], ["secret hmac-key"])
    assert report["good"] == len(NEEDED) + 21
    assert {write.partition(" ")[0] for write in made.writes()} <= {"logs"}


def test_everything_is_found_in_one_run(lab: LabUnderTest, credential: ManagedIdentityCredential) -> None:
    with (
        BlobServiceClient(lab.env["VIBEDATA_BLOB_ENDPOINT"], credential=credential) as blobs,
        SecretClient(lab.env["VIBEDATA_KEY_VAULT_ENDPOINT"], credential) as secrets,
    ):
        blobs.delete_container("callbacks-spool")
        secrets.update_secret_properties("publisher-acr-token", enabled=False)
    lab.fault("status", status=503, match={"service": "publisher_api"}, times=0)
    lab.fault("reset_before", match={"service": "logs"}, times=0)
    made = run(lab, RUNBOOK)
    assert made.exit_code == 1
    assert sorted(bad(made)) == ["VD-NET-001", "VD-PREFLIGHT-004", "VD-VAULT-001"]
    assert "az storage container-rm create --subscription" in made.text
    assert "az keyvault secret set-attributes" in made.text
    assert "its name leads to 127.0.0.1, which is a private address" in made.text


def test_a_rule_that_does_not_take_the_events_is_reported(lab: LabUnderTest) -> None:
    lab.control("POST", "/rule", {"without": ["Attempts"]})
    made = run(lab, RUNBOOK)
    assert bad(made) == ["VD-PREFLIGHT-005"]
    assert "it lacks Attempts" in made.text

    foreign = run(lab, RUNBOOK, environ={"VIBEDATA_DCR_ID": "dcr-" + "0" * 32})
    assert "VD-PREFLIGHT-006" in bad(foreign)


def test_no_answer_of_a_hostile_publisher_ends_it(lab: LabUnderTest) -> None:
    with ScriptedServer(lab.directory).running() as hostile:
        hostile.play(Answer(body=bytes(10_000_000)), Answer(headers={"Location": "https://[", "Date": "x"}, status=307))
        for _ in range(2):
            made = run(lab, RUNBOOK, environ={"VIBEDATA_PUBLISHER_API": hostile.url})
            assert (made.exit_code, made.result["report"]["bad"]) == (0, []), made.text
        assert len(hostile.requests) == 2


class WrongClock(QuickClock):
    """A machine's clock that is five minutes ahead."""

    def now(self) -> datetime:
        return super().now() + timedelta(minutes=5)


def test_a_clock_that_differs_is_reported(lab: LabUnderTest) -> None:
    made = run(lab, RUNBOOK, clock=WrongClock())
    assert bad(made) == ["VD-PREFLIGHT-003"]
    assert "ahead of Azure Resource Manager's" in made.text


def test_a_role_that_is_missing_is_reported_with_the_line_that_assigns_it(automation: Automation) -> None:
    grant(automation, set(NEEDED) - {IMPORT_IMAGES}, judged="everybody")
    made = run(automation.lab, RUNBOOK)
    assert "VD-PREFLIGHT-001" in bad(made)
    assert "az role assignment create --assignee" in made.text
    assert f'--role "{IMPORT_IMAGES.role}"' in made.text


def deny(automation: Automation, below: str = "", **other: object) -> None:
    """Deny the writing of tables in the managed resource group, or `below` it."""
    grant(automation, NEEDED, judged="everybody")
    subscription, group = automation.lab.env["VIBEDATA_SUBSCRIPTION_ID"], automation.lab.env["VIBEDATA_RESOURCE_GROUP"]
    denial: dict[str, Any] = {
        "name": "System deny assignment of a managed application",
        "scope": f"/subscriptions/{subscription}/resourceGroups/{group}{below}",
        "actions": [],
        "data_actions": ["Microsoft.Storage/storageAccounts/tableServices/tables/entities/write"],
        "excluded": ["00000000-1111-2222-3333-444444444444"],
        **other,
    }
    automation.lab.control("POST", "/authorization", {"judged": "everybody", "denials": [denial]})


def test_a_deny_assignment_is_read_beside_the_roles(automation: Automation) -> None:
    deny(automation)
    made = run(automation.lab, RUNBOOK)
    assert bad(made) == ["VD-PREFLIGHT-002"]
    assert WRITE_TABLES.purpose in made.text
    assert "System deny assignment of a managed application" in made.text


def test_a_deny_assignment_that_applies_elsewhere_stops_nothing(automation: Automation) -> None:
    account = "/providers/Microsoft.Storage/storageAccounts/vibedatastorage"
    deny(automation, below=f"{account}/blobServices/default/containers/release-manifests")
    assert run(automation.lab, RUNBOOK).exit_code == 0
    deny(automation, own_scope_only=True)
    assert run(automation.lab, RUNBOOK).exit_code == 0
    deny(automation, below=account, own_scope_only=True)
    assert bad(run(automation.lab, RUNBOOK)) == ["VD-PREFLIGHT-002"]


def test_a_deny_assignment_with_a_condition_is_unknown(automation: Automation) -> None:
    deny(
        automation, condition="@Resource[Microsoft.Storage/storageAccounts/tableServices/tables:name] StringEquals 'a'"
    )
    made = run(automation.lab, RUNBOOK)
    assert (made.exit_code, made.result["report"]["bad"]) == (0, []), made.text
    unknown = made.result["report"]["unknown"]
    assert unknown and all("may apply: it has a condition" in each for each in unknown)


def test_what_must_not_be_read_is_unknown_and_never_good(lab: LabUnderTest) -> None:
    lab.fault("status", status=403, match={"service": "arm", "path": "Microsoft.Authorization/permissions"}, times=0)
    made = run(lab, RUNBOOK)
    report = made.result["report"]
    assert (made.exit_code, report["good"], report["bad"]) == (0, 21, [])
    assert "unknown" in made.text
