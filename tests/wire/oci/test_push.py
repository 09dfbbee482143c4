"""`vibedata push` to a real Docker Registry behind the lab's front. skopeo checks what arrived."""

import re
import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest

from oci import push
from oci.container_registry.writer import PIECE_BYTES
from oci.layout.writer import MANIFEST_MEDIA_TYPE, blob_path
from oci.release.built import read_built_release
from runbook_lib.basics.digest import hex_of
from runbook_lib.errors import RunbookError
from runbook_lib.release.hop import MAX_ARTIFACT_BYTES
from tests.support.pushed_release import (
    SERVICE,
    TRUST,
    VERSION,
    is_whole,
    last_sequence,
    make_release,
    outcomes,
    push_now,
    skopeo,
    vibedata,
    writer,
    writes,
)
from tests.support.running_lab import LabUnderTest
from vibedata import cli

MANIFEST_TAG = rf"/manifests/{re.escape(VERSION)}$"


@pytest.fixture(scope="module")
def release(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    yield make_release(tmp_path_factory.mktemp("release") / "dist")


def test_everything_arrives_and_a_second_push_sends_nothing(
    lab: LabUnderTest, release: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    code, first = vibedata(capsys, "push", str(release))
    assert (code, first["status"], first["error"]) == (0, "succeeded", None)
    assert {change["outcome"] for change in first["changes"]} == {"done"}
    assert is_whole(lab, release)
    latest = skopeo(lab, "vibedata/release-manifest", "latest")
    assert latest == skopeo(lab, "vibedata/release-manifest", VERSION)
    before = last_sequence(lab)
    code, second = vibedata(capsys, "push", str(release))
    assert (code, second["status"], second["changes"]) == (0, "unchanged", [])
    assert second["unchanged"] == len(first["changes"])
    assert writes(lab, before) == []


def test_large_blobs_go_in_pieces(lab: LabUnderTest, release: Path) -> None:
    assert outcomes(push_now(lab, release)) == {"done"}
    large = [path for path in (release / "blobs" / "sha256").iterdir() if path.stat().st_size > PIECE_BYTES]
    assert large, "no package is larger than one piece: this test proves nothing"
    pieces = sum(-(-path.stat().st_size // PIECE_BYTES) for path in large)
    assert [entry["method"] for entry in writes(lab)].count("PATCH") == pieces


def test_plan_shows_the_changes_and_makes_none(
    lab: LabUnderTest, release: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    code, planned = vibedata(capsys, "push", str(release), "--plan")
    assert (code, planned["status"]) == (0, "planned")
    assert planned["changes"][-1]["target"] == "tag vibedata/release-manifest:latest"
    assert writes(lab) == []
    assert len(push_now(lab, release)) == len(planned["changes"])


def test_tags_come_after_everything_else_and_latest_last(lab: LabUnderTest, release: Path) -> None:
    push_now(lab, release)
    (signature,) = (artifact.digest for artifact in read_built_release(release).signatures)
    paths = [entry["path"] for entry in writes(lab)]
    kinds = [
        "latest"
        if path.endswith("/manifests/latest")
        else "tag"
        if re.search(MANIFEST_TAG, path)
        else "signature"
        if path.endswith(f"/manifests/{signature}")
        else "manifest"
        if "/manifests/sha256:" in path
        else "blob"
        for path in paths
    ]
    order = ["blob", "manifest", "signature", "tag", "latest"]
    assert kinds == sorted(kinds, key=order.index)
    assert (kinds.count("signature"), kinds.count("latest")) == (1, 1)


def test_a_push_that_is_broken_off_leaves_no_latest_and_a_rerun_sends_the_rest(
    lab: LabUnderTest, release: Path
) -> None:
    lab.fault("status", status=403, times=0, match={"service": SERVICE, "method": "PUT", "path": MANIFEST_TAG})
    broken = push_now(lab, release)
    assert outcomes(broken) == {"done", "failed", "skipped"}
    errors = {result.error.code for result in broken if result.error}
    assert errors == {"VD-PUSH-005"}
    lab.clear_faults()
    assert writer(lab).manifest_digest("vibedata/release-manifest", "latest") is None
    before = last_sequence(lab)
    assert outcomes(push_now(lab, release)) == {"done"}
    assert not [entry for entry in writes(lab, before) if "/blobs/" in entry["path"]]
    assert is_whole(lab, release)


def test_latest_still_names_the_former_release_until_the_new_one_is_whole(
    lab: LabUnderTest, release: Path, tmp_path: Path
) -> None:
    push_now(lab, release)
    former = writer(lab).manifest_digest("vibedata/release-manifest", "latest")
    newer = make_release(tmp_path / "newer", version="2026.11.1")
    lab.fault("status", status=403, times=0, match={"service": SERVICE, "method": "PUT", "path": "/manifests/sha256"})
    assert "failed" in outcomes(push_now(lab, newer))
    lab.clear_faults()
    assert writer(lab).manifest_digest("vibedata/release-manifest", "latest") == former
    results = push_now(lab, newer)
    moved = next(result.change for result in results if result.change.target.endswith(":latest"))
    assert (moved.action, moved.before) == ("move", former)
    # The packages have not changed: their set already exists under the former version's tag.
    sent = {result.change.target for result in results if "python-packages" in result.change.target}
    assert sent == {"tag vibedata/python-packages:2026.11.1"}


@pytest.mark.parametrize("action", ["reset_before", "reset_after"])
@pytest.mark.parametrize(
    ("method", "path"),
    [
        ("POST", "/blobs/uploads/"),
        ("PATCH", "/blobs/uploads/"),
        ("PUT", "/blobs/uploads/"),
        ("PUT", "/manifests/sha256"),
        ("PUT", "/manifests/latest"),
    ],
)
def test_a_lost_answer_to_any_write_is_overcome(
    lab: LabUnderTest, release: Path, action: str, method: str, path: str
) -> None:
    lab.fault(action, match={"service": SERVICE, "method": method, "path": path})
    assert outcomes(push_now(lab, release)) == {"done"}
    assert [entry["fault"] for entry in lab.journal(service=SERVICE)].count(action) == 1
    assert is_whole(lab, release)


@pytest.mark.parametrize("method", ["POST", "PATCH", "PUT"])
def test_an_upload_that_is_never_taken_is_an_error_with_a_code(lab: LabUnderTest, release: Path, method: str) -> None:
    lab.fault("status", status=500, times=0, match={"service": SERVICE, "method": method, "path": "/blobs/uploads/"})
    results = push_now(lab, release)
    assert {result.error.code for result in results if result.error} == {"VD-PUSH-006"}
    assert "done" not in {result.outcome for result in results if result.change.stage > push.UPLOAD.stage}


def test_throttled_is_not_absent(lab: LabUnderTest, release: Path) -> None:
    push_now(lab, release)
    before = last_sequence(lab)
    lab.fault("throttle", seconds=1, times=3, match={"service": SERVICE, "method": "HEAD"})
    assert push_now(lab, release) == []
    assert writes(lab, before) == []
    lab.fault("status", status=429, times=0, match={"service": SERVICE, "method": "HEAD", "path": "/blobs/"})
    with pytest.raises(RunbookError) as caught:
        push_now(lab, release)
    assert caught.value.code == "VD-REGISTRY-004"


def test_a_versions_tag_never_moves(
    lab: LabUnderTest, release: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    push_now(lab, release)
    before = last_sequence(lab)
    other = make_release(tmp_path / "other", channel="beta")
    code, result = vibedata(capsys, "push", str(other))
    assert (code, result["error"]["code"]) == (1, "VD-PUSH-002")
    assert ":2026.11.0): it has sha256:" in result["error"]["message"]
    assert writes(lab, before) == []


def test_the_plan_and_the_push_say_that_latest_moves_back(
    lab: LabUnderTest, release: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    push_now(lab, release)
    newest = writer(lab).manifest_digest("vibedata/release-manifest", "latest")
    before = last_sequence(lab)
    older = make_release(tmp_path / "older", version="2026.9.0")
    code, planned = vibedata(capsys, "push", str(older), "--plan")
    assert (code, writes(lab, before)) == (0, [])
    assert VERSION in planned["warnings"][0]
    code, pushed = vibedata(capsys, "push", str(older))
    assert (code, pushed["changes"][-1]["before"]) == (0, newest)
    assert pushed["warnings"] == planned["warnings"]
    # If no customer could read a release, `latest` cannot move back from it.
    latest = writer(lab).manifest_digest("vibedata/release-manifest", "latest")
    assert latest is not None
    packages = next(artifact for artifact in read_built_release(release).artifacts if "packages" in artifact.repository)
    for blob in packages.blobs:
        writer(lab).send_blob("vibedata/release-manifest", blob_path(release, blob.digest), blob)
    writer(lab).put_manifest("vibedata/release-manifest", "latest", packages.manifest, MANIFEST_MEDIA_TYPE)
    code, mended = vibedata(capsys, "push", str(older))
    assert (code, mended["changes"][-1]["after"]) == (0, latest)


@pytest.mark.parametrize("broken", ["too long a manifest", "a blob of other bytes"])
def test_a_latest_that_nobody_can_read_is_replaced(
    lab: LabUnderTest, release: Path, capsys: pytest.CaptureFixture[str], broken: str
) -> None:
    push_now(lab, release)
    latest = writer(lab).manifest_digest("vibedata/release-manifest", "latest")
    built = read_built_release(release)
    if broken == "too long a manifest":
        for blob in built.signed.blobs:
            writer(lab).send_blob("vibedata/release-manifest", blob_path(release, blob.digest), blob)
        long = built.signed.manifest + b" " * MAX_ARTIFACT_BYTES
        writer(lab).put_manifest("vibedata/release-manifest", "latest", long, MANIFEST_MEDIA_TYPE)
        assert writer(lab).manifest_digest("vibedata/release-manifest", "latest") != latest
    else:
        (layer,) = built.signed.layers
        (stored,) = lab.directory.glob(f"servers/{SERVICE}/**/blobs/sha256/*/{hex_of(layer.digest)}/data")
        good = stored.read_bytes()
        stored.write_bytes(good[:-1] + b" ")
    try:
        code, pushed = vibedata(capsys, "push", str(release))
    finally:
        if broken == "a blob of other bytes":
            stored.write_bytes(good)
    assert (code, pushed["error"]) == (0, None)
    assert writer(lab).manifest_digest("vibedata/release-manifest", "latest") == latest


def test_a_push_without_a_host_says_how_to_give_one(
    release: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("VIBEDATA_PUBLISHER_REGISTRY", raising=False)
    code, result = vibedata(capsys, "push", str(release))
    assert (code, result["error"]["code"]) == (2, "VD-PUSH-004")
    assert "VIBEDATA_PUBLISHER_REGISTRY" in result["error"]["remedy"]


def test_a_release_whose_images_are_not_there_is_refused(
    lab: LabUnderTest, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    image = {"name": "studio", "repository": "vibedata/studio", "tag": "1", "digest": f"sha256:{7:064x}", "size": 5}
    code, result = vibedata(capsys, "push", str(make_release(tmp_path / "dist", images=[image])))
    assert (code, result["error"]["code"]) == (1, "VD-PUSH-003")
    assert "studio" in result["error"]["message"]
    assert writes(lab) == []


def test_credentials_are_needed_and_never_shown(
    lab: LabUnderTest, release: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    canary = "canary-3f9a1c7e5b"
    monkeypatch.setenv("VIBEDATA_PUBLISHER_REGISTRY_PASSWORD", canary)
    code = cli.main(["push", str(release), *TRUST])
    captured = capsys.readouterr()
    assert code == 1
    assert "VD-PUSH-005" in captured.err
    assert canary not in captured.out + captured.err
    monkeypatch.delenv("VIBEDATA_PUBLISHER_REGISTRY_PASSWORD")
    code, result = vibedata(capsys, "push", str(release))
    assert (code, result["error"]["code"]) == (2, "VD-PUSH-004")
    assert writes(lab) == []


def test_an_azure_login_without_a_role_is_refused(
    lab: LabUnderTest, release: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    for customers in ("SUBSCRIPTION_ID", "DCR_ID", "LOGS_ENDPOINT"):
        monkeypatch.delenv(f"VIBEDATA_{customers}")
    code, result = vibedata(capsys, "push", str(release), "--entra")
    assert (code, result["error"]["code"]) == (1, "VD-PUSH-005")
    assert "/oauth2/exchange" in {entry["path"] for entry in lab.journal(service=SERVICE)}
    assert writes(lab) == []


def test_the_password_is_read_from_standard_input(
    lab: LabUnderTest, release: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    import io

    username = lab.env["VIBEDATA_PUBLISHER_REGISTRY_USERNAME"]
    monkeypatch.setattr("sys.stdin", io.StringIO(lab.env["VIBEDATA_PUBLISHER_REGISTRY_PASSWORD"] + "\n"))
    for part in ("USERNAME", "PASSWORD"):
        monkeypatch.delenv(f"VIBEDATA_PUBLISHER_REGISTRY_{part}")
    code, planned = vibedata(capsys, "push", str(release), "--username", username, "--password-stdin", "--plan")
    assert (code, planned["status"]) == (0, "planned")


def test_a_damaged_build_is_refused_before_anything_is_asked(
    lab: LabUnderTest, release: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    damaged = tmp_path / "dist"
    shutil.copytree(release, damaged)
    layer = read_built_release(damaged).artifacts[0].layers[0]
    path = blob_path(damaged, layer.digest)
    path.write_bytes(path.read_bytes()[:-1] + b"?")
    code, result = vibedata(capsys, "push", str(damaged))
    assert (code, result["error"]["code"]) == (1, "VD-PUSH-001")
    assert lab.journal(service=SERVICE) == []
