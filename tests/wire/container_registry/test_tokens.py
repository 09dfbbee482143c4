"""How a reader gets its tokens, how long it keeps them, and endpoints that return none."""

import base64
from concurrent.futures import ThreadPoolExecutor

import pytest
from azure.identity import ManagedIdentityCredential

from runbook_lib.container_registry.reader import ContainerRegistryReader
from runbook_lib.container_registry.tokens import (
    MAX_SCOPES_PER_TOKEN,
)
from runbook_lib.errors import RunbookError
from tests.support import release_maker
from tests.support.fake_clock import FakeClock
from tests.support.registry_readers import (
    BODY,
    DIGEST,
    HERE,
    TOKEN,
    UNAUTHORIZED,
    Entra,
    code_of,
    customer_of,
    jwt,
    publisher_of,
    token,
)
from tests.support.running_lab import LabUnderTest
from tests.support.scripted_server import Answer, ScriptedServer, json_answer


def test_an_expired_access_token_is_renewed_once(lab: LabUnderTest) -> None:
    registry = release_maker.container_registry(lab, "customer")
    digest = registry.push_artifact("vibedata/a", "1", BODY)
    with ManagedIdentityCredential(client_id=lab.env["VIBEDATA_UAMI_CLIENT_ID"]) as credential:
        reader = customer_of(registry.host, credential)
        assert reader.digest_of("vibedata/a", "1") == digest
        lab.control("POST", "/clock", {"advance_seconds": 80 * 60})  # the server's clock; the reader's stands
        since = lab.journal()[-1]["sequence"]
        assert reader.digest_of("vibedata/a", "1") == digest
    statuses = [entry["status"] for entry in lab.journal(service="customer_registry", since=since)]
    assert statuses == [401, 200, 200, 200]


def test_many_threads_share_one_token(lab: LabUnderTest) -> None:
    names = lab.control("GET", "/names")
    host = lab.env["VIBEDATA_PUBLISHER_REGISTRY"]
    reader = publisher_of(host, names["publisher_token_username"], names["publisher_token_password"])
    repositories = [f"vibedata/r{number}" for number in range(MAX_SCOPES_PER_TOKEN)]
    reader.expect(repositories)
    with ThreadPoolExecutor(16) as threads:
        assert list(threads.map(lambda name: reader.digest_of(name, "1"), repositories)) == [None] * len(repositories)
    journal = lab.journal(service="publisher_registry")
    # One token, and one GET to check that HEAD tells the truth.
    methods = [entry["method"] for entry in journal]
    assert (methods[0], methods.count("GET"), methods.count("HEAD")) == ("GET", 2, len(repositories))
    assert len(methods) == 2 + len(repositories)


def test_the_publishers_token_goes_to_its_registry_as_basic(
    server: ScriptedServer, reader: ContainerRegistryReader
) -> None:
    server.play(TOKEN, HERE)
    assert reader.digest_of("a/b", "1") == DIGEST
    asked, read = server.requests
    assert asked.headers["Authorization"] == "Basic " + base64.b64encode(b"u:pppppppp").decode()
    assert asked.path.startswith("/oauth2/token?service=127.0.0.1%3A")
    assert read.headers["Authorization"] == "Bearer a-token"


def test_an_access_token_is_renewed_before_it_expires(server: ScriptedServer) -> None:
    clock = FakeClock()
    reader = publisher_of(server.host, clock=clock)
    # The lives are 300, 300 and 60 seconds. For the last one the answer gives no time.
    for answer in (token(expires_in=300), json_answer({"token": jwt(300)}), token("without a lifetime")):
        server.forget()
        server.play(answer, HERE, HERE, TOKEN, HERE)
        reader.digest_of("a", "1")
        clock.advance(20)
        reader.digest_of("a", "1")
        assert [request.method for request in server.requests] == ["GET", "HEAD", "HEAD"]
        clock.advance(3600)


def test_entra_is_asked_once_in_a_refresh_tokens_life(server: ScriptedServer) -> None:
    entra, clock = Entra(), FakeClock()
    reader = customer_of(server.host, entra, clock)
    refresh = json_answer({"refresh_token": jwt(3 * 3600)})
    server.play(refresh, TOKEN, HERE, TOKEN, HERE)
    reader.digest_of("a", "1")
    reader.digest_of("b", "1")  # not expected, so it needs a separate token
    assert entra.scopes == ["https://containerregistry.azure.net/.default"]
    assert [request.path.partition("?")[0] for request in server.requests] == [
        "/oauth2/exchange",
        "/oauth2/token",
        "/v2/a/manifests/1",
        "/oauth2/token",
        "/v2/b/manifests/1",
    ]
    assert b"access_token=an-entra-token" in server.requests[0].body
    clock.advance(3 * 3600)
    server.play(refresh, TOKEN, HERE)
    reader.digest_of("a", "1")
    assert len(entra.scopes) == 2


def test_fewer_rights_than_asked_for_are_met_by_a_token_each(
    server: ScriptedServer, reader: ContainerRegistryReader
) -> None:
    reader.expect(["a", "b"])
    server.play(token("for a alone"), UNAUTHORIZED, token("for b"), HERE, token("for a"), HERE, HERE)
    assert reader.digest_of("b", "1") == DIGEST
    assert reader.digest_of("a", "1") == DIGEST
    assert reader.digest_of("b", "1") == DIGEST
    scopes = [request.path.count("scope=") for request in server.requests if request.path.startswith("/oauth2/token")]
    assert scopes == [2, 1, 1]


def test_a_second_401_is_a_refusal_with_the_servers_words(
    server: ScriptedServer, reader: ContainerRegistryReader
) -> None:
    server.play(TOKEN, UNAUTHORIZED, TOKEN, UNAUTHORIZED)
    with pytest.raises(RunbookError, match="UNAUTHORIZED: insufficient_scope") as caught:
        reader.manifest("a", "1", 5)  # the error's body may be longer than the requested limit
    assert caught.value.code == "VD-REGISTRY-002"
    assert len(server.requests) == 4


@pytest.mark.parametrize(
    ("answer", "code"),
    [
        (UNAUTHORIZED, "VD-REGISTRY-002"),
        (json_answer({}, status=403), "VD-REGISTRY-002"),
        (json_answer({}), "VD-REGISTRY-006"),
        (json_answer([]), "VD-REGISTRY-006"),
        (json_answer({"access_token": 1}), "VD-REGISTRY-006"),
        (json_answer({"access_token": "a\r\nb: c"}), "VD-REGISTRY-006"),
        (Answer(body=b"<html>"), "VD-REGISTRY-006"),
        (Answer(status=404, body=b"<html>"), "VD-REGISTRY-006"),
        (Answer(body=b"x" * 300_000), "VD-REGISTRY-006"),
    ],
)
def test_token_endpoints_that_give_no_token(
    server: ScriptedServer, reader: ContainerRegistryReader, answer: Answer, code: str
) -> None:
    server.play(answer)
    assert code_of(reader.digest_of, "a", "1") == code
