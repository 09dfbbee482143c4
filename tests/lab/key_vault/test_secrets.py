"""The customer's Key Vault, driven by the official client and by plain requests."""

import json
import time
import uuid
from collections.abc import Iterator
from datetime import datetime, timedelta, timezone

import pytest
import requests
from azure.core.exceptions import HttpResponseError, ResourceExistsError, ResourceNotFoundError
from azure.identity import ManagedIdentityCredential
from azure.keyvault.secrets import ApiVersion, SecretClient
from azure.keyvault.secrets._shared import http_challenge_cache

from tests.support.running_lab import LabUnderTest

# What a new instance's vault has.
START = ["publisher-acr-token", "tls-certificate"]


@pytest.fixture
def credential(lab: LabUnderTest) -> Iterator[ManagedIdentityCredential]:
    with ManagedIdentityCredential(client_id=lab.env["VIBEDATA_UAMI_CLIENT_ID"]) as credential:
        yield credential


@pytest.fixture
def secrets(lab: LabUnderTest, credential: ManagedIdentityCredential) -> Iterator[SecretClient]:
    with SecretClient(lab.env["VIBEDATA_KEY_VAULT_ENDPOINT"], credential, retry_total=0) as client:
        yield client


def inner_code(error: HttpResponseError) -> str:
    assert error.response is not None
    return str(error.response.json()["error"]["innererror"]["code"])  # type: ignore[attr-defined]


def test_the_publishers_token_is_there(lab: LabUnderTest, secrets: SecretClient) -> None:
    http_challenge_cache.clear()  # another test of this process may have met the vault's challenge already
    names = lab.control("GET", "/names")
    secret = secrets.get_secret("publisher-acr-token")
    assert json.loads(secret.value or "") == {
        "username": names["publisher_token_username"],
        "password": names["publisher_token_password"],
    }
    assert secret.properties.vault_url == lab.env["VIBEDATA_KEY_VAULT_ENDPOINT"]
    first, second = [entry for entry in lab.journal(service="key_vault") if entry["status"] in (200, 401)][-2:]
    assert [first["status"], second["status"]] == [401, 200]  # challenge, then the token


@pytest.mark.parametrize("version", ["7.4", "7.5", "7.6", "2025-07-01", "2026-04-01"])
def test_set_and_get_with_every_supported_version(
    lab: LabUnderTest, credential: ManagedIdentityCredential, version: str
) -> None:
    expires = datetime.now(timezone.utc).replace(microsecond=0) + timedelta(days=1)
    endpoint = lab.env["VIBEDATA_KEY_VAULT_ENDPOINT"]
    with SecretClient(endpoint, credential, api_version=ApiVersion(version)) as client:
        first = client.set_secret("key", "one", content_type="text/plain", tags={"a": "b"}, expires_on=expires)
        second = client.set_secret("KEY", "two")
        assert client.get_secret("key").value == "two"
        old = client.get_secret("key", first.properties.version)
    assert (old.value, old.properties.content_type, old.properties.tags) == ("one", "text/plain", {"a": "b"})
    assert (old.properties.expires_on, old.properties.enabled) == (expires, True)
    assert first.id != second.id
    assert (old.properties.recovery_level, old.properties.recoverable_days) == ("Recoverable+Purgeable", 90)


def test_disabled_unknown_and_expired_secrets(lab: LabUnderTest, secrets: SecretClient) -> None:
    past = datetime.now(timezone.utc) - timedelta(days=1)
    version = secrets.set_secret("closed", "value", expires_on=past).properties.version
    assert secrets.get_secret("closed").value == "value"  # expired, which does not keep a client from reading it
    secrets.update_secret_properties("closed", version, enabled=False)
    with pytest.raises(HttpResponseError) as disabled:
        secrets.get_secret("closed")
    assert (disabled.value.status_code, inner_code(disabled.value)) == (403, "SecretDisabled")
    secrets.update_secret_properties("closed", enabled=True, content_type="x")
    reopened = secrets.get_secret("closed")
    assert (reopened.properties.content_type, reopened.properties.expires_on is None) == ("x", False)
    for name, version in (("absent", None), ("closed", uuid.uuid4().hex)):
        with pytest.raises(ResourceNotFoundError) as unknown:
            secrets.get_secret(name, version)
        assert unknown.value.error is not None
        assert unknown.value.error.code == "SecretNotFound"
    secrets.set_secret("gone-after-reset", "value")
    lab.reset()
    assert [secret.name for secret in secrets.list_properties_of_secrets()] == START


