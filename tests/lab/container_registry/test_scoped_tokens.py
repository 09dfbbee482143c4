"""The publisher's repository-scoped token: ARM's official client makes its passwords, and a login accepts or refuses
them.
"""

import base64
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from datetime import datetime, timedelta, timezone

import pytest
import requests
from azure.core.exceptions import (
    ClientAuthenticationError,
    HttpResponseError,
    ResourceNotFoundError,
    ServiceResponseError,
)
from azure.identity import ManagedIdentityCredential
from azure.mgmt.containerregistry import ContainerRegistryManagementClient
from azure.mgmt.containerregistry import models as m

from tests.support.running_lab import LabUnderTest


@pytest.fixture
def client(lab: LabUnderTest) -> Iterator[ContainerRegistryManagementClient]:
    with (
        ManagedIdentityCredential(client_id=lab.env["VIBEDATA_PUBLISHER_CLIENT_ID"]) as credential,
        ContainerRegistryManagementClient(
            credential,
            lab.env["VIBEDATA_PUBLISHER_SUBSCRIPTION_ID"],
            base_url=lab.env["VIBEDATA_ARM_ENDPOINT"],
            credential_scopes=["https://management.azure.com/.default"],
            retry_total=0,
        ) as client,
    ):
        yield client


def name_of(password: m.TokenPassword) -> str:
    return str(m.TokenPasswordName(password.name or "").value)


class Tokens:
    """The customer's token, through ARM and at the container registry."""

    def __init__(self, lab: LabUnderTest, client: ContainerRegistryManagementClient) -> None:
        self._lab, self._client = lab, client
        self.at = lab.env["VIBEDATA_PUBLISHER_RESOURCE_GROUP"], lab.env["VIBEDATA_PUBLISHER_REGISTRY_NAME"]
        self.name = lab.env["VIBEDATA_PUBLISHER_TOKEN_NAME"]

    def get(self) -> m.TokenProperties:
        found = self._client.tokens.get(*self.at, self.name).properties
        assert found is not None
        return found

    def passwords(self) -> dict[str, m.TokenPassword]:
        credentials = self.get().credentials
        assert credentials is not None
        return {name_of(one): one for one in credentials.passwords or ()}

    def generate(self, name: str | None = None, expiry: datetime | None = None) -> dict[str, str]:
        token_id = self._client.tokens.get(*self.at, self.name).id
        body = m.GenerateCredentialsParameters(token_id=token_id, name=name, expiry=expiry)
        made = self._client.registries.begin_generate_credentials(*self.at, body).result()
        assert made.username == self.name
        return {name_of(one): str(one.value) for one in made.passwords or ()}

    def update(self, *kept: m.TokenPassword, status: str | None = None) -> None:
        credentials = None if status else m.TokenCredentialsProperties(passwords=list(kept))
        properties = m.TokenUpdateProperties(status=status, credentials=credentials)
        self._client.tokens.begin_update(*self.at, self.name, m.TokenUpdateParameters(properties=properties)).result()

    def works(self, password: str) -> bool:
        host = self._lab.env["VIBEDATA_PUBLISHER_REGISTRY"]
        basic = base64.b64encode(f"{self.name}:{password}".encode()).decode()
        query = {"service": host, "scope": "repository:vibedata/release-manifest:pull"}
        headers = {"Authorization": f"Basic {basic}"}
        answer = requests.get(f"https://{host}/oauth2/token", params=query, headers=headers, timeout=60)
        assert answer.status_code in (200, 401)
        return answer.status_code == 200


@pytest.fixture
def tokens(lab: LabUnderTest, client: ContainerRegistryManagementClient) -> Tokens:
    return Tokens(lab, client)


@pytest.fixture
def first(lab: LabUnderTest) -> str:
    return str(lab.control("GET", "/names")["publisher_token_password"])


def test_two_passwords_one_renewed_while_the_other_works(lab: LabUnderTest, tokens: Tokens, first: str) -> None:
    assert set(tokens.passwords()) == {"password1"}
    assert tokens.works(first)
    second = tokens.generate("password2")
    assert set(second) == {"password2"}
    assert tokens.works(first)
    assert tokens.works(second["password2"])
    assert [one.value for one in tokens.passwords().values()] == [None, None]
    third = tokens.generate("password1")["password1"]
    assert [tokens.works(one) for one in (first, second["password2"], third)] == [False, True, True]
    both = tokens.generate()
    assert set(both) == {"password1", "password2"}
    assert not tokens.works(third)
    lab.reset()
    assert [tokens.works(one) for one in (first, *both.values())] == [True, False, False]


def test_password_works_until_it_expires_by_the_labs_clock(lab: LabUnderTest, tokens: Tokens, first: str) -> None:
    now = datetime.fromtimestamp(lab.control("GET", "/clock")["now"], timezone.utc).replace(microsecond=0)
    made = tokens.generate("password2", now + timedelta(hours=1))["password2"]
    assert tokens.passwords()["password2"].expiry == now + timedelta(hours=1)
    assert tokens.works(made)
    lab.control("POST", "/clock", {"advance_seconds": 3601})
    assert not tokens.works(made)
    assert tokens.works(first)
    with pytest.raises(HttpResponseError):
        tokens.generate("password2", now)


