"""The lab's answers agree with the contracts of the installed official clients. Recorded calls are compared with them.

An intended difference is in accepted_differences.json, with its reason. If a difference of that file does not occur any
more, the test fails, too.
"""

import json
import re
from collections import Counter
from collections.abc import Iterator
from datetime import datetime, timedelta, timezone
from io import BytesIO
from pathlib import Path
from typing import Any
from urllib.parse import unquote

import pytest
from azure.containerregistry import ContainerRegistryClient
from azure.core.exceptions import HttpResponseError, ResourceExistsError, ResourceNotFoundError
from azure.data.tables import TableServiceClient
from azure.identity import ManagedIdentityCredential
from azure.keyvault.keys import KeyClient, KeyCurveName
from azure.keyvault.keys.crypto import CryptographyClient, SignatureAlgorithm
from azure.keyvault.secrets import SecretClient
from azure.mgmt.automation import models as m
from azure.mgmt.containerregistry import ContainerRegistryManagementClient
from azure.mgmt.containerregistry.models import (
    GenerateCredentialsParameters,
    TokenUpdateParameters,
    TokenUpdateProperties,
)

from tests.support import oci_client as oci
from tests.support import running_lab, sdk_contracts
from tests.support.arm import SCOPE, resources
from tests.support.automation import ENVIRONMENT, RUNBOOK, automation, wheel
from tests.support.image_imports import body, post, wait
from tests.support.monitor import monitor
from tests.support.running_lab import LabUnderTest

ACCEPTED = Path(__file__).with_name("accepted_differences.json")
REPOSITORY = "vibedata/contract"
# For each client at least this number of operations must occur. Otherwise the comparison has not looked at enough.
MIN_OPERATIONS = 60


@pytest.fixture(scope="module")
def records(tmp_path_factory: pytest.TempPathFactory) -> Iterator[list[dict[str, Any]]]:
    """The recording of what `drive` does."""
    folder = tmp_path_factory.mktemp("contracts")
    with pytest.MonkeyPatch.context() as patch, running_lab.running(folder / "lab", "--record", str(folder)) as lab:
        for name in running_lab.FOREIGN:
            patch.delenv(name, raising=False)
        for name, value in lab.env.items():
            patch.setenv(name, value)
        with ManagedIdentityCredential(client_id=lab.env["VIBEDATA_UAMI_CLIENT_ID"]) as credential:
            drive(lab, credential)
    (path,) = folder.glob("*.jsonl")
    yield [json.loads(line) for line in path.read_text().splitlines()]


def drive(lab: LabUnderTest, credential: ManagedIdentityCredential) -> None:
    """Use everything that the lab offers, with the official clients."""
    lab.control("POST", "/resources", {"count": 5})
    drive_automation(lab)
    drive_vaults(lab, credential)
    drive_registries(lab, credential)
    drive_resources(lab)
    drive_tables(lab, credential)


def drive_automation(lab: LabUnderTest) -> None:
    with automation(lab) as account:
        client, at = account.client, account.at
        client.automation_account.get(*at)
        list(client.usages.list_by_automation_account(*at))
        client.automation_account.update(*at, {"properties": {"sku": {"name": "Basic"}}})
        account.environment()
        account.package(*wheel("tiny", {"tiny.py": "ANSWER = 42\n"}))
        account.package("broken-1.0-py3-none-any.whl", b"no wheel")
        # With a parameter it runs until it is stopped.
        account.publish("import sys, time\nprint('here')\ntime.sleep(60 * (len(sys.argv) - 1))\n")
        job = account.start()
        with pytest.raises(HttpResponseError):
            account.start(job=job)
        list(client.job.list_by_automation_account(*at))
        account.ended(job)
        for record in client.job_stream.list_by_job(*at, job):
            client.job_stream.get(*at, job, str(record.properties and record.properties.job_stream_id))
        account.output(job)
        client.job.stop(*at, account.start({"wait": "yes"}))
        client.runtime_environments.get(*at, "python-3.10")
        list(client.runtime_environments.list_by_automation_account(*at))
        list(client.package.list_by_runtime_environment(*at, ENVIRONMENT))
        client.runbook.get(*at, RUNBOOK)
        client.runbook.get_content(*at, RUNBOOK)
        list(client.runbook.list_by_automation_account(*at))
        client.runbook_draft.begin_replace_content(*at, RUNBOOK, "print('again')\n").result()
        client.runbook_draft.get(*at, RUNBOOK)
        client.runbook_draft.get_content(*at, RUNBOOK)
        client.runbook_draft.undo_edit(*at, RUNBOOK)
        value = m.VariableCreateOrUpdateProperties(value='"x"', is_encrypted=False)
        client.variable.create_or_update(*at, "v", m.VariableCreateOrUpdateParameters(name="v", properties=value))
        client.variable.get(*at, "v")
        list(client.variable.list_by_automation_account(*at))
        client.variable.delete(*at, "v")
        drive_schedules(account)
        client.package.delete(*at, ENVIRONMENT, "tiny")
        client.runbook.delete(*at, RUNBOOK)
        client.runtime_environments.delete(*at, ENVIRONMENT)


