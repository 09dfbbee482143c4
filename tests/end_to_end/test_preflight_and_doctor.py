"""`vibedata preflight` and `vibedata doctor` with published runbooks: the checks from here, and the checks of a job."""

from typing import Any

from azure.core.rest import HttpRequest
from azure.data.tables import TableServiceClient
from azure.identity import ManagedIdentityCredential

from runbook_lib.component_registry.schema import CREDENTIALS
from runbook_lib.health.schedule import schedule_name
from tests.end_to_end.deployed import Deployed

CHAIN = ("import_manifest", "import_images", "publish_runbooks", "bootstrap_registry", "check_health")


def closed(deployed: Deployed, access: str) -> None:
    """Let the customer's vault say that its public network access is `access`."""
    names = deployed.lab.control("GET", "/names")
    url = (
        f"{deployed.lab.env['VIBEDATA_ARM_ENDPOINT']}/subscriptions/{names['subscription_id']}/resourceGroups"
        f"/{names['resource_group']}/providers/Microsoft.KeyVault/vaults/{names['key_vault']}?api-version=2024-11-01"
    )
    body = {"location": "westeurope", "properties": {"publicNetworkAccess": access}}
    deployed.automation.client.send_request(HttpRequest("PUT", url, json=body)).raise_for_status()


def rows(told: dict[str, Any], state: str) -> list[dict[str, Any]]:
    return [row for row in told["rows"] if row["state"] == state]


def test_the_preflight_says_from_where_it_has_seen_each_row(own_deployed: Deployed) -> None:
    own_deployed.release()
    since = own_deployed.last_request()
    told = own_deployed.vibedata_json("preflight")
    assert (told["status"], rows(told, "bad"), rows(told, "unknown")) == ("good", [], [])
    by_subject = {row["subject"]: row for row in told["rows"]}
    assert by_subject["clock"]["seen_from"] == ["here", "sandbox"]
    assert by_subject["resource providers"]["seen_from"] == ["here"]
    assert "repositories of release" in by_subject["publisher's registry token"]["detail"]
    (job,) = {entry["job_id"] for entry in own_deployed.lab.journal(since=since) if entry["job_id"]}
    asked = {
        (entry["service"], entry["method"])
        for entry in own_deployed.lab.journal(job_id=job)
        if entry["service"] not in ("entra", "identity") and "/oauth2/" not in entry["path"]
    }
    assert {method for _, method in asked} <= {"GET", "HEAD"}, asked

    closed(own_deployed, "Disabled")
    told = own_deployed.vibedata_json("preflight", code=1)
    closed(own_deployed, "Enabled")
    found = {(row["subject"], *row["seen_from"]): row for row in rows(told, "bad")}
    assert {row["code"] for row in found.values()} == {"VD-PREFLIGHT-007"}
    here = found["way of a cloud sandbox to the Key Vault", "here"]
    assert here["line"].startswith("az keyvault update --subscription ")
    assert ("publisher's registry token", "sandbox") in found
    # The person who deploys has another identity than a job. A refusal for a shell says nothing about the runbooks.
    assert ("publisher's registry token", ["here"]) in [
        (row["subject"], row["seen_from"]) for row in rows(told, "unknown")
    ]


def test_the_doctor_looks_at_what_runs(own_deployed: Deployed) -> None:
    own_deployed.release()
    for name in CHAIN:
        own_deployed.succeed(name)
    own_deployed.vibedata_json("rotate-hmac")
    told = own_deployed.vibedata_json("doctor")
    assert rows(told, "bad") == []
    # The release has no component that is probed.
    assert [(row["subject"], "health" in row["detail"]) for row in rows(told, "unknown")] == [("status", True)]
    good = {row["subject"] for row in rows(told, "good")}
    assert good >= {
        "component registry",
        "credentials",
        "schedule of check_health",
        "runbooks and packages",
        "spool operations-spool",
        "spool callbacks-spool",
    }

    account = own_deployed.automation
    account.client.schedule.update(
        *account.at,
        schedule_name("check_health"),
        {"name": schedule_name("check_health"), "properties": {"isEnabled": False}},
    )
    account.client.runbook.delete(*account.at, "import_images")
    assert own_deployed.run("import_manifest", release_tag="no-such-tag").status == "Failed"
    with (
        ManagedIdentityCredential(client_id=own_deployed.lab.env["VIBEDATA_UAMI_CLIENT_ID"]) as credential,
        TableServiceClient(own_deployed.lab.env["VIBEDATA_TABLE_ENDPOINT"], credential=credential) as tables,
    ):
        tables.delete_table(CREDENTIALS)
    told = own_deployed.vibedata_json("doctor", "--only-here", code=1)
    found = {row["code"]: row for row in rows(told, "bad")}
    assert set(found) == {"VD-DOCTOR-001", "VD-DOCTOR-002", "VD-DOCTOR-004", "VD-AUTOMATION-010"}, told
    assert CREDENTIALS in found["VD-DOCTOR-001"]["detail"]
    assert "isEnabled" in found["VD-DOCTOR-002"]["line"]
    assert "import_manifest" in found["VD-DOCTOR-004"]["detail"]
    assert found["VD-AUTOMATION-010"]["subject"] == "runbook import_images"
