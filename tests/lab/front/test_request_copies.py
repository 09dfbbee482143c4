"""The lab keeps copies of requests, so that a test can search them afterwards. It keeps no copies for the vaults."""

import asyncio
import base64
import secrets
from collections.abc import Mapping, Sequence
from typing import Any

import pytest
import requests
from aiohttp import web
from azure.data.tables import TableServiceClient
from azure.identity import ManagedIdentityCredential
from azure.keyvault.secrets import SecretClient
from azure.monitor.ingestion import LogsIngestionClient
from azure.storage.blob import BlobServiceClient

from lab.clock import LabClock
from lab.front.gate import Gate
from lab.front.journal import Entry
from lab.front.request_copies import MAX_BODY_BYTES, RequestCopies, RequestCopy, search
from tests.support.running_lab import LabUnderTest

CANARY = secrets.token_hex(16)
ARM = "https://management.azure.com/.default"


def found(lab: LabUnderTest, **sought: str) -> Sequence[Mapping[str, Any]]:
    forms = {name: [base64.b64encode(text.encode()).decode()] for name, text in sought.items()}
    answer = lab.control("POST", "/requests/search", {"since": 0, "sought": forms})
    assert answer["complete"] is True
    assert CANARY not in str(answer)
    result: Sequence[Mapping[str, Any]] = answer["found"]
    return result


def test_a_text_is_found_in_the_requests_to_every_service_except_the_vaults(lab: LabUnderTest) -> None:
    env, names = lab.env, lab.control("GET", "/names")
    variable = (
        f"{env['VIBEDATA_ARM_ENDPOINT']}/subscriptions/{env['VIBEDATA_SUBSCRIPTION_ID']}/resourceGroups/"
        f"{env['VIBEDATA_RESOURCE_GROUP']}/providers/Microsoft.Automation/automationAccounts/"
        f"{env['VIBEDATA_AUTOMATION_ACCOUNT']}/variables/a?api-version=2024-10-23"
    )
    with ManagedIdentityCredential(client_id=env["VIBEDATA_UAMI_CLIENT_ID"]) as credential:
        with BlobServiceClient(env["VIBEDATA_BLOB_ENDPOINT"], credential) as blobs:
            blobs.get_blob_client("artifacts", "a").upload_blob(b"-" * 300_000 + CANARY.encode())
        with TableServiceClient(env["VIBEDATA_TABLE_ENDPOINT"], credential=credential) as tables:
            tables.create_table_if_not_exists("Probe").create_entity({"PartitionKey": "a", "RowKey": "b", "c": CANARY})
        with LogsIngestionClient(env["VIBEDATA_LOGS_ENDPOINT"], credential) as logs:
            stream = f"Custom-{names['operations_table']}"
            logs.upload(env["VIBEDATA_DCR_ID"], stream, [{"Message": CANARY, "Sequence": n} for n in range(100)])
        with SecretClient(env["VIBEDATA_KEY_VAULT_ENDPOINT"], credential) as vault:
            vault.set_secret("a", CANARY)
        bearer = {"Authorization": f"Bearer {credential.get_token(ARM).token}"}
        document = {"name": "a", "properties": {"value": f'"{CANARY}"'}}
        assert requests.put(variable, json=document, headers=bearer, timeout=60).ok
    basic = (env["VIBEDATA_PUBLISHER_REGISTRY_USERNAME"], env["VIBEDATA_PUBLISHER_REGISTRY_PASSWORD"])
    manifest = f"https://{env['VIBEDATA_PUBLISHER_REGISTRY']}/v2/a/manifests/b"
    assert requests.put(manifest, data=CANARY, auth=basic, timeout=60).status_code == 400
    requests.post(env["VIBEDATA_PUBLISHER_API"] + "/body", data=CANARY, timeout=60)
    requests.get(env["VIBEDATA_PUBLISHER_API"] + "/header", headers={"X-Any": CANARY}, timeout=60)
    requests.get(f"{env['VIBEDATA_PUBLISHER_API']}/{CANARY[:8]}?a={CANARY[8:]}", timeout=60)
    form = {"grant_type": "client_credentials", "client_id": "a", "client_secret": CANARY, "scope": ARM}
    entra = lab.control("GET", "/status")["services"]["entra"]
    assert requests.post(f"{entra}/{names['tenant_id']}/oauth2/v2.0/token", data=form, timeout=60).status_code == 400

    hits = found(lab, whole=CANARY, part=CANARY[8:], other=secrets.token_hex(16))
    assert {hit["name"] for hit in hits} == {"whole", "part"}
    services = {hit["service"] for hit in hits if hit["name"] == "whole"}
    assert services == {"blob", "table", "logs", "arm", "publisher_registry", "publisher_api", "entra"}
    api = [hit for hit in hits if hit["service"] == "publisher_api"]
    assert [(hit["name"], hit["method"]) for hit in api] == [
        ("whole", "POST"),
        ("part", "POST"),
        ("whole", "GET"),
        ("part", "GET"),
        ("part", "GET"),
    ]
    assert len(lab.journal(service="key_vault")) > 0
    lab.reset()
    assert found(lab, whole=CANARY) == []


@pytest.mark.parametrize(
    "body",
    [
        [],
        {"since": 0},
        {"since": "0", "sought": {}},
        {"since": 0, "sought": {"a": "YQ=="}},
        {"since": 0, "sought": {"a": []}},
        {"since": 0, "sought": {"a": [""]}},
        {"since": 0, "sought": {"a": [1]}},
        {"since": 0, "sought": {"a": ["?"]}},
    ],
)
def test_a_search_that_would_find_nothing_for_its_form_is_refused(lab: LabUnderTest, body: object) -> None:
    lab.control("POST", "/requests/search", body, status=400)


def entry(number: int) -> Entry:
    return Entry(sequence=number, at=0, service="arm", method="PUT", path="/", api_version="", client="", job_id=None)


def test_a_body_that_is_too_long_is_cut_and_one_that_only_begins_as_gzip_is_searched_as_it_is() -> None:
    copy = RequestCopy(entry=entry(1), head=b"")
    copy.add(b"\x1f\x8b" + b"x" * (MAX_BODY_BYTES - 3))
    before = copy.cut
    copy.add(b"yz")
    assert (before, copy.cut, len(copy.body)) == (False, True, MAX_BODY_BYTES)
    assert [hit["name"] for hit in search([copy], {"y": [b"xy"], "z": [b"z"]})] == ["y"]


def test_the_newest_copies_are_kept_and_a_loss_is_reported() -> None:
    async def scenario() -> None:
        copies = RequestCopies(max_bytes=20_000)
        gate = Gate(clock=LabClock())
        gate.copies = copies
        application = web.Application(middlewares=[gate.middleware("arm")])

        async def handler(request: web.Request) -> web.Response:
            return web.Response(text=str(len(await request.read())))

        application.router.add_route("*", "/{path:.*}", handler)
        runner = web.AppRunner(application, access_log=None)
        await runner.setup()
        await web.TCPSite(runner, "127.0.0.1", 0).start()
        url = f"http://127.0.0.1:{runner.addresses[0][1]}/"
        try:
            for _ in range(5):
                await asyncio.to_thread(requests.put, url, data=b"x" * 5000, timeout=60)
        finally:
            await runner.cleanup()
        kept, complete = copies.kept(0)
        assert ([copy.entry.sequence for copy in kept], complete) == ([3, 4, 5], False)
        assert (len(copies.kept(2)[0]), copies.kept(2)[1]) == (3, True)
        assert copies.kept(1)[1] is False

    asyncio.run(scenario())
