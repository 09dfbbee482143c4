"""The writer's reaction to answers that a container registry gives rarely, or should never give."""

import itertools
from collections.abc import Iterator
from pathlib import Path
from urllib.parse import parse_qs, quote, urlsplit

import pytest
import requests

from oci.container_registry.writer import MAX_PIECE_BYTES, PIECE_BYTES, ContainerRegistryWriter
from oci.layout.writer import Descriptor
from runbook_lib.basics.clock import SYSTEM_CLOCK
from runbook_lib.container_registry.tokens import PublisherTokenSource
from runbook_lib.container_registry.wire import ContainerRegistryWire
from runbook_lib.errors import RunbookError
from runbook_lib.network.http_session import new_session
from runbook_lib.network.retry import NetworkRetryPolicy
from tests.support.scripted_server import Answer, ScriptedServer, json_answer
from vibedata.commands.push import SIDE

DIGEST = f"sha256:{5:064x}"
TOKEN = json_answer({"access_token": "a-token", "expires_in": 3600})
UNAUTHORIZED = json_answer({"errors": [{"code": "UNAUTHORIZED", "message": "expired"}]}, status=401)


@pytest.fixture
def server(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[ScriptedServer]:
    with ScriptedServer(tmp_path).running() as running:
        monkeypatch.setenv("REQUESTS_CA_BUNDLE", str(running.ca_file))
        yield running


@pytest.fixture
def writer(server: ScriptedServer) -> ContainerRegistryWriter:
    policy = NetworkRetryPolicy(delay_seconds=0.01)
    wire = ContainerRegistryWire(
        login_server=server.host, side=SIDE, session=new_session(), policy=lambda: policy, clock=SYSTEM_CLOCK
    )
    source = PublisherTokenSource(wire=wire, username="u", password="p" * 8, clock=SYSTEM_CLOCK)
    return ContainerRegistryWriter(wire=wire, source=source, clock=SYSTEM_CLOCK)


def code_of(caught: pytest.ExceptionInfo[RunbookError]) -> str:
    return caught.value.code


@pytest.mark.parametrize(
    "location",
    [
        "https://elsewhere.example/v2/a/blobs/uploads/1",
        "//elsewhere.example/v2/a/blobs/uploads/1",
        "https://127.0.0.1:1/v2/a/blobs/uploads/1",
        "https://[/v2/a/blobs/uploads/1",
        "https://u@127.0.0.1/v2/a/blobs/uploads/1",
        "https://127.1/v2/a/blobs/uploads/1",
        "",
    ],
)
def test_an_upload_that_is_led_elsewhere_ends_there(
    server: ScriptedServer, writer: ContainerRegistryWriter, tmp_path: Path, location: str
) -> None:
    server.play(TOKEN, Answer(status=202, headers={"Location": location}))
    blob = tmp_path / "blob"
    blob.write_bytes(b"12345")
    with pytest.raises(RunbookError) as caught:
        writer.send_blob("a", blob, Descriptor(media_type="text/plain", digest=DIGEST, size=5))
    assert code_of(caught) == "VD-PUSH-006"
    assert all(b"12345" not in request.body for request in server.requests)


def test_tokens_for_writing_and_for_reading_are_asked_for_apart(
    server: ScriptedServer, writer: ContainerRegistryWriter
) -> None:
    writer.expect(read=["a", "b"], written=["a"])
    server.play(TOKEN, Answer(status=200), TOKEN, Answer(status=201))
    assert writer.has_blob("b", DIGEST)
    writer.put_manifest("a", "1.0", b"{}", "application/json")
    asked = [request.path for request in server.requests if request.path.startswith("/oauth2/token")]
    assert [path.count("push") for path in asked] == [0, 1]
    assert server.requests[-1].body == b"{}"


def test_a_refused_token_is_renewed_once(server: ScriptedServer, writer: ContainerRegistryWriter) -> None:
    server.play(TOKEN, UNAUTHORIZED, TOKEN, Answer(status=404))
    assert not writer.has_blob("a", DIGEST)
    server.forget()
    server.play(UNAUTHORIZED, TOKEN, UNAUTHORIZED)
    with pytest.raises(RunbookError) as caught:
        writer.has_blob("a", DIGEST)
    assert code_of(caught) == "VD-PUSH-005"


def test_a_blob_behind_a_redirect_is_there(server: ScriptedServer, writer: ContainerRegistryWriter) -> None:
    server.play(TOKEN, Answer(status=307, headers={"Location": "https://storage.example/blob"}))
    assert writer.has_blob("a", DIGEST)


def test_a_manifest_without_a_digest_is_no_answer(server: ScriptedServer, writer: ContainerRegistryWriter) -> None:
    server.play(TOKEN, Answer(status=200, headers={"Docker-Content-Digest": "md5:1"}))
    with pytest.raises(RunbookError) as caught:
        writer.manifest_digest("a", "1.0")
    assert code_of(caught) == "VD-REGISTRY-006"


@pytest.mark.parametrize(
    "repository", ["shop/tags", "tags/shop", "shop/blobs/cache", "a/manifests/b", "shop/referrers"]
)
def test_a_repository_may_be_called_like_a_part_of_the_api(
    server: ScriptedServer, writer: ContainerRegistryWriter, tmp_path: Path, repository: str
) -> None:
    blob = tmp_path / "blob"
    blob.write_bytes(b"12345")
    server.play(
        TOKEN, Answer(status=202, headers={"Location": f"/v2/{repository}/blobs/uploads/1"}), Answer(status=201)
    )
    server.play(Answer(status=201), TOKEN, Answer(status=404), Answer(headers={"Docker-Content-Digest": DIGEST}))
    writer.send_blob(repository, blob, Descriptor(media_type="text/plain", digest=DIGEST, size=5))
    writer.put_manifest(repository, "1.0", b"{}", "application/json")
    assert not writer.has_blob(repository, DIGEST)
    assert writer.manifest_digest(repository, "1.0") == DIGEST
    asked = [parse_qs(urlsplit(each.path).query)["scope"] for each in server.requests if "/oauth2/token" in each.path]
    assert asked == [[f"repository:{repository}:pull,push"], [f"repository:{repository}:pull"]]


@pytest.mark.parametrize(
    "location",
    ["https://HOST/upload/7?state=x&a=&a=%2f", "HTTPS://HOST/upload/7?state=x&a=&a=%2f", "/upload/7?state=x&a=&a=%2f"],
)
def test_an_upload_goes_on_wherever_its_own_server_says(
    server: ScriptedServer, writer: ContainerRegistryWriter, tmp_path: Path, location: str
) -> None:
    blob = tmp_path / "blob"
    blob.write_bytes(b"12345")
    there = location.replace("HOST", server.host)
    server.play(TOKEN, Answer(status=202, headers={"Location": there}), Answer(status=201))
    writer.send_blob("a", blob, Descriptor(media_type="text/plain", digest=DIGEST, size=5))
    assert server.requests[-1].path == f"/upload/7?state=x&a=&a=%2F&digest={quote(DIGEST, safe='')}"
    assert server.requests[-1].headers["Authorization"] == "Bearer a-token"


def test_the_default_port_and_capitals_make_no_other_server() -> None:
    """The names are never resolved: the first answer is given by hand, and its address is only parsed."""
    home = "https://registry.example/v2/a/blobs/uploads/"
    wire = ContainerRegistryWire(
        login_server="Registry.Example:443",
        side=SIDE,
        session=new_session(),
        policy=NetworkRetryPolicy,
        clock=SYSTEM_CLOCK,
    )
    source = PublisherTokenSource(wire=wire, username="u", password="p" * 8, clock=SYSTEM_CLOCK)
    writer = ContainerRegistryWriter(wire=wire, source=source, clock=SYSTEM_CLOCK)

    def led_to(location: str) -> str:
        begun = requests.Response()
        begun.status_code, begun.url, begun.headers["Location"] = 202, home, location
        return writer._get_location(begun, None)

    for location in (
        "https://registry.example:443/x",
        "https://REGISTRY.example/x",
        "https://registry.example./x",
        "/x",
    ):
        assert led_to(location) == "https://registry.example/x"
    for location in ("http://registry.example/x", "https://registry.example:8443/x", "https://registry.example.com/x"):
        with pytest.raises(RunbookError) as caught:
            led_to(location)
        origin = location.removesuffix("/x")
        assert caught.value.detail == f"the upload was led to {origin}, away from https://registry.example"


@pytest.mark.parametrize(
    ("least", "pieces"),
    [
        ("", [PIECE_BYTES, PIECE_BYTES, 10]),
        ("many", [PIECE_BYTES, PIECE_BYTES, 10]),
        ("1", [PIECE_BYTES, PIECE_BYTES, 10]),
        (str(PIECE_BYTES + 5), [PIECE_BYTES + 5, PIECE_BYTES + 5]),
        (str(MAX_PIECE_BYTES), [2 * PIECE_BYTES + 10]),
    ],
)
def test_pieces_are_as_long_as_the_server_wants_at_least(
    server: ScriptedServer, writer: ContainerRegistryWriter, tmp_path: Path, least: str, pieces: list[int]
) -> None:
    size = 2 * PIECE_BYTES + 10
    blob = tmp_path / "blob"
    blob.write_bytes(b"x" * size)
    on = Answer(status=202, headers={"Location": "/v2/a/blobs/uploads/1"})
    server.play(TOKEN, Answer(status=202, headers={**on.headers, "OCI-Chunk-Min-Length": least}))
    server.play(*[on] * len(pieces), Answer(status=201))
    writer.send_blob("a", blob, Descriptor(media_type="text/plain", digest=DIGEST, size=size))
    sent = [each for each in server.requests if each.method == "PATCH"]
    assert [len(each.body) for each in sent] == pieces
    ends = list(itertools.accumulate(pieces))
    wanted = [f"{end - length}-{end - 1}" for end, length in zip(ends, pieces, strict=True)]
    assert [each.headers["Content-Range"] for each in sent] == wanted


@pytest.mark.parametrize("least", [str(MAX_PIECE_BYTES + 1), "9" * 5000])
def test_pieces_that_would_fill_the_memory_are_not_sent(
    server: ScriptedServer, writer: ContainerRegistryWriter, tmp_path: Path, least: str
) -> None:
    blob = tmp_path / "blob"
    blob.write_bytes(b"x" * (PIECE_BYTES + 1))
    headers = {"Location": "/v2/a/blobs/uploads/1", "OCI-Chunk-Min-Length": least}
    server.play(TOKEN, Answer(status=202, headers=headers))
    with pytest.raises(RunbookError, match="it asks for pieces of at least") as caught:
        writer.send_blob("a", blob, Descriptor(media_type="text/plain", digest=DIGEST, size=PIECE_BYTES + 1))
    assert code_of(caught) == "VD-PUSH-006"
    assert server.methods == ["GET", "POST"]


@pytest.mark.parametrize(("etag", "sent"), [('"1"', '"1"'), ('W/"1"', None), ("", None)])
def test_an_index_is_written_on_condition_of_a_strong_etag(
    server: ScriptedServer, writer: ContainerRegistryWriter, etag: str, sent: str | None
) -> None:
    server.play(TOKEN, Answer(status=201))
    writer.put_index("a", "sha256-1", b"{}", etag=etag)
    assert server.requests[-1].headers.get("If-Match") == sent
