"""`vibedata build` signs: the contents of the signed folder, and the message when it cannot sign."""

import hashlib
import json
import os
import subprocess
from collections.abc import Mapping
from datetime import datetime, timedelta, timezone
from pathlib import Path
from typing import Any

import pytest

from lab.machine import tools
from oci.layout import reader as layout_reader
from oci.layout.writer import Descriptor, blob_path
from tests.support.build_definition import DEFINITION
from tests.support.certificate_maker import AUTHORITY, Made, Wanted, make, pem
from vibedata import cli

MANIFEST = "vibedata/release-manifest:2026.11.0"
TODAY = datetime.now(timezone.utc)
ROOT = make(AUTHORITY)
LEAF = make(Wanted(end=TODAY + timedelta(days=30)), issuer=ROOT)


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    for name in ("VIBEDATA_SIGNING_KEY", "VIBEDATA_SIGNING_CHAIN"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("SOURCE_DATE_EPOCH", str(int(TODAY.timestamp())))
    (tmp_path / "release.json").write_text(json.dumps(DEFINITION))
    return tmp_path


def build(folder: Path, capsys: pytest.CaptureFixture[str], *arguments: str) -> tuple[int, dict[str, Any]]:
    out = ["--release", str(folder / "release.json"), "--out", str(folder / "dist")]
    code = cli.main(["build", *out, *arguments, "--output", "json"])
    return code, json.loads(capsys.readouterr().out)


def material(folder: Path, key: Made, *chain: Made) -> tuple[str, str]:
    (folder / "key.pem").write_bytes(key.key_pem)
    (folder / "chain.pem").write_bytes(pem(*chain))
    return f"--signing-key={folder / 'key.pem'}", f"--signing-chain={folder / 'chain.pem'}"


def files(folder: Path) -> Mapping[str, bytes]:
    return {str(path.relative_to(folder)): path.read_bytes() for path in folder.rglob("*") if path.is_file()}


def test_a_signed_build_has_the_signature_beside_the_rest(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    code, unsigned = build(folder, capsys)
    assert (code, unsigned["signature"]) == (0, None)
    assert "not signed" in unsigned["warnings"][0]
    before = files(folder / "dist")
    code, signed = build(folder, capsys, *material(folder, LEAF, LEAF, ROOT))
    assert code == 0
    assert signed["manifest_digest"] == unsigned["manifest_digest"]
    assert signed["signature"]["subject"] == Wanted().name
    assert "expires at" in signed["warnings"][0]  # the leaf has a month, the release a year
    # There is no other difference.
    after = files(folder / "dist")
    new = sorted(set(after) - set(before))
    assert {name for name in before if before[name] != after[name]} == {"index.json"}
    index = json.loads(after["index.json"])
    entry = index["manifests"].pop()
    assert index == json.loads(before["index.json"])
    assert {key: entry[key] for key in ("digest", "artifactType")} == {
        "digest": signed["signature"]["digest"],
        "artifactType": "application/vnd.cncf.notary.signature",
    }
    assert "annotations" not in entry
    signature = next(artifact for artifact in layout_reader.read(folder / "dist") if not artifact.tag)
    assert (signature.repository, signature.subject) == ("vibedata/release-manifest", signed["manifest_digest"])
    layer = signature.layers[0]
    assert new == sorted(f"blobs/sha256/{digest[7:]}" for digest in (entry["digest"], layer.digest))
    subject = json.loads(signature.manifest)["subject"]
    assert subject["size"] == blob_path(folder / "dist", signature.subject).stat().st_size
    envelope = blob_path(folder / "dist", layer.digest).read_bytes()
    digest = f"sha256:{hashlib.sha256(envelope).hexdigest()}"
    assert layer == Descriptor(media_type="application/jose+json", digest=digest, size=len(envelope))
    # Another program still finds the release by its name.
    tool = tools.skopeo()
    command = [*tool.command, "inspect", "--raw", f"oci:{folder / 'dist'}:{MANIFEST}"]
    shown = subprocess.run(command, env={**os.environ, **tool.environ}, check=True, capture_output=True, timeout=60)
    assert shown.stdout == blob_path(folder / "dist", signed["manifest_digest"]).read_bytes()


def test_the_environment_names_key_and_chain(
    folder: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    material(folder, LEAF, LEAF, ROOT)
    monkeypatch.setenv("VIBEDATA_SIGNING_KEY", str(folder / "key.pem"))
    monkeypatch.setenv("VIBEDATA_SIGNING_CHAIN", str(folder / "chain.pem"))
    code, signed = build(folder, capsys)
    assert (code, signed["signature"]["algorithm"]) == (0, "ES256")


def test_an_unusable_key_or_chain_is_refused_before_the_work(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    key, chain = material(folder, LEAF, LEAF, ROOT)
    stranger = make(Wanted())
    for arguments, exit_code, code in (
        ((key,), 2, "VD-TRUST-051"),
        ((chain,), 2, "VD-TRUST-051"),
        ((key, "--signing-chain=/absent.pem"), 2, "VD-TRUST-051"),
        (("--signing-key=/absent.pem", chain), 2, "VD-TRUST-051"),
        ((key, key.replace("key=", "chain=")), 2, "VD-TRUST-051"),
        (material(folder, stranger, LEAF, ROOT), 1, "VD-TRUST-052"),
    ):
        found, result = build(folder, capsys, *arguments)
        assert (found, result["error"]["code"]) == (exit_code, code), arguments
        assert "PRIVATE" not in json.dumps(result)
    assert not (folder / "dist").exists()
