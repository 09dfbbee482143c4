"""The signature of a pushed release: where it is, how a reader finds it, and what is refused without it."""

import contextlib
import json
import re
import subprocess
import time
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import pytest

from lab.machine import certificates, tools
from oci.container_registry.referrers import Referrers
from oci.container_registry.writer import ContainerRegistryWriter
from oci.layout.writer import INDEX_MEDIA_TYPE, canonical
from oci.push import Push
from oci.release.built import read_built_release
from runbook_lib.basics.clock import SYSTEM_CLOCK
from runbook_lib.container_registry.tokens import AccessToken
from runbook_lib.container_registry.wire import ContainerRegistryWire
from runbook_lib.errors import RunbookError
from runbook_lib.network.http_session import new_session
from tests.support.pushed_release import (
    IMPATIENT,
    SERVICE,
    last_sequence,
    make_release,
    push_now,
    push_with,
    vibedata,
    writer,
    writes,
)
from tests.support.running_lab import LabUnderTest
from tests.support.scripted_server import Answer, ScriptedServer
from vibedata.commands.push import SIDE

REPOSITORY = "vibedata/release-manifest"
START_SECONDS = 120.0


@pytest.fixture(scope="module")
def release(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return make_release(tmp_path_factory.mktemp("release") / "dist")


@pytest.fixture(scope="module")
def again(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The same release, built and signed a second time."""
    return make_release(tmp_path_factory.mktemp("again") / "dist")


class _NoToken:
    """For a container registry that needs no login."""

    def fetch(self, scopes: Sequence[str]) -> AccessToken:  # noqa: ARG002 - the protocol's
        return AccessToken("none", renew_at=float("inf"))

    def forget(self) -> None:
        pass


def plain_writer(host: str) -> ContainerRegistryWriter:
    wire = ContainerRegistryWire(
        login_server=host, side=SIDE, session=new_session(), policy=lambda: IMPATIENT, clock=SYSTEM_CLOCK
    )
    return ContainerRegistryWriter(wire=wire, source=_NoToken(), clock=SYSTEM_CLOCK)


@pytest.fixture
def docker_registry(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[ContainerRegistryWriter]:
    """A Docker Registry as it is, without the lab's front: it has no referrers API."""
    tool, made = tools.docker_registry(), certificates.ensure(tmp_path)
    configuration, log = tmp_path / "registry.yml", tmp_path / "registry.log"
    configuration.write_text(
        json.dumps(
            {
                "version": "0.1",
                "storage": {"filesystem": {"rootdirectory": str(tmp_path / "data")}},
                "http": {
                    "addr": "127.0.0.1:0",
                    "relativeurls": True,
                    "secret": "s",
                    "tls": {"certificate": str(made.server), "key": str(made.server_key)},
                },
            }
        )
    )
    monkeypatch.setenv("REQUESTS_CA_BUNDLE", str(made.ca))
    with log.open("wb") as file:
        process = subprocess.Popen([*tool.command, "serve", str(configuration)], env=tool.environ, stderr=file)
    with contextlib.ExitStack() as stack:
        stack.callback(process.wait)
        stack.callback(process.terminate)
        deadline = time.monotonic() + START_SECONDS
        while not (listening := re.search(r"listening on (127\.0\.0\.1:\d+)", log.read_text())):
            assert time.monotonic() < deadline, log.read_text()
            time.sleep(0.02)
        yield plain_writer(listening[1])


def signature_of(folder: Path) -> str:
    (signature,) = read_built_release(folder).signatures
    return signature.digest


def listed(answer: Any) -> dict[str, dict[str, Any]]:
    return {entry["digest"]: entry for entry in json.loads(answer.content)["manifests"]}


def test_an_unsigned_release_is_refused_before_anything_is_sent(
    lab: LabUnderTest, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    code, result = vibedata(capsys, "push", str(make_release(tmp_path / "dist", signed=False)))
    assert (code, result["error"]["code"]) == (1, "VD-TRUST-050")
    assert writes(lab) == []


def test_the_referrers_api_lists_every_signature(lab: LabUnderTest, release: Path, again: Path) -> None:
    assert {result.outcome for result in push_now(lab, release)} == {"done"}
    before = last_sequence(lab)
    results = push_now(lab, again)
    assert {result.outcome for result in results} == {"done"}
    assert {result.change.target.partition(" ")[0] for result in results} == {"blob", "signature", "referrer"}
    puts = [entry["path"] for entry in writes(lab, before) if "/manifests/" in entry["path"]]
    assert puts == [f"/v2/{REPOSITORY}/manifests/{signature_of(again)}"]  # no index where the API is
    subject = read_built_release(release).signatures[0].subject
    found = listed(writer(lab).get(REPOSITORY, f"referrers/{subject}", accept=INDEX_MEDIA_TYPE))
    assert set(found) == {signature_of(release), signature_of(again)}
    assert push_now(lab, release) == push_now(lab, again) == []


def test_without_the_api_the_index_lists_every_signature(
    docker_registry: ContainerRegistryWriter, release: Path, again: Path
) -> None:
    for folder in (release, again):
        results = push_with(Push(built=read_built_release(folder), writer=docker_registry))
        assert {result.outcome for result in results} == {"done"}
    (first,), (second,) = read_built_release(release).signatures, read_built_release(again).signatures
    tag = first.subject.replace(":", "-")
    index = docker_registry.get(REPOSITORY, f"manifests/{tag}", accept=INDEX_MEDIA_TYPE)
    found = listed(index)
    assert list(found) == [first.digest, second.digest]
    # The entry has the form that notation looks for, with its type and annotations.
    manifest = json.loads(first.manifest)
    assert found[first.digest] == {
        "mediaType": manifest["mediaType"],
        "digest": first.digest,
        "size": len(first.manifest),
        "artifactType": "application/vnd.cncf.notary.signature",
        "annotations": manifest["annotations"],
    }
    for folder in (release, again):
        assert push_with(Push(built=read_built_release(folder), writer=docker_registry)) == []


def test_an_index_that_another_wrote_meanwhile_is_read_again(
    tmp_path: Path, release: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (signature,) = read_built_release(release).signatures
    absent, taken = Answer(status=404), Answer(status=201)
    others = {"digest": f"sha256:{5:064x}", "mediaType": "m", "size": 1}

    def index(*entries: dict[str, Any], etag: str) -> Answer:
        return Answer(
            headers={"ETag": etag, "Content-Type": INDEX_MEDIA_TYPE}, body=canonical({"manifests": list(entries)})
        )

    with ScriptedServer(tmp_path).running() as server:
        monkeypatch.setenv("REQUESTS_CA_BUNDLE", str(server.ca_file))
        referrers = Referrers(writer=plain_writer(server.host), repository=REPOSITORY, subject=signature.subject)
        ours = signature.descriptor
        # The first write is refused by its condition. The second one succeeds, and a writer without a condition
        # overwrites it. Then it is there.
        server.play(absent, index(etag='"1"'), Answer(status=412))
        server.play(absent, index(others, etag='"2"'), taken)
        server.play(absent, index(others, etag='"3"'), taken)
        server.play(absent, index(others, ours.as_json(), etag='"4"'))
        referrers.add(ours)
        puts = [request for request in server.requests if request.method == "PUT"]
        assert [request.headers["If-Match"] for request in puts] == ['"1"', '"2"', '"3"']
        assert [entry["digest"] for entry in json.loads(puts[-1].body)["manifests"]] == [others["digest"], ours.digest]
        for _ in range(5):
            server.play(absent, index(others, etag='"5"'), taken)
        # The last write succeeds, too, and nobody overwrites it.
        server.play(absent, index(others, ours.as_json(), etag='"6"'))
        referrers.add(ours)
        for _ in range(5):
            server.play(absent, index(others, etag='"7"'), taken)
        server.play(absent, index(others, etag='"8"'))
        with pytest.raises(RunbookError) as caught:
            referrers.add(ours)
        assert caught.value.code == "VD-TRUST-054"


def test_a_refused_list_is_not_an_empty_one(lab: LabUnderTest, release: Path) -> None:
    lab.fault("status", status=403, times=0, match={"service": SERVICE, "path": "/referrers/"})
    with pytest.raises(RunbookError) as caught:
        push_now(lab, release)
    assert caught.value.code == "VD-PUSH-005"
    assert writes(lab) == []
