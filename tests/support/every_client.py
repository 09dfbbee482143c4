"""Every client of a run, with one scripted server in place of every service."""

import json
import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import pytest
import requests
from azure.core.credentials import AccessToken, AccessTokenInfo
from azure.mgmt.containerregistry.models import ImportImageParameters, ImportSource

from runbook_lib.azure.clients import AzureClients
from runbook_lib.azure.settings import Settings, load
from runbook_lib.network.requests_retry import send
from runbook_lib.network.retry import NetworkRetryPolicy
from tests.support.fake_clock import FakeClock
from tests.support.scripted_server import Answer, ScriptedServer, json_answer

SUBSCRIPTION = "11111111-2222-3333-4444-555555555555"
RESOURCE = f"/subscriptions/{SUBSCRIPTION}/resourceGroups/g/providers/Microsoft.Storage/storageAccounts/vd"
BODY = b"A manifest's bytes."
IN_RANGE = Answer(
    status=206,
    headers={
        "Content-Range": f"bytes 0-{len(BODY) - 1}/{len(BODY)}",
        "ETag": '"1"',
        "Last-Modified": "Mon, 23 Nov 2026 10:00:00 GMT",
        "Content-Type": "application/octet-stream",
        "x-ms-blob-type": "BlockBlob",
    },
    body=BODY,
)
CREATED = Answer(status=201, headers={"ETag": '"1"', "Last-Modified": "Mon, 23 Nov 2026 10:00:00 GMT"})
NO_CONTENT = Answer(status=204, headers={"ETag": '"1"'})


class StaticCredential:
    """A credential whose token nobody checks, because these tests are about the requests after it."""

    def get_token(self, *_: str, **__: Any) -> AccessToken:
        return AccessToken("token", int(time.time()) + 3600)

    def get_token_info(self, *_: str, **__: Any) -> AccessTokenInfo:
        return AccessTokenInfo("token", int(time.time()) + 3600)


@dataclass
class World:
    """A scripted server, and the clients of a run that uses it as every service."""

    server: ScriptedServer
    clock: FakeClock
    policy: NetworkRetryPolicy
    settings: Settings
    clients: AzureClients

    def send(self, method: str, **options: Any) -> requests.Response:
        return send(
            self.clients.session, method, self.server.url + "/path", policy=self.policy, clock=self.clock, **options
        )


def world_of(server: ScriptedServer, url: str) -> World:
    endpoints = dict.fromkeys(("arm", "blob", "table", "key_vault", "logs"), url)
    given = {
        "subscription_id": SUBSCRIPTION,
        "dcr_id": "dcr-" + "0" * 32,
        **{f"{name}_endpoint": endpoint for name, endpoint in endpoints.items()},
    }
    settings = load({}, {}, json.dumps(given))
    clock = FakeClock()
    clients = AzureClients(
        settings=settings, credential=StaticCredential(), retry_policy_source=lambda: made.policy, clock=clock
    )
    made = World(server=server, clock=clock, policy=NetworkRetryPolicy(), settings=settings, clients=clients)
    return made


@dataclass(frozen=True)
class Operation:
    """One operation of one client: its function, and a good answer to it. method: the request's."""

    name: str
    method: str
    run: Callable[[World], Any]
    good: Answer

    def __str__(self) -> str:
        return self.name


def _get_blob(world: World) -> Any:
    return world.clients.blob_service.get_blob_client("c", "b").download_blob().readall()


def _put_blob(world: World) -> Any:
    return world.clients.blob_service.get_blob_client("c", "b").upload_blob(BODY)


def _list_blobs(world: World) -> Any:
    return list(world.clients.blob_service.get_container_client("c").list_blobs())


def _get_entity(world: World) -> Any:
    return world.clients.table_service.get_table_client("Policies").get_entity("policy", "p")


def _create_entity(world: World) -> Any:
    return world.clients.table_service.get_table_client("T").create_entity({"PartitionKey": "p", "RowKey": "r"})


def _create_table(world: World) -> Any:
    return world.clients.table_service.create_table("T")


def _get_secret(world: World) -> Any:
    return world.clients.secrets.get_secret("s").value


def _get_resource(world: World) -> Any:
    return world.clients.resources.resources.get_by_id(RESOURCE, api_version="2023-05-01")


def _import_image(world: World) -> Any:
    parameters = ImportImageParameters(source=ImportSource(source_image="a@sha256:0", registry_uri="r"))
    return world.clients.container_registry_management.registries.begin_import_image(
        "g", "vdacr", parameters, polling=False
    )


def _upload_logs(world: World) -> Any:
    return world.clients.logs_ingestion.upload("dcr-" + "0" * 32, "Custom-T", [{"a": 1}])


LIST = b'<?xml version="1.0"?><EnumerationResults ContainerName="c"><Blobs/><NextMarker/></EnumerationResults>'
REPEATED = (
    Operation("requests GET", "GET", lambda world: world.send("GET"), Answer(body=BODY)),
    Operation("requests PUT", "PUT", lambda world: world.send("PUT", data=BODY), Answer()),
    Operation("requests marked POST", "POST", lambda world: world.send("POST", repeatable=True), Answer()),
    Operation("blob read", "GET", _get_blob, IN_RANGE),
    Operation("blob write", "PUT", _put_blob, CREATED),
    Operation("blob list", "GET", _list_blobs, Answer(headers={"Content-Type": "application/xml"}, body=LIST)),
    Operation("table read", "GET", _get_entity, json_answer({"PartitionKey": "policy", "RowKey": "p"})),
    Operation("secret read", "GET", _get_secret, json_answer({"value": "v", "id": "https://127.0.0.1/secrets/s/1"})),
    Operation("resource read", "GET", _get_resource, json_answer({"id": RESOURCE, "name": "vd"})),
)
NOT_REPEATED = (
    Operation("requests POST", "POST", lambda world: world.send("POST", data=BODY), Answer()),
    Operation("requests PATCH", "PATCH", lambda world: world.send("PATCH", data=BODY), Answer()),
    Operation("table write", "POST", _create_entity, NO_CONTENT),
    Operation("table creation", "POST", _create_table, NO_CONTENT),
    Operation("image import", "POST", _import_image, Answer(status=200)),
    Operation("log upload", "POST", _upload_logs, Answer(status=204)),
)
every_operation = pytest.mark.parametrize("operation", REPEATED + NOT_REPEATED, ids=str)
repeated = pytest.mark.parametrize("operation", REPEATED, ids=str)
not_repeated = pytest.mark.parametrize("operation", NOT_REPEATED, ids=str)