def test_lists_page(secrets: SecretClient) -> None:
    for number in range(30):
        secrets.set_secret(f"secret-{number:02d}", "value")
    names = [secret.name for secret in secrets.list_properties_of_secrets()]
    assert names == sorted([*START, *(f"secret-{number:02d}" for number in range(30))])
    pages = [list(page) for page in secrets.list_properties_of_secrets(max_page_size=10).by_page()]
    assert [len(page) for page in pages] == [10, 10, 10, 2]
    made = {secrets.set_secret("secret-00", str(number)).properties.version for number in range(26)}
    listed = {version.version for version in secrets.list_properties_of_secret_versions("secret-00")}
    assert made < listed
    assert len(listed) == 27


def test_deleted_secrets_are_recovered_or_purged(secrets: SecretClient) -> None:
    secrets.set_secret("key", "value")
    deleted = secrets.begin_delete_secret("key").result()
    assert deleted.recovery_id is not None
    assert deleted.scheduled_purge_date is not None
    with pytest.raises(ResourceNotFoundError):
        secrets.get_secret("key")
    with pytest.raises(ResourceExistsError) as conflict:
        secrets.set_secret("key", "again")
    assert inner_code(conflict.value) == "ObjectIsDeletedButRecoverable"
    assert [secret.name for secret in secrets.list_deleted_secrets()] == ["key"]
    assert secrets.begin_recover_deleted_secret("key").result().name == "key"
    assert secrets.get_secret("key").value == "value"
    secrets.begin_delete_secret("key").wait()
    assert secrets.get_deleted_secret("key").name == "key"
    secrets.purge_deleted_secret("key")
    with pytest.raises(ResourceNotFoundError):
        secrets.get_deleted_secret("key")
    assert secrets.set_secret("key", "again").value == "again"


def ask(url: str, token: str | None, method: str = "GET", body: object = None) -> tuple[int, str]:
    headers = {"Authorization": f"Bearer {token}"} if token else {}
    answer = requests.request(method, url, headers=headers, json=body, timeout=60)
    if answer.status_code == 401:
        assert answer.headers["WWW-Authenticate"].startswith('Bearer authorization="https://127.0.0.1:')
    return answer.status_code, answer.json()["error"]["code"] if answer.status_code >= 400 else ""


def test_requests_are_checked(lab: LabUnderTest, credential: ManagedIdentityCredential) -> None:
    endpoint = lab.env["VIBEDATA_KEY_VAULT_ENDPOINT"]
    url = f"{endpoint}/secrets/publisher-acr-token?api-version=7.4"
    good = credential.get_token("https://vault.azure.net/.default").token
    wrong = credential.get_token("https://management.azure.com/.default").token
    assert ask(url, good) == (200, "")
    assert ask(url, None) == (401, "Unauthorized")
    assert ask(url, wrong) == (401, "Unauthorized")
    assert ask(url, good[:-6] + "AAAAAA") == (401, "Unauthorized")
    assert ask(url.partition("?")[0], good) == (400, "BadParameter")
    assert ask(url.replace("7.4", "9.9"), good) == (400, "BadParameter")
    assert ask(f"{url}&surprise=1", good) == (400, "BadParameter")
    secret = f"{endpoint}/secrets/new?api-version=7.4"
    assert ask(secret, good, "PUT", {"value": "x", "surprise": 1}) == (400, "BadParameter")
    assert ask(secret, good, "PUT", {"value": 1}) == (400, "BadParameter")
    assert ask(secret, good, "PUT", {"value": "x" * 25_601}) == (400, "BadParameter")
    assert ask(secret.replace("new", "n_w"), good, "PUT", {"value": "x"}) == (400, "BadParameter")
    assert ask(f"{endpoint}/certificates/new?api-version=7.4", good)[0] == 404
    lab.control("POST", "/clock", {"advance_seconds": 25 * 3600})
    assert ask(url, good) == (401, "Unauthorized")


def test_faults_speak_key_vault(lab: LabUnderTest, secrets: SecretClient) -> None:
    secrets.get_secret("publisher-acr-token")
    lab.fault("status", match={"service": "key_vault"}, status=403)
    with pytest.raises(HttpResponseError) as forbidden:
        secrets.get_secret("publisher-acr-token")
    assert forbidden.value.error is not None
    assert (forbidden.value.status_code, forbidden.value.error.code) == (403, "Forbidden")
    before = time.time()
    lab.control("POST", "/clock", {"advance_seconds": 3600})
    created = secrets.set_secret("later", "value").properties.created_on
    assert created is not None
    assert created.timestamp() >= int(before) + 3600