def drive_schedules(account: Any) -> None:
    client, at, name = account.client, account.at, "hourly"
    start = datetime.now(timezone.utc) + timedelta(minutes=10)
    made = m.ScheduleCreateOrUpdateProperties(start_time=start, frequency="Hour", interval=1)
    client.schedule.create_or_update(*at, name, m.ScheduleCreateOrUpdateParameters(name=name, properties=made))
    client.schedule.get(*at, name)
    changed = m.ScheduleUpdateParameters(properties=m.ScheduleUpdateProperties(is_enabled=False))
    client.schedule.update(*at, name, changed)
    list(client.schedule.list_by_automation_account(*at))
    link = m.JobScheduleCreateProperties(
        schedule=m.ScheduleAssociationProperty(name=name), runbook=m.RunbookAssociationProperty(name=RUNBOOK)
    )
    link_id = "0f5d7b5c-6a58-4c43-8b39-5b1f31e3b2a1"
    client.job_schedule.create(*at, link_id, m.JobScheduleCreateParameters(properties=link))
    client.job_schedule.get(*at, link_id)
    list(client.job_schedule.list_by_automation_account(*at))
    client.job_schedule.delete(*at, link_id)
    client.schedule.delete(*at, name)


def drive_vaults(lab: LabUnderTest, credential: ManagedIdentityCredential) -> None:
    vault = lab.env["VIBEDATA_KEY_VAULT_ENDPOINT"]
    with SecretClient(vault, credential) as secrets, KeyClient(vault, credential) as keys:
        secrets.set_secret("one", "a value", content_type="text/plain", tags={"a": "b"})
        secrets.get_secret("one")
        secrets.update_secret_properties("one", enabled=True, expires_on=datetime.now(timezone.utc))
        assert list(secrets.list_properties_of_secret_versions("absent")) == []
        list(secrets.list_properties_of_secret_versions("one"))
        list(secrets.list_properties_of_secrets())
        secrets.begin_delete_secret("one").wait()
        assert list(secrets.list_properties_of_secret_versions("one")) == []
        secrets.get_deleted_secret("one")
        list(secrets.list_deleted_secrets())
        secrets.begin_recover_deleted_secret("one").wait()
        secrets.begin_delete_secret("one").wait()
        secrets.purge_deleted_secret("one")
        key = keys.create_ec_key("signer", curve=KeyCurveName.p_256)
        keys.create_rsa_key("wrapper", size=2048)
        keys.get_key("wrapper")
        keys.update_key_properties("signer", tags={"a": "b"})
        CryptographyClient(key, credential).sign(SignatureAlgorithm.es256, bytes(32))
        assert list(keys.list_properties_of_key_versions("absent")) == []
        list(keys.list_properties_of_key_versions("signer"))
        list(keys.list_properties_of_keys())
        keys.begin_delete_key("wrapper").wait()
        keys.get_deleted_key("wrapper")
        list(keys.list_deleted_keys())
        keys.begin_recover_deleted_key("wrapper").wait()


