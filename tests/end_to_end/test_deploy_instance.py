"""A template starts a deployment: one job runs the customer's part, and the publisher does nothing."""

import time
import uuid
from collections.abc import Iterator, Mapping
from typing import Any

import pytest
from azure.core.rest import HttpRequest
from azure.identity import ManagedIdentityCredential
from azure.keyvault.secrets import SecretClient

from runbook_lib.deployment_lock.lock import holding
from runbooks import deploy_instance
from tests.end_to_end.deployed import POLL_SECONDS, WAIT_SECONDS, Deployed, EndedJob, Release, wanted
from tests.support.automation import upload
from tests.support.lock_rig import break_lease, deployment, lease_state, places
from tests.support.log_reader import table_rows
from tests.support.operations_chain import verify_chain
from tests.support.template import documents
from vibedata.template.evaluation import snapshot
from vibedata.template.values import Place, Snapshot

NAME = deploy_instance.NAME
PARTS = [part.runbook.name for part in deploy_instance.RUNBOOK.parts]
API_VERSION = "2024-10-23"
# A sandbox has 400 MB (docs/azure-facts.md#python-and-its-limits).
AIM_BYTES = 160 * 1024 * 1024
KILLED = -9


@pytest.fixture(scope="module")
def pushed(own_deployed: Deployed) -> Iterator[Release]:
    """A release at the publisher. The template's module bootstrap has made the parts that take minutes in Azure."""
    release = own_deployed.release()
    with pytest.MonkeyPatch.context() as patch:
        for name, value in own_deployed.lab.env.items():
            patch.setenv(name, value)
        (wheel,) = (release.folder / "deployment-script").glob("vibedata_runbook_packages-*.whl")
        link = upload(own_deployed.lab, wheel.name, wheel.read_bytes())
        made = bootstrap(own_deployed, packages=link)
        for kind in ("runtimeEnvironments", "runtimeEnvironments/packages"):
            put(own_deployed, made, kind)
        wait_for_packages(own_deployed)
    yield release


@pytest.fixture
def release(own_deployed: Deployed, pushed: Release, pointed_at_the_lab: None) -> Release:  # noqa: ARG001 - its clients only ask the lab
    """A release at the publisher. Its deploy_instance is published as the template does it."""
    text = (pushed.folder / "runbooks" / f"{NAME}.py").read_bytes()
    link = upload(own_deployed.lab, f"{NAME}.py", text)
    put(own_deployed, bootstrap(own_deployed, runbook=link), "runbooks")
    return pushed


def bootstrap(deployed: Deployed, *, packages: str = "", runbook: str = "") -> Snapshot:
    """Return the resources that infra/modules/bootstrap.bicep makes for these links."""
    given = {
        "location": "westeurope",
        "automationAccountName": deployed.lab.env["VIBEDATA_AUTOMATION_ACCOUNT"],
        "packagesUri": packages,
        "runbookName": NAME,
        "runbookUri": runbook,
    }
    return snapshot(documents(), "modules/bootstrap.bicep", given, Place())


def put(deployed: Deployed, made: Snapshot, kind: str) -> Any:
    """PUT the only resource of a kind below the account, as Resource Manager does for a template."""
    (resource,) = made.of_type(f"Microsoft.Automation/automationAccounts/{kind}")
    names = resource.name.split("/")[1:]
    path = "/".join(part for pair in zip(kind.split("/"), names, strict=True) for part in pair)
    return arm(
        deployed, path, {name: value for name, value in resource.body.items() if name not in ("name", "dependsOn")}
    )


def wait_for_packages(deployed: Deployed) -> None:
    """Wait as Resource Manager does before it makes the resources that depend on the packages."""
    deadline = time.monotonic() + WAIT_SECONDS
    path = "runtimeEnvironments/vibedata-bootstrap/packages/vibedata_runbook_packages"
    while (state := arm(deployed, path, None)["properties"]["provisioningState"]) != "Succeeded":
        assert state != "Failed" and time.monotonic() < deadline
        time.sleep(POLL_SECONDS)


