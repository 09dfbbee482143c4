"""What the writer makes of answers that a container registry gives rarely, or never should."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from oci.container_registry_writer import ContainerRegistryWriter
from oci.layout import Descriptor
from runbook_lib.clock import SYSTEM_CLOCK
from runbook_lib.container_registry_auth import PublisherTokenSource
from runbook_lib.container_registry_wire import ContainerRegistryWire
from runbook_lib.errors import RunbookError
from runbook_lib.http import new_session
from runbook_lib.retry import NetworkRetryPolicy
from scripts.command_push import SIDE
from tests.lab.scripted_server import Answer, ScriptedServer, json_answer

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