def drive_registries(lab: LabUnderTest, credential: ManagedIdentityCredential) -> None:
    image = oci.index(oci.image(b"one"), oci.image(b"two"))
    oci.publisher(lab).push(REPOSITORY, image, "1")
    assert wait(lab, post(lab, body(lab, f"{REPOSITORY}:1", f"{REPOSITORY}:1"))).ok
    host = lab.env["VIBEDATA_CUSTOMER_REGISTRY"]
    with ContainerRegistryClient(f"https://{host}", credential) as client:
        list(client.list_repository_names())
        client.get_repository_properties(REPOSITORY)
        list(client.list_tag_properties(REPOSITORY))
        client.get_tag_properties(REPOSITORY, "1")
        list(client.list_manifest_properties(REPOSITORY))
        client.get_manifest_properties(REPOSITORY, image.digest)
        client.get_manifest(REPOSITORY, "1")
        digest, _ = client.upload_blob(REPOSITORY, BytesIO(b"a blob"))
        assert b"".join(client.download_blob(REPOSITORY, digest)) == b"a blob"
        client.set_manifest(REPOSITORY, json.loads(image.children[0].body), tag="2")
        client.delete_tag(REPOSITORY, "2")
        client.delete_manifest(REPOSITORY, image.digest)
        client.delete_repository(REPOSITORY)
    names = lab.control("GET", "/names")
    at = names["publisher_resource_group"], names["publisher_registry"]
    with (
        ManagedIdentityCredential(client_id=lab.env["VIBEDATA_PUBLISHER_CLIENT_ID"]) as publisher,
        ContainerRegistryManagementClient(
            publisher,
            names["publisher_subscription_id"],
            base_url=lab.env["VIBEDATA_ARM_ENDPOINT"],
            credential_scopes=SCOPE,
        ) as arm,
    ):
        arm.registries.get(*at)
        (scope_map,) = arm.scope_maps.list(*at)
        arm.scope_maps.begin_update(*at, str(scope_map.name), {"properties": {"description": "Releases."}})
        (token,) = arm.tokens.list(*at)
        arm.tokens.get(*at, str(token.name))
        parameters = GenerateCredentialsParameters(token_id=str(token.id), name="password2")
        made = arm.registries.begin_generate_credentials(*at, parameters).result()
        values = [str(one.value) for one in made.passwords or ()]
        assert all(len(one) == 32 and {*"+/="} <= {*one} for one in values) and values
        arm.tokens.begin_update(
            *at, str(token.name), TokenUpdateParameters(properties=TokenUpdateProperties(status="enabled"))
        ).result()


def drive_resources(lab: LabUnderTest) -> None:
    where = lab.env["VIBEDATA_RESOURCE_GROUP"]
    with resources(lab) as client:
        client.resource_groups.get(where)
        client.providers.unregister("Microsoft.Web")
        client.providers.register("Microsoft.Web")
        client.providers.get("Microsoft.Web")
        list(client.providers.list())
        list(client.resources.list_by_resource_group(where, expand="createdTime,provisioningState"))
    with monitor(lab) as client:
        for one in client.metric_alerts.list_by_resource_group(where):
            client.metric_alerts.get(where, str(one.name))
        with pytest.raises(ResourceNotFoundError):
            client.metric_alerts.get(where, "absent")
        for query in client.scheduled_query_rules.list_by_resource_group(where):
            client.scheduled_query_rules.get(where, str(query.name))
        for group in client.action_groups.list_by_resource_group(where):
            client.action_groups.get(where, str(group.name))
        list(client.metric_alerts.list_by_subscription())
        list(client.scheduled_query_rules.list_by_subscription())
        list(client.action_groups.list_by_subscription_id())
        for rule in client.data_collection_rules.list_by_resource_group(where):
            client.data_collection_rules.get(where, str(rule.name))


def drive_tables(lab: LabUnderTest, credential: ManagedIdentityCredential) -> None:
    with TableServiceClient(lab.env["VIBEDATA_TABLE_ENDPOINT"], credential=credential) as client:
        table = client.create_table("contract")
        with pytest.raises(ResourceExistsError):
            client.create_table("contract")
        table.create_entity({"PartitionKey": "a", "RowKey": "b", "Value": 1})
        table.get_entity("a", "b")
        table.upsert_entity({"PartitionKey": "a", "RowKey": "b", "Value": 2})
        list(table.list_entities())
        list(client.list_tables())
        table.delete_entity("a", "b")
        table.delete_table()


