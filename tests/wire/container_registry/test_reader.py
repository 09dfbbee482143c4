"""The data-plane reader: against the lab's container registries, and against answers that no honest one gives."""

import base64
import gzip
import json
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest
from azure.core.credentials import AccessToken
from azure.identity import ManagedIdentityCredential

from runbook_lib.basics.clock import SYSTEM_CLOCK, Clock
from runbook_lib.container_registry.reader import ContainerRegistryReader, Manifest
from runbook_lib.container_registry.tokens import (
    MAX_SCOPES_PER_TOKEN,
    AccessTokens,
    EntraTokenSource,
    PublisherTokenSource,
)
from runbook_lib.container_registry.wire import CUSTOMER, PUBLISHER, ContainerRegistryWire, Side
from runbook_lib.errors import RunbookError
from runbook_lib.network.http_session import new_session
from runbook_lib.network.retry import NetworkRetryPolicy
from tests.support import release_maker
from tests.support.fake_clock import FakeClock
from tests.support.release_maker import OCI_MANIFEST, digest_of
from tests.support.running_lab import LabUnderTest
from tests.support.scripted_server import Answer, Reset, ScriptedServer, json_answer

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


@pytest.fixture
def server(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[ScriptedServer]:
    with ScriptedServer(tmp_path).running() as running:
        monkeypatch.setenv("REQUESTS_CA_BUNDLE", str(running.ca_file))
        yield running


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


@pytest.fixture
def reader(server: ScriptedServer) -> ContainerRegistryReader:
    reader: ContainerRegistryReader = publisher_of(server.host)
    return reader


def code_of(call: Any, *arguments: Any) -> str:
    with pytest.raises(RunbookError) as caught:
        call(*arguments)
    return caught.value.code


# --- The lab ----------------------------------------------------------------------------------------------------------


def test_both_ways_of_authentication_read_the_labs_registries(lab: LabUnderTest) -> None:
    names = lab.control("GET", "/names")
    for side in ("publisher", "customer"):
        registry = release_maker.container_registry(lab, side)
        digest = registry.push_artifact("vibedata/a", "1", BODY)
        with ManagedIdentityCredential(client_id=lab.env["VIBEDATA_UAMI_CLIENT_ID"]) as credential:
            reader = (
                publisher_of(registry.host, names["publisher_token_username"], names["publisher_token_password"])
                if side == "publisher"
                else customer_of(registry.host, credential)
            )
            assert reader.digest_of("vibedata/a", "1") == digest
            assert reader.digest_of("vibedata/a", "2") is None
            assert reader.digest_of("vibedata/b", "1") is None
            by_tag = reader.manifest("vibedata/a", "1", 10_000)
            assert by_tag == reader.manifest("vibedata/a", digest, 10_000)
            assert by_tag is not None
            assert by_tag.digest == digest
            assert reader.blob("vibedata/a", DIGEST, len(BODY)) == BODY
            assert reader.blob("vibedata/a", OTHER, 100) is None
    assert 401 not in [entry["status"] for entry in lab.journal() if entry["client"].startswith("python-requests")]


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
    # One token, and one GET to see that what HEAD says is true.
    methods = [entry["method"] for entry in journal]
    assert (methods[0], methods.count("GET"), methods.count("HEAD")) == ("GET", 2, len(repositories))
    assert len(methods) == 2 + len(repositories)


# --- Tokens -----------------------------------------------------------------------------------------------------------


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
    # Lives of 300, 300 and, as none is stated, 60 seconds.
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
    reader.digest_of("b", "1")  # not expected: a token of its own
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
        reader.manifest("a", "1", 5)  # the words may be longer than what was asked for
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


# --- Answers ----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("status", "code"),
    [(403, "VD-REGISTRY-002"), (429, "VD-REGISTRY-004"), (500, "VD-REGISTRY-004"), (400, "VD-REGISTRY-006")],
)
def test_only_404_means_absent(server: ScriptedServer, reader: ContainerRegistryReader, status: int, code: str) -> None:
    server.play(TOKEN, *[Answer(status=status)] * 4)
    assert code_of(reader.digest_of, "a", "1") == code
    server.forget()
    server.play(Answer(status=404), Answer(status=404))
    assert reader.digest_of("a", "1") is None


def test_the_two_sides_refusals_have_their_own_codes(server: ScriptedServer) -> None:
    refused = json_answer({"errors": [{"code": "DENIED", "message": "no\x1b[31m role"}]}, status=403)
    server.play(refused)
    with pytest.raises(RunbookError) as caught:
        customer_of(server.host, Entra()).digest_of("a", "1")
    assert caught.value.code == "VD-REGISTRY-003"
    assert "DENIED: no[31m role" in caught.value.message  # nothing that a terminal would obey
    assert code_of(customer_of("127.0.0.1:1", Entra()).digest_of, "a", "1") == "VD-REGISTRY-007"
    assert code_of(publisher_of("127.0.0.1:1").digest_of, "a", "1") == "VD-REGISTRY-001"


