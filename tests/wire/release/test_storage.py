"""Whether a container is immutable: answers of ARM that the lab cannot give, because its policy is locked."""

import json
from collections.abc import Iterator
from datetime import datetime, timezone
from pathlib import Path
from typing import Any

import pytest
from azure.core.credentials import AccessToken, AccessTokenInfo
from azure.core.exceptions import HttpResponseError

from runbook_lib.azure.clients import AzureClients
from runbook_lib.azure.settings import Settings, load
from runbook_lib.errors import RunbookError
from runbook_lib.network.retry import NetworkRetryPolicy
from runbook_lib.release.immutability import check_immutable
from runbook_lib.release.model import ReleaseId
from runbook_lib.release.storage import SIGNATURE, read_part
from tests.support.fake_clock import FakeClock
from tests.support.scripted_server import Answer, ScriptedServer, json_answer

FOR_EVER = 2**31


class StaticCredential:
    """A token that nobody verifies."""

    def get_token(self, *_: str, **__: Any) -> AccessToken:
        return AccessToken("token", FOR_EVER)

    def get_token_info(self, *_: str, **__: Any) -> AccessTokenInfo:
        return AccessTokenInfo("token", FOR_EVER)


@pytest.fixture
def server(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[ScriptedServer]:
    with ScriptedServer(tmp_path).running() as running:
        monkeypatch.setenv("REQUESTS_CA_BUNDLE", str(running.ca_file))
        yield running


def clients_of(server: ScriptedServer, **more: str) -> tuple[AzureClients, Settings]:
    given = {
        "subscription_id": "11111111-2222-3333-4444-555555555555",
        "dcr_id": "dcr-" + "0" * 32,
        "logs_endpoint": "https://logs.example",
        "uami_client_id": "11111111-2222-3333-4444-555555555555",
        "arm_endpoint": server.url,
        "blob_endpoint": server.url,
        **more,
    }
    settings = load({}, {}, json.dumps(given))
    clients = AzureClients(
        settings=settings,
        credential=StaticCredential(),
        retry_policy_source=NetworkRetryPolicy,
        clock=FakeClock(),
    )
    return clients, settings


def check(server: ScriptedServer) -> None:
    clients, settings = clients_of(server)
    check_immutable(clients.resources, settings)


def shown(policy: Any, container: Any = None) -> tuple[Any, Any]:
    """Return ARM's answers about the container and about its policy."""
    return json_answer({"properties": {"hasImmutabilityPolicy": True} if container is None else container}), policy


@pytest.mark.parametrize(("state", "kind"), [("Locked", "locked, 3650 days"), ("Unlocked", "unlocked, 3650 days")])
def test_a_policy_of_the_container_itself_is_accepted_locked_or_not(
    server: ScriptedServer, state: str, kind: str
) -> None:
    server.play(*shown(json_answer({"properties": {"immutabilityPeriodSinceCreationInDays": 3650, "state": state}})))
    clients, settings = clients_of(server)
    assert check_immutable(clients.resources, settings) == kind
    container = (
        "/subscriptions/11111111-2222-3333-4444-555555555555/resourceGroups/vibedata-managed/providers"
        "/Microsoft.Storage/storageAccounts/vibedatastorage/blobServices/default/containers/release-manifests"
    )
    assert [asked.path for asked in server.requests] == [
        f"{container}?api-version=2023-05-01",
        f"{container}/immutabilityPolicies/default?api-version=2023-05-01",
    ]


LOCK = (
    "az storage container immutability-policy lock --subscription 11111111-2222-3333-4444-555555555555"
    " --resource-group vibedata-managed --account-name vibedatastorage --container-name release-manifests"
    " --if-match '\"8de1\"'"
)


def test_if_a_locked_policy_is_wanted_an_unlocked_one_is_refused(server: ScriptedServer) -> None:
    policy = {"immutabilityPeriodSinceCreationInDays": 365, "state": "Unlocked"}
    container = {"hasImmutabilityPolicy": True, "immutabilityPolicy": {"etag": '"8de1"', "properties": policy}}
    server.play(*shown(json_answer({"properties": policy}), container), *shown(json_answer({"properties": policy})))
    server.play(*shown(json_answer({"properties": GOOD})))
    clients, settings = clients_of(server, immutability="locked")
    for line in (LOCK, ""):  # the second answer has no ETag
        with pytest.raises(RunbookError, match=r"VD-STORAGE-006.*it is unlocked, 365 days") as caught:
            check_immutable(clients.resources, settings)
        assert caught.value.line == line
    assert check_immutable(clients.resources, settings) == "locked, 3650 days"


def test_a_resource_group_of_another_script_is_encoded_into_the_path(server: ScriptedServer) -> None:
    server.play(*shown(json_answer({"properties": GOOD})))
    clients, settings = clients_of(server, resource_group="(prod)-m\u00fcnchen")
    check_immutable(clients.resources, settings)
    assert all("/resourceGroups/(prod)-m%C3%BCnchen/providers/" in asked.path for asked in server.requests)
    assert len(server.requests) == 2


GOOD = {"immutabilityPeriodSinceCreationInDays": 3650, "state": "Locked"}


@pytest.mark.parametrize(
    "answer",
    [
        json_answer({"properties": {"immutabilityPeriodSinceCreationInDays": 3650, "state": "Deleted"}}),
        json_answer({"properties": {"immutabilityPeriodSinceCreationInDays": 0, "state": "Unlocked"}}),
        json_answer({"properties": {"immutabilityPeriodSinceCreationInDays": 0}}),
        json_answer({"properties": {"state": "Locked"}}),
        json_answer({"properties": {**GOOD, "state": "locked or so"}}),
        json_answer({"properties": {**GOOD, "immutabilityPeriodSinceCreationInDays": True}}),
        json_answer({"properties": {**GOOD, "immutabilityPeriodSinceCreationInDays": "3650"}}),
        json_answer({"properties": {**GOOD, "allowProtectedAppendWrites": True}}),
        json_answer({"properties": {**GOOD, "allowProtectedAppendWritesAll": True}}),
        json_answer({"properties": None}),
        json_answer({}),
        json_answer({"error": {"code": "ContainerImmutabilityPolicyNotFound", "message": "none"}}, status=404),
    ],
)
def test_anything_else_is_refused(server: ScriptedServer, answer: Any) -> None:
    server.play(*shown(answer))
    with pytest.raises(RunbookError) as caught:
        check(server)
    assert caught.value.code == "VD-STORAGE-001"


@pytest.mark.parametrize(
    ("container", "word"),
    [
        ({"immutableStorageWithVersioning": {"enabled": True}, "hasImmutabilityPolicy": True}, "versions"),
        ({"immutableStorageWithVersioning": {"enabled": False, "migrationState": "InProgress"}}, "versions"),
        ({"immutableStorageWithVersioning": {}}, "versions"),
        ({"deleted": True}, "deleted"),
    ],
)
def test_a_good_policy_of_another_kind_of_container_is_refused(
    server: ScriptedServer, container: dict[str, Any], word: str
) -> None:
    server.play(*shown(json_answer({"properties": GOOD}), container))
    with pytest.raises(RunbookError, match=rf"VD-STORAGE-001.*{word}"):
        check(server)


def test_a_legal_hold_is_no_policy(server: ScriptedServer) -> None:
    none = json_answer({"properties": {"immutabilityPeriodSinceCreationInDays": 0, "state": "Unlocked"}})
    server.play(*shown(none, {"hasLegalHold": True, "hasImmutabilityPolicy": False}))
    with pytest.raises(RunbookError, match=r"VD-STORAGE-001.*a legal hold is not one"):
        check(server)


def test_a_container_that_never_had_versions_may_say_so(server: ScriptedServer) -> None:
    server.play(*shown(json_answer({"properties": GOOD}), {"immutableStorageWithVersioning": {"enabled": False}}))
    check(server)


def test_a_missing_role_is_not_taken_for_a_missing_policy(server: ScriptedServer) -> None:
    server.play(json_answer({"error": {"code": "AuthorizationFailed", "message": "no"}}, status=403))
    with pytest.raises(HttpResponseError) as caught:
        check(server)
    assert caught.value.status_code == 403


@pytest.mark.parametrize(("created", "modified"), [(1, 23), (23, 23), (23, 1)])
def test_a_blob_is_as_old_as_the_last_of_its_bytes(server: ScriptedServer, created: int, modified: int) -> None:
    """A blob that is created early and filled later keeps its creation time."""
    headers = {
        "Content-Range": "bytes 0-1/2",
        "ETag": '"1"',
        "x-ms-creation-time": f"Sun, {created:02} Nov 2026 10:00:00 GMT",
        "Last-Modified": f"Sun, {modified:02} Nov 2026 10:00:00 GMT",
        "x-ms-blob-type": "AppendBlob",
    }
    server.play(Answer(status=206, headers=headers, body=b"{}"))
    clients, _ = clients_of(server)
    found = read_part(clients.blob_service, ReleaseId("2026.11.0", "sha256:" + "a" * 64), SIGNATURE)
    assert found is not None
    assert found.taken_in_at == datetime(2026, 11, 23, 10, tzinfo=timezone.utc)