def compared(records: list[dict[str, Any]]) -> tuple[set[str], set[tuple[str, str]]]:
    """Return the operations that occurred, and the differences of their answers."""
    met, found = set(), set()
    for record in records:
        service, answer = record["service"], record["response"]
        if sdk_contracts.SAME.get(service, service) not in sdk_contracts.PACKAGES or answer is None:
            continue
        path = unquote(record["path"].partition("?")[0])
        path = re.sub(r"^/[^/]+", "", path, count=1) if service == "table" else path
        operation = sdk_contracts.find(service, record["method"], path, answer["status"])
        if operation is None or answer["status"] >= 400:
            continue
        met.add(operation.name)
        text = answer["body"].get("text")
        is_json = any(name.lower() == "content-type" and "json" in value for name, value in answer["headers"])
        content = json.loads(text) if text and is_json else None
        found |= {(operation.name, one) for one in sdk_contracts.differences(operation, answer["status"], content)}
    return met, found


def test_answers_are_as_the_clients_document_them(records: list[dict[str, Any]]) -> None:
    accepted = {(one["operation"], one["difference"]): one["reason"] for one in json.loads(ACCEPTED.read_text())}
    met, found = compared(records)
    assert len(met) >= MIN_OPERATIONS, sorted(met)
    assert found - set(accepted) == set()
    assert set(accepted) - found == set()
    assert all(accepted.values())


def test_errors_have_the_form_that_their_clients_read(records: list[dict[str, Any]]) -> None:
    seen: Counter[str] = Counter()
    for record in records:
        answer = record["response"]
        if answer is None or answer["status"] < 400 or record["method"] == "HEAD" or "text" not in answer["body"]:
            continue
        content = json.loads(answer["body"]["text"])
        if record["service"] in ("arm", "key_vault", "publisher_key_vault"):
            assert {"code", "message"} <= set(content["error"]), record["path"]
            seen[record["service"]] += 1
        elif record["service"].endswith("_registry"):
            assert content["errors"], record["path"]
            assert all({"code", "message"} <= set(one) for one in content["errors"]), record["path"]
            seen[record["service"]] += 1
    assert {"arm", "key_vault", "customer_registry"} <= set(seen), seen


@pytest.mark.parametrize(
    ("change", "difference"),
    [
        ({"managedBy": "x"}, ".managedBy: unknown"),
        ({"properties": {"status": "Asleep"}}, ".properties.status: 'Asleep' is no JobStatus"),
        ({"properties": {"jobId": 7}}, ".properties.jobId: int for str"),
        ({"properties": {"creationTime": "today"}}, ".properties.creationTime: no time: 'today'"),
        ({"properties": []}, ".properties: list for JobProperties"),
    ],
)
def test_a_difference_is_seen(change: dict[str, Any], difference: str) -> None:
    path = "/subscriptions/s/resourceGroups/g/providers/Microsoft.Automation/automationAccounts/a/jobs/j"
    operation = sdk_contracts.find("arm", "GET", path, 200)
    assert operation is not None and operation.name == "Job.get"
    good = {"id": "i", "properties": {"jobId": "j", "status": "New", "creationTime": "2026-11-29T01:00:00+00:00"}}
    assert sdk_contracts.differences(operation, 200, good) == []
    assert sdk_contracts.differences(operation, 200, {**good, **change}) == [difference]
    assert sdk_contracts.differences(operation, 202, good) == ["status 202 is none of [200]"]


def test_what_the_older_generators_models_require_is_required() -> None:
    path = "/subscriptions/s/resourceGroups/g/providers/Microsoft.Insights/metricAlerts/a"
    operation = sdk_contracts.find("arm", "GET", path, 200)
    assert operation is not None and operation.name == "MetricAlerts.get"
    found = sdk_contracts.differences(operation, 200, {"location": "global", "tags": {"a": 1}})
    assert ".properties.severity: required" in found
    assert ".tags[]: int for str" in found
