"""The data-plane reader, with the lab's container registries, and with answers that an honest one never gives."""

import gzip
from pathlib import Path

import pytest
from azure.identity import ManagedIdentityCredential

from runbook_lib.basics.clock import SYSTEM_CLOCK
from runbook_lib.container_registry.manifest import Manifest
from runbook_lib.container_registry.reader import ContainerRegistryReader
from runbook_lib.container_registry.wire import PUBLISHER
from runbook_lib.errors import RunbookError
from runbook_lib.network.http_session import new_session
from tests.support import release_maker
from tests.support.registry_readers import (
    BODY,
    DIGEST,
    HERE,
    OTHER,
    TOKEN,
    Entra,
    code_of,
    customer_of,
    publisher_of,
    wire,
)
from tests.support.running_lab import LabUnderTest
from tests.support.scripted_server import Answer, Reset, ScriptedServer, json_answer

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
def test_if_head_gives_no_digest_the_bytes_do(
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
def test_a_malformed_address_of_a_container_registry_is_refused_at_once(host: str) -> None:
    assert code_of(wire, host, PUBLISHER, SYSTEM_CLOCK) == "VD-REGISTRY-020"


def test_a_file_without_authorities_is_refused_at_once(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
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
