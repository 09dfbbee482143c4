"""Readers of a scripted container registry, and the answers that it usually gives."""

import base64
import json
import time
from typing import Any

import pytest
from azure.core.credentials import AccessToken

from runbook_lib.basics.clock import SYSTEM_CLOCK, Clock
from runbook_lib.container_registry.reader import ContainerRegistryReader
from runbook_lib.container_registry.tokens import (
    AccessTokens,
    EntraTokenSource,
    PublisherTokenSource,
)
from runbook_lib.container_registry.wire import CUSTOMER, PUBLISHER, ContainerRegistryWire, Side
from runbook_lib.errors import RunbookError
from runbook_lib.network.http_session import new_session
from runbook_lib.network.retry import NetworkRetryPolicy
from tests.support.release_maker import OCI_MANIFEST, digest_of
from tests.support.scripted_server import Answer, json_answer

BODY = b"A manifest's bytes."
DIGEST = digest_of(BODY)
OTHER = digest_of(b"other")
HERE = Answer(headers={"Docker-Content-Digest": DIGEST, "Content-Type": OCI_MANIFEST}, body=BODY)


def jwt(lifetime: int) -> str:
    claims = json.dumps({"iat": 1000, "exp": 1000 + lifetime}).encode()
    return "x." + base64.urlsafe_b64encode(claims).decode().rstrip("=") + ".x"


def token(value: str = "a-token", **fields: Any) -> Answer:
    return json_answer({"access_token": value, **fields})


TOKEN = token(expires_in=3600)
UNAUTHORIZED = json_answer({"errors": [{"code": "UNAUTHORIZED", "message": "insufficient_scope"}]}, status=401)


class Entra:
    """Gives Entra tokens and counts them."""

    def __init__(self) -> None:
        self.scopes: list[str] = []

    def get_token(self, *scopes: str, **_: Any) -> AccessToken:
        self.scopes += scopes
        return AccessToken("an-entra-token", int(time.time()) + 3600)


def wire(host: str, side: Side, clock: Clock) -> ContainerRegistryWire:
    policy = NetworkRetryPolicy(delay_seconds=0.01)
    return ContainerRegistryWire(
        login_server=host, side=side, session=new_session(), policy=lambda: policy, clock=clock
    )


def publisher_of(host: str, username: str = "u", password: str = "p" * 8, clock: Clock = SYSTEM_CLOCK) -> Any:
    own = wire(host, PUBLISHER, clock)
    source = PublisherTokenSource(wire=own, username=username, password=password, clock=clock)
    return ContainerRegistryReader(wire=own, tokens=AccessTokens(source=source, clock=clock))


def customer_of(host: str, credential: Any, clock: Clock = SYSTEM_CLOCK) -> ContainerRegistryReader:
    own = wire(host, CUSTOMER, clock)
    source = EntraTokenSource(wire=own, credential=credential, clock=clock)
    return ContainerRegistryReader(wire=own, tokens=AccessTokens(source=source, clock=clock))


def code_of(call: Any, *arguments: Any) -> str:
    with pytest.raises(RunbookError) as caught:
        call(*arguments)
    return caught.value.code
