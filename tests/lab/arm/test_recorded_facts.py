"""Some facts are known only from recorded answers of real Azure.

The lab answers in the same way, and clients can go on.
"""

import json
import os
from collections.abc import Mapping
from typing import Any

import pytest
import requests
from azure.core.exceptions import HttpResponseError
from azure.mgmt.automation import models as m

from lab.names import registry_password
from runbook_lib.automation import writing
from runbook_lib.automation.account import AutomationAccount
from runbook_lib.azure.settings import load
from runbook_lib.errors import RunbookError
from tests.support import oci_client as oci
from tests.support.automation import ENVIRONMENT, RUNBOOK, Automation, automation, upload, wait_for, wheel
from tests.support.image_imports import body, headers, post, url
from tests.support.running_lab import LabUnderTest

TEXT = "import time\ntime.sleep(60)\n"


def send(lab: LabUnderTest, method: str, path: str, **sent: Any) -> requests.Response:
    """Ask ARM below the Automation account."""
    account = f"{url(lab).partition('/providers/')[0]}/providers/Microsoft.Automation/automationAccounts/"
    address = f"{lab.env['VIBEDATA_ARM_ENDPOINT']}{account}{lab.env['VIBEDATA_AUTOMATION_ACCOUNT']}/{path}"
    sent["headers"] = {**headers(lab), **sent.get("headers", {})}
    return requests.request(method, address, params={"api-version": "2024-10-23"}, timeout=60, **sent)


def test_automations_operations_are_below_the_runbook_and_end_with_an_empty_200(lab: LabUnderTest) -> None:
    with automation(lab) as account:
        account.environment()
        account.publish(TEXT)
    plain = {"Content-Type": "text/plain"}
    accepted = send(lab, "PUT", f"runbooks/{RUNBOOK}/draft/content", data="print()", headers=plain)
    operation = accepted.headers["ocp-automation-operationresultid"]
    assert accepted.status_code == 202
    location = accepted.headers["Location"]
    assert f"/automationAccounts/{lab.env['VIBEDATA_AUTOMATION_ACCOUNT']}/runbooks/{RUNBOOK}/" in location
    assert location.partition("?")[0].endswith(f"/operationResults/{operation}")
    ended = wait_for(
        lambda: requests.get(location, headers=headers(lab), timeout=60), lambda answer: answer.status_code != 202
    )
    assert (ended.status_code, ended.content, ended.headers["Content-Type"].partition(";")[0]) == (
        200,
        b"",
        "text/plain",
    )


def test_types_have_automations_capitals_and_none_in_the_groups_listing(lab: LabUnderTest) -> None:
    with automation(lab) as account:
        account.environment()
        account.publish(TEXT)
    assert send(lab, "GET", f"runbooks/{RUNBOOK}").json()["type"] == "Microsoft.Automation/AutomationAccounts/Runbooks"
    group = url(lab).partition("/providers/")[0]
    address = f"{lab.env['VIBEDATA_ARM_ENDPOINT']}{group}/resources?api-version=2021-04-01"
    listed = requests.get(address, headers=headers(lab), timeout=60).json()["value"]
    types = {one["type"] for one in listed if one["name"].endswith(RUNBOOK)}
    assert types == {"Microsoft.Automation/automationAccounts/runbooks"}


def test_jobs_have_buckets_of_their_own_and_a_short_form_in_lists(lab: LabUnderTest) -> None:
    with automation(lab) as account:
        account.environment()
        account.publish("print(1)\n")
        job = account.start({"a": "b"})
        account.ended(job)
    read = send(lab, "GET", f"jobs/{job}")
    left = int(read.headers["x-ms-ratelimit-remaining-subscription-resource-requests"])
    assert 500 < left < 600
    assert "x-ms-ratelimit-remaining-subscription-reads" not in read.headers
    again = send(lab, "PUT", f"jobs/{job}", json={"properties": {"runbook": {"name": RUNBOOK}}})
    assert again.status_code == 200  # this name exists already
    assert 1900 < int(again.headers["x-ms-ratelimit-remaining-subscription-resource-requests"]) < 2000
    (listed,) = send(lab, "GET", "jobs").json()["value"]
    only = {"exception", "parameters", "statusDetails", "lastStatusModifiedTime"}
    assert only <= set(read.json()["properties"])
    assert not only & set(listed["properties"])