def test_update_expires_deletes_and_disables(lab: LabUnderTest, tokens: Tokens, first: str) -> None:
    second = tokens.generate("password2")["password2"]
    expiry = datetime.now(timezone.utc).replace(microsecond=0) + timedelta(hours=1)
    tokens.update(m.TokenPassword(name="password1", expiry=expiry), m.TokenPassword(name="password2"))
    assert [tokens.passwords()[name].expiry for name in ("password1", "password2")] == [expiry, None]
    tokens.update(*tokens.passwords().values())  # what was read may be sent back
    assert tokens.passwords()["password1"].expiry == expiry
    lab.control("POST", "/clock", {"advance_seconds": 3601})
    assert [tokens.works(one) for one in (first, second)] == [False, True]
    tokens.update(m.TokenPassword(name="password2"))
    assert set(tokens.passwords()) == {"password2"}
    with pytest.raises(HttpResponseError) as added:
        tokens.update(m.TokenPassword(name="password1"), m.TokenPassword(name="password2"))
    assert added.value.status_code == 400
    tokens.update(status="disabled")
    assert tokens.get().status == "disabled"
    assert not tokens.works(second)
    tokens.update(status="enabled")
    assert tokens.works(second)


def test_generating_may_take_its_time(lab: LabUnderTest, tokens: Tokens) -> None:
    lab.latency(operation="generateCredentials", seconds=0.3)
    assert tokens.works(tokens.generate("password2")["password2"])
    statuses = [entry["status"] for entry in lab.journal(service="arm")]
    assert statuses[-2:] == [202, 200]


def test_two_operations_at_the_same_time_lose_no_password(lab: LabUnderTest, tokens: Tokens) -> None:
    for operation, seconds in (("generateCredentials", 0.5), ("updateToken", 1.0)):
        lab.latency(operation=operation, seconds=seconds)
    with ThreadPoolExecutor() as pool:
        made = [pool.submit(tokens.generate, name) for name in ("password1", "password2")]
        changed = pool.submit(tokens.update, status="enabled")
        passwords = [value for each in made for value in each.result().values()]
        changed.result()
    assert [tokens.works(one) for one in passwords] == [True, True]


def test_lost_answer_has_changed_the_password(lab: LabUnderTest, tokens: Tokens, first: str) -> None:
    lab.fault("reset_after", match={"service": "arm", "path": "generateCredentials"})
    with pytest.raises(ServiceResponseError):
        tokens.generate("password1")
    assert not tokens.works(first)


def test_what_arm_refuses(tokens: Tokens, client: ContainerRegistryManagementClient) -> None:
    group, registry = tokens.at
    assert client.registries.get(group, registry).properties is not None
    assert [one.name for one in client.tokens.list(group, registry)] == [tokens.name]
    for at in ((group, registry, "unknown"), (group, "unknown", tokens.name), ("unknown", registry, tokens.name)):
        with pytest.raises(ResourceNotFoundError):
            client.tokens.get(*at)
    token_id = client.tokens.get(group, registry, tokens.name).id
    bodies: list[dict[str, object]] = [
        {"tokenId": token_id, "name": "password3"},
        {"tokenId": token_id, "expiry": "tomorrow"},
        {"tokenId": token_id, "surprise": 1},
        {"tokenId": "/" + str(token_id).replace("/tokens/", "/token/")},
        {},
    ]
    for body in bodies:
        with pytest.raises(HttpResponseError) as refused:
            client.registries.begin_generate_credentials(group, registry, body)
        assert refused.value.status_code == 400, body


def test_customers_subscription_refuses_the_publisher(lab: LabUnderTest) -> None:
    with (
        ManagedIdentityCredential(client_id=lab.env["VIBEDATA_PUBLISHER_CLIENT_ID"]) as credential,
        ContainerRegistryManagementClient(
            credential,
            lab.env["VIBEDATA_SUBSCRIPTION_ID"],
            base_url=lab.env["VIBEDATA_ARM_ENDPOINT"],
            credential_scopes=["https://management.azure.com/.default"],
            retry_total=0,
        ) as customers,
        pytest.raises(ClientAuthenticationError) as refused,
    ):
        customers.registries.get(lab.env["VIBEDATA_RESOURCE_GROUP"], "vibedataacr")
    assert refused.value.error is not None
    assert refused.value.error.code == "InvalidAuthenticationTokenTenant"


def test_an_update_may_be_an_operation(lab: LabUnderTest, tokens: Tokens) -> None:
    lab.latency(operation="updateToken", seconds=1.5)
    tokens.update(status="disabled")
    assert tokens.get().status == "disabled"
    asked = [one["status"] for one in lab.journal(service="arm") if "/operationStatuses/" in one["path"]]
    assert len(asked) > 1 and set(asked) == {200}
    unknown = m.TokenPassword(name="password2")
    with pytest.raises(HttpResponseError, match="it is to be generated"):
        tokens.update(unknown)