def arm(deployed: Deployed, path: str, body: Mapping[str, Any] | None) -> Any:
    """PUT a resource below the account. Without a body, GET it."""
    env = deployed.lab.env
    url = (
        f"{env['VIBEDATA_ARM_ENDPOINT']}/subscriptions/{env['VIBEDATA_SUBSCRIPTION_ID']}"
        f"/resourceGroups/{env['VIBEDATA_RESOURCE_GROUP']}/providers/Microsoft.Automation"
        f"/automationAccounts/{env['VIBEDATA_AUTOMATION_ACCOUNT']}/{path}?api-version={API_VERSION}"
    )
    request = HttpRequest("GET", url) if body is None else HttpRequest("PUT", url, json=body)
    answer = deployed.automation.client.send_request(request)
    assert answer.status_code in (200, 201), answer.text()
    return answer.json()


def start(deployed: Deployed, **parameters: object) -> str:
    """Start a job with the resource that infra/modules/deploymentJob.bicep makes."""
    job = str(uuid.uuid4())
    given = {
        "automationAccountName": deployed.lab.env["VIBEDATA_AUTOMATION_ACCOUNT"],
        "runbookName": NAME,
        "jobName": job,
        "parameters": parameters,
    }
    made = snapshot(documents(), "modules/deploymentJob.bicep", given, Place())
    assert put(deployed, made, "jobs")["properties"]["provisioningState"] == "Processing"
    return job


def statuses(job: EndedJob) -> dict[str, str]:
    return {part["runbook"]: part["status"] for part in job.result["parts"]}


def state(deployed: Deployed, release: Release) -> dict[str, Any]:
    """Return everything that a deployment must have made."""
    account = deployed.automation
    scripts = sorted((release.folder / "runbooks").glob("*.py"))
    texts = {each.stem: account.client.runbook.get_content(*account.at, each.stem).encode() for each in scripts}
    return {
        "installed": deployed.installed(release) == wanted(release),
        "published": texts == {each.stem: each.read_bytes() for each in scripts},
        "lock": lease_state(places(deployed.lab.env)[1]),
    }


GOOD = {"installed": True, "published": True, "lock": "available"}


def test_a_job_that_a_template_starts_deploys_and_does_nothing_twice(own_deployed: Deployed, release: Release) -> None:
    planned = own_deployed.wait(start(own_deployed, plan_only=True))
    assert (planned.status, planned.result["status"]) == ("Completed", "planned"), planned.text
    assert [part["runbook"] for part in planned.result["parts"]] == PARTS[:2]
    assert "import_images cannot plan before the changes above are made" in planned.output
    assert planned.writes == []

    job_id = start(own_deployed)
    job = own_deployed.wait(job_id)
    assert job.status == "Completed", f"{job.exception}\n{job.text}"
    assert job.result["correlation_id"] == job_id
    assert statuses(job) == dict.fromkeys(PARTS, "succeeded")
    assert job.result["changed"] == sum(part["changed"] for part in job.result["parts"]) > 0
    assert [line for line in job.output.splitlines() if line.startswith("{")] == job.output.splitlines()[-1:]
    assert own_deployed.record(job_id)["peak_memory_bytes"] < AIM_BYTES
    assert state(own_deployed, release) == GOOD
    # They have one correlation id. Each part has its own chain of events, and so has the job.
    rows = [row for row in table_rows(own_deployed.lab) if row["CorrelationId"] == job_id]
    assert {row["Runbook"] for row in rows if row["RunId"] in runs(job)} == {NAME, *PARTS}
    assert [problem for problem in verify_chain(rows) if problem.run_id in runs(job)] == []
    # The job cannot use the publisher's storage. So it holds only the instance's lock.
    leased = {entry["path"].split("?")[0] for entry in job.requests if "comp=lease" in entry["path"]}
    assert [path.rpartition("/locks/")[2] for path in leased] == ["deployment"]

    again = own_deployed.wait(start(own_deployed))
    assert again.status == "Completed", again.text
    always = {"check_health": "succeeded"}
    assert statuses(again) == {**dict.fromkeys(PARTS, "unchanged"), **always}