def test_a_package_has_an_error_from_the_start_and_no_version_yet(lab: LabUnderTest) -> None:
    lab.control("POST", "/packages", {"name": "tiny", "state": "stuck"})
    with automation(lab) as account:
        account.environment()
        link = m.ContentLink(uri=upload(lab, *wheel("tiny", {"tiny.py": ""})), version="1.0")
        content = m.PackageCreateOrUpdateParameters(properties=m.PackageCreateOrUpdateProperties(content_link=link))
        account.client.package.create_or_update(*account.at, ENVIRONMENT, "tiny", content)
        held = own_account(account).packages(ENVIRONMENT)["tiny"]
    properties = send(lab, "GET", f"runtimeEnvironments/{ENVIRONMENT}/packages/tiny").json()["properties"]
    assert properties["error"] == {"code": None, "message": None}
    assert (properties["version"], properties["sizeInBytes"], properties["provisioningState"]) == (None, 0, "Creating")
    assert (held.state, held.version, held.error) == ("Creating", None, "")


def test_system_environments_are_there_and_cannot_be_changed(lab: LabUnderTest) -> None:
    with automation(lab) as account:
        client, at = account.client, account.at
        every = list(client.runtime_environments.list_by_automation_account(*at))
        assert len(every) == 6
        runtime = m.RuntimeProperties(language="Python", version="3.10")
        made = m.RuntimeEnvironment(location="westeurope", properties=m.RuntimeEnvironmentProperties(runtime=runtime))
        with pytest.raises(HttpResponseError, match="system-generated"):
            client.runtime_environments.create(*at, "Python-3.10", made)
        with pytest.raises(HttpResponseError, match="system-generated"):
            client.runtime_environments.delete(*at, "Python-3.8")
        assert own_account(account).environment("python-3.8") == "Python 3.8"
        account.publish("print(1)\n", environment="Python-3.10")
        assert account.ended(account.start()).status == "Completed"
        account.client.runbook.delete(*at, RUNBOOK)
        account.publish("print(1)\n", environment="Python-2.7")
        assert "Python 2.7" in str(account.ended(account.start()).exception)


def test_an_accepted_import_has_null_as_its_body(lab: LabUnderTest) -> None:
    oci.publisher(lab).push("vibedata/probe", oci.image(b"layer"), "1")
    accepted = post(lab, body(lab, "vibedata/probe:1", "vibedata/probe"))
    assert (accepted.status_code, accepted.json()) == (202, None)
    path = accepted.headers["Location"].partition("?")[0]
    assert "/providers/Microsoft.ContainerRegistry/locations/westeurope/operationResults/registries-" in path


def test_passwords_have_characters_that_addresses_must_escape(lab: LabUnderTest) -> None:
    assert all(len(one) == 32 and {*"+/="} <= {*one} for one in (registry_password() for _ in range(20)))
    registry = oci.scoped_token(lab)
    assert {*"+/="} <= {*registry.password}
    assert registry.token("repository:vibedata/probe:pull")


@pytest.mark.parametrize("form", ["wrapped", "bare", "text"])
def test_an_error_of_any_form_names_its_code(lab: LabUnderTest, form: str) -> None:
    fault: Mapping[str, Any] = {"status": 409, "code": "JobConflict", "form": form}
    lab.fault("status", match={"service": "arm", "path": "/variables/"}, **fault)
    with automation(lab) as account, pytest.raises(RunbookError) as raised:
        writing.set_variable(own_account(account), "v", "x")
    assert raised.value.code == "VD-AUTOMATION-008"
    assert "409 JobConflict: Injected by the lab." in raised.value.message
    lab.fault("status", match={"service": "arm"}, **fault)
    answer = send(lab, "GET", "variables").json()
    error = {"code": "JobConflict", "message": "Injected by the lab."}
    assert (json.loads(answer) if form == "text" else answer) == (error if form == "bare" else {"error": error})


def own_account(account: Automation) -> AutomationAccount:
    """Return the runbooks' own reader of the account."""
    settings = load({}, os.environ, None)
    return AutomationAccount(client=account.client, settings=settings)


def test_a_vaults_control_plane_has_the_version_that_stays(lab: LabUnderTest) -> None:
    group = url(lab).partition("/providers/")[0]
    vault = f"{group}/providers/Microsoft.KeyVault/vaults/vibedata-kv?api-version=2026-02-01"
    answer = requests.get(lab.env["VIBEDATA_ARM_ENDPOINT"] + vault, headers=headers(lab), timeout=60)
    assert answer.status_code == 200
    assert "managedBy" not in answer.json() and "createdTime" not in answer.json()


def test_resource_health_spells_occured_so(lab: LabUnderTest) -> None:
    group = url(lab).partition("/providers/")[0]
    path = f"{group}/providers/Microsoft.ResourceHealth/availabilityStatuses?api-version=2025-05-01"
    answer = requests.get(lab.env["VIBEDATA_ARM_ENDPOINT"] + path, headers=headers(lab), timeout=60)
    statuses = answer.json()["value"]
    assert statuses and all("occuredTime" in one["properties"] for one in statuses)
