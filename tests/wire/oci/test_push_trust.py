"""`vibedata push` trusts a folder no more than a customer trusts a container registry."""

import hashlib
import json
import os
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from oci import push
from oci.layout import reader as layout_reader
from oci.layout.writer import (
    EMPTY,
    EMPTY_MEDIA_TYPE,
    MANIFEST_MEDIA_TYPE,
    REFERENCE_NAME,
    blob_path,
    canonical,
)
from oci.push import Push
from oci.release.built import read_built_release
from runbook_lib.basics.digest import digest_of
from runbook_lib.errors import RunbookError
from tests.support import pushed_release
from tests.support.certificate_maker import AUTHORITY, Wanted, make
from tests.support.pushed_release import SERVICE, VERSION, make_release, vibedata, writer, writes
from tests.support.running_lab import LabUnderTest

REPOSITORY = "vibedata/release-manifest"


@pytest.fixture(scope="module")
def release(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return make_release(tmp_path_factory.mktemp("release") / "dist")


@pytest.fixture
def folder(release: Path, tmp_path: Path) -> Path:
    """A copy that a test may change."""
    return Path(shutil.copytree(release, tmp_path / "copy"))


def change_index(folder: Path, change: Callable[[list[dict[str, Any]]], object]) -> None:
    index = json.loads((folder / "index.json").read_bytes())
    change(index["manifests"])
    (folder / "index.json").write_bytes(canonical(index))


def add_artifact(folder: Path, names: list[str], **fields: Any) -> str:
    """Add an artifact to the folder, under these names or without a name. Return its digest."""
    layer = os.urandom(16)
    for content in (EMPTY, layer):
        blob_path(folder, digest_of(content)).write_bytes(content)
    manifest = canonical(
        {
            "schemaVersion": 2,
            "mediaType": MANIFEST_MEDIA_TYPE,
            "artifactType": "x/y",
            "config": {"mediaType": EMPTY_MEDIA_TYPE, "digest": digest_of(EMPTY), "size": len(EMPTY)},
            "layers": [{"mediaType": "x/y", "digest": digest_of(layer), "size": len(layer)}],
            **fields,
        }
    )
    blob_path(folder, digest_of(manifest)).write_bytes(manifest)
    entry = {"mediaType": MANIFEST_MEDIA_TYPE, "digest": digest_of(manifest), "size": len(manifest)}
    named = [{**entry, "annotations": {REFERENCE_NAME: name}} for name in names] or [entry]
    change_index(folder, lambda entries: entries.extend(named))
    return digest_of(manifest)


def test_a_strangers_release_is_refused_before_anything_is_asked(
    lab: LabUnderTest, tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    issuer = make(AUTHORITY)
    strangers = pushed_release.signing(issuer, leaf=make(Wanted(), issuer=issuer))
    monkeypatch.setattr(pushed_release, "SIGNING", strangers)
    built = make_release(tmp_path / "dist")
    for arguments in ((), ("--plan",)):
        code, result = vibedata(capsys, "push", str(built), *arguments)
        assert (code, result["error"]["code"]) == (1, "VD-TRUST-008")
    assert lab.journal(service=SERVICE) == []


def test_what_is_signed_by_another_name_or_has_expired_is_refused(
    lab: LabUnderTest, release: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    root, _ = pushed_release.TRUST
    code, result = vibedata(capsys, "push", str(release), trust=(root, "--identity=CN=Another"))
    assert (code, result["error"]["code"]) == (1, "VD-TRUST-009")
    expired = make_release(tmp_path / "expired", valid_days=1)
    code, result = vibedata(capsys, "push", str(expired))
    assert (code, result["error"]["code"]) == (1, "VD-MANIFEST-006")
    assert writes(lab) == []


def test_without_anybody_to_trust_nothing_is_pushed(
    lab: LabUnderTest, release: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in ("VIBEDATA_TRUST_ROOTS", "VIBEDATA_TRUSTED_IDENTITY"):
        monkeypatch.delenv(name, raising=False)
    code, result = vibedata(capsys, "push", str(release), trust=())
    assert (code, result["error"]["code"]) == (2, "VD-TRUST-030")
    assert writes(lab) == []


def test_the_plan_says_who_signed(lab: LabUnderTest, release: Path, capsys: pytest.CaptureFixture[str]) -> None:
    code, planned = vibedata(capsys, "push", str(release), "--plan")
    assert (code, planned["signed_by"]["subject"]) == (0, Wanted().name)
    assert writes(lab) == []


def test_only_what_the_release_pins_is_sent(
    lab: LabUnderTest, folder: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    signed = read_built_release(folder).signed.digest
    names = ["vibedata/studio:latest", "somebody/elses:latest", f"vibedata/sbom:{VERSION}x", "\x1b]0;owned\x07\u202e:1"]
    strange = add_artifact(folder, names)
    referrer = add_artifact(folder, [], subject={"mediaType": MANIFEST_MEDIA_TYPE, "digest": signed, "size": 1})
    code, result = vibedata(capsys, "push", str(folder))
    assert (code, result["status"]) == (0, "succeeded")
    (warning,) = result["warnings"]
    assert "vibedata/studio:latest" in warning and "somebody/elses:latest" in warning and referrer in warning
    assert warning.isascii() and warning.isprintable()
    sent = json.dumps(result["changes"])
    assert strange not in sent and referrer not in sent
    paths = " ".join(entry["path"] for entry in lab.journal(service=SERVICE))
    assert "studio" not in paths and "elses" not in paths
    assert writer(lab).manifest_digest(REPOSITORY, "latest") == signed


def test_a_name_that_stands_twice_moves_no_tag(
    lab: LabUnderTest, folder: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    pin = read_built_release(folder).manifest.python_packages
    add_artifact(folder, [f"{pin.repository}:{pin.tag}"])
    code, _ = vibedata(capsys, "push", str(folder))
    assert code == 0
    assert writer(lab).manifest_digest(pin.repository, pin.tag) == pin.digest


def test_a_signature_that_is_not_good_is_not_sent(
    lab: LabUnderTest, folder: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (good,) = read_built_release(folder).signatures
    forged = json.loads(good.manifest)
    forged["annotations"]["org.opencontainers.image.created"] = "2026-01-01T00:00:00Z"
    envelope = layout_reader.blob(folder, good.layers[0]).replace(b'"signature":"', b'"signature":"A')
    blob_path(folder, digest_of(envelope)).write_bytes(envelope)
    forged["layers"][0] |= {"digest": digest_of(envelope), "size": len(envelope)}
    content = canonical(forged)
    blob_path(folder, digest_of(content)).write_bytes(content)
    entry = {"mediaType": MANIFEST_MEDIA_TYPE, "digest": digest_of(content), "size": len(content)}
    change_index(folder, lambda entries: entries.append(entry))
    assert len(read_built_release(folder).signatures) == 2
    code, result = vibedata(capsys, "push", str(folder))
    assert code == 0
    assert good.digest in str(writes(lab))
    sent = json.dumps(result["changes"])
    assert good.digest in sent and digest_of(content) not in sent


@pytest.mark.parametrize("named", ["the signature", "the release manifest"])
def test_the_index_gives_a_signature_no_other_place(
    lab: LabUnderTest, folder: Path, capsys: pytest.CaptureFixture[str], named: str
) -> None:
    (signature,) = read_built_release(folder).signatures

    def rename(entries: list[dict[str, Any]]) -> None:
        digest = signature.digest if named == "the signature" else signature.subject
        entry = next(each for each in entries if each["digest"] == digest)
        strange = {**entry, "annotations": {REFERENCE_NAME: "other/place:x"}}
        if named == "the signature":
            entries.remove(entry)
        entries.append(strange)

    change_index(folder, rename)
    assert read_built_release(folder).signatures == (signature,)
    code, result = vibedata(capsys, "push", str(folder))
    assert (code, result["status"]) == (0, "succeeded")
    (warning,) = result["warnings"]
    assert "other/place:x" in warning
    assert "other/place" not in " ".join(entry["path"] for entry in lab.journal(service=SERVICE))
    code, verified = vibedata(capsys, "verify", "latest")
    assert (code, verified["digest"]) == (0, signature.subject)


def test_the_index_gives_a_release_no_other_version(folder: Path) -> None:
    def rename(entries: list[dict[str, Any]]) -> None:
        for entry in entries:
            if entry.get("annotations", {}).get(REFERENCE_NAME) == f"{REPOSITORY}:{VERSION}":
                entry["annotations"][REFERENCE_NAME] = f"{REPOSITORY}:2027.1.0"

    change_index(folder, rename)
    with pytest.raises(RunbookError, match="which is of version 2026") as caught:
        read_built_release(folder)
    assert caught.value.code == "VD-PUSH-001"


def test_what_is_exchanged_for_a_link_after_the_check_is_not_sent(
    lab: LabUnderTest, folder: Path, tmp_path: Path
) -> None:
    sent = Push(built=read_built_release(folder), writer=writer(lab))
    plan = push.plan(sent.observe())
    change = next(each for each in plan.changes if each.target.startswith("blob "))
    path = blob_path(folder, change.after)
    (tmp_path / "elsewhere").write_bytes(path.read_bytes())
    path.unlink()
    path.symlink_to(tmp_path / "elsewhere")
    with pytest.raises(RunbookError, match="it is a link"):
        next(action for action in sent.actions() if action.kind.is_of(change)).make(change.subject)
    assert writes(lab) == []
    assert hashlib.sha256((tmp_path / "elsewhere").read_bytes()).hexdigest() == change.after[7:]
