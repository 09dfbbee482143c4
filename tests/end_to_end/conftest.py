"""One lab with published runbooks for these tests (in each worker). Each test makes its own releases in it."""

from collections.abc import Iterator
from contextlib import ExitStack, contextmanager

import pytest
from azure.data.tables import TableServiceClient
from azure.identity import ManagedIdentityCredential
from azure.mgmt.automation import AutomationClient

from runbook_lib.component_registry.policies import NETWORK_RETRY_POLICIES, PARTITION, POLICIES
from tests.end_to_end.deployed import Deployed
from tests.support import running_lab
from tests.support.automation import Automation
from tests.support.running_lab import LabUnderTest

# Automation takes 5 package imports in 30 s. tests/lab/automation/test_automation.py checks that the lab does so.
WINDOW_SECONDS = 0.1
DELAY_SECONDS = 0.1


# The lab ends with this folder's last test. Until the end of the session its servers would only use memory.
@pytest.fixture(scope="package")
def deployed(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Deployed]:
    with _deployed(tmp_path_factory) as made:
        yield made


@pytest.fixture(scope="module")
def own_deployed(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Deployed]:
    """A lab for one module.

    Its tests rotate a credential, and the tests of other modules need a credential that nobody has rotated.
    """
    with _deployed(tmp_path_factory) as made:
        yield made


@contextmanager
def _deployed(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Deployed]:
    with ExitStack() as stack:
        lab = stack.enter_context(running_lab.running(tmp_path_factory.mktemp("lab")))
        patch = stack.enter_context(pytest.MonkeyPatch.context())
        running_lab.point_at(lab, patch)
        made = Deployed(
            lab=lab,
            folder=tmp_path_factory.mktemp("releases"),
            automation=stack.enter_context(_automation(lab)),
        )
        lab.latency(operation="packageImportWindow", seconds=WINDOW_SECONDS)
        _publish(made)
        _be_impatient(lab)
        patch.undo()
        yield made


@contextmanager
def _automation(lab: LabUnderTest) -> Iterator[Automation]:
    """Open a client that waits if ARM throttles, because these tests read hundreds of streams.

    The client of tests/support/automation.py does not wait.
    """
    with (
        ManagedIdentityCredential(client_id=lab.env["VIBEDATA_UAMI_CLIENT_ID"]) as credential,
        AutomationClient(
            credential,
            lab.env["VIBEDATA_SUBSCRIPTION_ID"],
            base_url=lab.env["VIBEDATA_ARM_ENDPOINT"],
            credential_scopes=["https://management.azure.com/.default"],
        ) as client,
    ):
        group, account = lab.env["VIBEDATA_RESOURCE_GROUP"], lab.env["VIBEDATA_AUTOMATION_ACCOUNT"]
        yield Automation(lab=lab, client=client, group=group, account=account)


def _publish(made: Deployed) -> None:
    """Deploy a release that has not been pushed yet.

    Its runbooks are published, and the first one reports what is missing.
    """
    deployment = made.vibedata_json("deploy", str(made.build().folder), code=1)
    steps = [(step["name"], step["status"], (step["error"] or {}).get("code")) for step in deployment["steps"]]
    assert steps == [
        *((name, "succeeded", None) for name in ("lock", "preflight", "first_runbooks")),
        ("first_registry_token", "unchanged", None),
        ("import_manifest", "failed", "VD-MANIFEST-001"),
        ("report", "succeeded", None),
    ]


@pytest.fixture(autouse=True)
def pointed_at_the_lab(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """For tests that use the lab: point this process's clients at it, and remove every fault afterwards.

    A job that a test leaves may not have met its fault yet.
    """
    used = [name for name in ("deployed", "own_deployed") if name in request.fixturenames]
    if not used:
        yield
        return
    deployed: Deployed = request.getfixturevalue(used[0])
    running_lab.point_at(deployed.lab, monkeypatch)
    yield
    deployed.lab.control("DELETE", "/faults")


def _be_impatient(lab: LabUnderTest) -> None:
    """Give the customer a network retry policy with short pauses, because the tests of failures wait for them often."""
    with (
        ManagedIdentityCredential(client_id=lab.env["VIBEDATA_UAMI_CLIENT_ID"]) as credential,
        TableServiceClient(lab.env["VIBEDATA_TABLE_ENDPOINT"], credential=credential) as service,
        service.create_table_if_not_exists(POLICIES) as table,
    ):
        key = {"PartitionKey": PARTITION, "RowKey": NETWORK_RETRY_POLICIES}
        table.create_entity({**key, "max_retries": 3, "delay_seconds": DELAY_SECONDS})