def test_passing_failures_and_broken_bodies_are_retried(
    server: ScriptedServer, reader: ContainerRegistryReader
) -> None:
    server.play(Reset(), TOKEN, Answer(status=503), Answer(headers=HERE.headers, body=BODY, cut_at=5), HERE)
    manifest = reader.manifest("a", "1", 100)
    assert manifest is not None
    assert manifest.content == BODY


@pytest.mark.parametrize("name", ["manifest", "blob"])
def test_other_bytes_than_asked_for_are_refused(
    server: ScriptedServer, reader: ContainerRegistryReader, name: str
) -> None:
    server.play(TOKEN, Answer(headers={"Docker-Content-Digest": OTHER}, body=BODY))
    assert code_of(getattr(reader, name), "a", OTHER, 100) == "VD-REGISTRY-005"


def test_a_manifest_by_tag_has_the_digest_that_the_answer_names(
    server: ScriptedServer, reader: ContainerRegistryReader
) -> None:
    server.play(TOKEN, Answer(headers={"Docker-Content-Digest": OTHER}, body=BODY))
    assert code_of(reader.manifest, "a", "latest", 100) == "VD-REGISTRY-005"


@pytest.mark.parametrize("digest", ["", "md5:00", DIGEST.upper(), DIGEST + "0"])
def test_a_digest_of_another_form_is_refused(
    server: ScriptedServer, reader: ContainerRegistryReader, digest: str
) -> None:
    server.play(TOKEN, Answer(headers={"Docker-Content-Digest": digest} if digest else {}))
    assert code_of(reader.digest_of, "a", "1") == "VD-REGISTRY-006"


def test_more_bytes_than_agreed_are_not_read(server: ScriptedServer, reader: ContainerRegistryReader) -> None:
    bomb = gzip.compress(b"0" * 10_000_000)
    server.play(TOKEN, HERE, Answer(headers={"Content-Encoding": "gzip"}, body=bomb))
    assert code_of(reader.blob, "a", DIGEST, len(BODY) - 1) == "VD-REGISTRY-006"
    assert code_of(reader.blob, "a", DIGEST, len(bomb)) == "VD-REGISTRY-006"


# --- Redirects --------------------------------------------------------------------------------------------------------


def to(location: str) -> Answer:
    return Answer(status=307, headers={"Location": location})


def test_a_redirect_is_followed_without_the_token(server: ScriptedServer, reader: ContainerRegistryReader) -> None:
    server.play(TOKEN, to(f"{server.url}/storage/x?sig=1"), to("/storage/y"), HERE)
    assert reader.blob("a", DIGEST, 100) == BODY
    assert [request.path for request in server.requests[2:]] == ["/storage/x?sig=1", "/storage/y"]
    assert ["Authorization" in request.headers for request in server.requests] == [True, True, False, False]


@pytest.mark.parametrize("location", ["", "http://127.0.0.1/x", "https://10.0.0.1/x", "https://169.254.169.254/x"])
def test_a_redirect_to_elsewhere_is_not_followed(
    server: ScriptedServer, reader: ContainerRegistryReader, location: str
) -> None:
    server.play(TOKEN, to(location), *[to(location)] * 3)
    assert code_of(reader.blob, "a", DIGEST, 100) == "VD-REGISTRY-006"


def test_redirects_come_to_an_end(server: ScriptedServer, reader: ContainerRegistryReader) -> None:
    server.play(TOKEN, *[to("/again")] * 10)
    assert code_of(reader.blob, "a", DIGEST, 100) == "VD-REGISTRY-006"
    assert len(server.requests) == 2 + 3


@pytest.mark.parametrize(
    "location",
    [
        "https://[",
        "https://[zz]/",
        "https://h:99999999/",
        "https://h:0/",
        "https://a\xe2\x84\x80b/",
        "https://" + "a" * 70 + ".example/",
        "https://.example/",
        "https://2130706433/",
        "https://u:p@storage.example/",
        "http://\x1b[2J\x1b[31m/",
        "https://storage.example\\@elsewhere.example/",
        "https://storage.example/" + "x" * 8000,
        "ftp://storage.example/",
        "//169.254.169.254/x",
        "https://168.63.129.16/x",
        "https://[::ffff:10.0.0.1]/x",
        "https://localhost./x",
    ],
)
def test_a_redirect_to_what_is_no_address_is_a_typed_error(
    server: ScriptedServer, reader: ContainerRegistryReader, location: str
) -> None:
    server.play(TOKEN, to(location))
    with pytest.raises(RunbookError) as caught:
        reader.blob("a", DIGEST, 100)
    assert caught.value.code == "VD-REGISTRY-006"
    assert caught.value.message.isprintable()
    assert len(server.requests) == 2


