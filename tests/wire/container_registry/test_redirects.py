"""The redirects that a reader follows, and the fields that it sends along."""

import pytest

from runbook_lib.container_registry.manifest import Manifest
from runbook_lib.container_registry.reader import ContainerRegistryReader
from runbook_lib.errors import RunbookError
from tests.support.registry_readers import BODY, DIGEST, HERE, TOKEN, code_of
from tests.support.scripted_server import Answer, ScriptedServer


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


def test_a_signature_in_an_address_is_in_no_error(server: ScriptedServer, reader: ContainerRegistryReader) -> None:
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