def killed(deployed: Deployed, match: Mapping[str, object]) -> None:
    """Start a job that is killed at the request of `match`."""
    deployed.lab.fault("kill_job", match=match)
    job = deployed.wait(start(deployed))
    (fault,) = deployed.lab.control("GET", "/faults")["faults"]
    deployed.lab.control("DELETE", "/faults")
    assert (fault["applied"], deployed.record(job.id)["exit_code"]) == (1, KILLED), (match, job.text)


# One moment in each part that writes.
KILLED_AT: tuple[Mapping[str, object], ...] = (
    {"service": "blob", "method": "PUT", "path": "/release-manifests/", "nth": 2},
    {"service": "arm", "method": "POST", "path": "/importImage", "nth": 5},
    {"service": "arm", "method": "POST", "path": "/publish", "nth": 3},
    {"service": "arm", "method": "PUT", "path": "/jobs/", "nth": 4},
    {"service": "table", "method": "POST", "path": "batch", "nth": 1},
)


@pytest.mark.usefixtures("release")
def test_a_job_that_was_killed_again_and_again_comes_to_the_same_end(own_deployed: Deployed) -> None:
    release = own_deployed.release()
    place = places(own_deployed.lab.env)[1]
    since = own_deployed.last_request()
    for number, match in enumerate(KILLED_AT):
        killed(own_deployed, match)
        assert lease_state(place) == "leased", match
        if number:  # the first time nobody helps: the next job waits until the lease has ended
            break_lease(place)
    ended = own_deployed.wait(start(own_deployed))
    assert ended.status == "Completed", ended.text
    assert state(own_deployed, release) == GOOD
    taken = [e for e in own_deployed.lab.journal(since=since) if "/importImage" in e["path"] and e["status"] == 202]
    assert len(taken) == len(release.pins) + 3  # the manifest under two tags, and its signature; nothing came twice
    problems = verify_chain(table_rows(own_deployed.lab))
    assert {problem.kind for problem in problems if problem.run_id in runs(ended)} == set()
    assert {problem.kind for problem in problems} <= {"open", "copy"}


@pytest.mark.usefixtures("release")
def test_another_deployment_keeps_it_out(own_deployed: Deployed) -> None:
    with holding(deployment(own_deployed.lab.env, who="ada@desk"), places(own_deployed.lab.env), wait_seconds=0):
        refused = own_deployed.wait(start(own_deployed, wait_seconds=0))
    assert (refused.status, own_deployed.record(refused.id)["exit_code"]) == ("Failed", 3)
    assert refused.result["error"]["code"] == "VD-LOCK-001"
    assert "held by ada@desk, since " in refused.result["error"]["message"]
    assert [entry for entry in refused.requests if entry["service"] == "arm"] == []


@pytest.mark.usefixtures("release")
def test_another_instances_tables_keep_it_out(own_deployed: Deployed) -> None:
    other = own_deployed.wait(start(own_deployed, settings={"resource_group": "another-group"}))
    assert (other.status, other.result["error"]["code"]) == ("Failed", "VD-COMPONENT-008")
    assert "resource group another-group; the tables are of instance" in other.result["error"]["message"]
    assert [entry for entry in other.requests if "comp=lease" in entry["path"]] == []
    assert other.writes == []


@pytest.mark.usefixtures("release")
def test_without_the_first_token_it_says_what_to_do(own_deployed: Deployed) -> None:
    with (
        ManagedIdentityCredential(client_id=own_deployed.lab.env["VIBEDATA_UAMI_CLIENT_ID"]) as credential,
        SecretClient(own_deployed.lab.env["VIBEDATA_KEY_VAULT_ENDPOINT"], credential) as vault,
    ):
        vault.begin_delete_secret("publisher-acr-token").wait()
        try:
            job = own_deployed.wait(start(own_deployed))
        finally:
            vault.begin_recover_deleted_secret("publisher-acr-token").wait()
    error = job.result["error"]
    assert (job.status, error["code"]) == ("Failed", "VD-VAULT-001")
    assert "vibedata deploy" in error["remedy"]


def runs(job: EndedJob) -> set[str]:
    return {job.result["run_id"], *(part["run_id"] for part in job.result["parts"])}