def test_a_redirect_back_to_the_same_server_in_another_spelling_is_followed(
    server: ScriptedServer, reader: ContainerRegistryReader
) -> None:
    server.play(TOKEN, to(f"HTTPS://{server.host}/storage/x y?sig=a b"), HERE)
    assert reader.blob("a", DIGEST, 100) == BODY
    assert server.requests[-1].path == "/storage/x%20y?sig=a%20b"


def test_what_gives_access_stands_in_no_error(server: ScriptedServer, reader: ContainerRegistryReader) -> None:
    server.play(TOKEN, to("/storage/x?sv=1&sig=secret-signature"), Answer(body=b"x" * 500))
    with pytest.raises(RunbookError, match="more than 100 bytes") as caught:
        reader.blob("a", DIGEST, 100)
    assert "secret-signature" not in str(caught.value)


@pytest.mark.parametrize(
    "headers",
    [
        {"Content-Length-": "x"},
        {"Link": "<https://[>"},
        {"Retry-After": "9" * 5000},
        {"Docker-Content-Digest": "\x1b["},
    ],
)
def test_odd_header_fields_harm_nothing(
    server: ScriptedServer, reader: ContainerRegistryReader, headers: dict[str, str]
) -> None:
    server.play(TOKEN, Answer(headers=headers, body=BODY))
    assert reader.manifest("a", "1", 100) == Manifest(DIGEST, BODY)


# --- Digests that HEAD does not tell ----------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "head",
    [
        Answer(body=BODY),
        Answer(headers={"Docker-Content-Digest": "sha512:" + "a" * 128}, body=BODY),
        Answer(headers={"Docker-Content-Digest": "\x1b[31m"}, body=BODY),
        Answer(status=404),
        Answer(status=405),
        Answer(status=501),
    ],
)
def test_where_head_gives_no_digest_the_bytes_do(
    server: ScriptedServer, reader: ContainerRegistryReader, head: Answer
) -> None:
    server.play(TOKEN, head, Answer(body=BODY))
    assert reader.digest_of("a", "1") == DIGEST
    assert server.methods == ["GET", "HEAD", "GET"]
    server.play(head, Answer(status=404))
    assert reader.digest_of("a", "2") is None


def test_a_server_whose_head_was_true_once_is_believed(server: ScriptedServer, reader: ContainerRegistryReader) -> None:
    server.play(TOKEN, HERE, Answer(status=404))
    assert reader.digest_of("a", "1") == DIGEST
    assert reader.digest_of("a", "2") is None
    assert server.methods == ["GET", "HEAD", "HEAD"]


def test_a_digest_of_another_algorithm_is_as_good_as_none(
    server: ScriptedServer, reader: ContainerRegistryReader
) -> None:
    server.play(TOKEN, Answer(headers={"Docker-Content-Digest": "sha512:" + "a" * 128}, body=BODY))
    assert reader.manifest("a", "1", 100) == Manifest(DIGEST, BODY)


# --- Addresses of container registries --------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "host",
    ["https://vibedata.azurecr.io", "[", "a..b", "x" * 64 + ".example", "h:99999", "127.1", "h/path", "\u2100", ""],
)
def test_what_is_no_container_registrys_address_is_said_at_once(host: str) -> None:
    assert code_of(wire, host, PUBLISHER, SYSTEM_CLOCK) == "VD-REGISTRY-020"


def test_authorities_that_are_not_there_are_said_at_once(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    empty = tmp_path / "empty.pem"
    empty.write_bytes(b"no certificate")
    for value in (str(tmp_path / "absent.pem"), str(empty)):
        monkeypatch.setenv("REQUESTS_CA_BUNDLE", value)
        assert code_of(new_session) == "VD-NET-020"
    monkeypatch.setenv("REQUESTS_CA_BUNDLE", str(tmp_path))  # a folder of them
    new_session()


def test_authorities_that_vanish_are_a_typed_error(
    server: ScriptedServer, reader: ContainerRegistryReader, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setenv("REQUESTS_CA_BUNDLE", str(tmp_path / "absent.pem"))
    assert code_of(reader.digest_of, "a", "1") == "VD-REGISTRY-001"
    assert server.requests == []
