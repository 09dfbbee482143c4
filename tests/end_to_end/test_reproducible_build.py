"""The same commit gives the same bytes, in any folder, on any day, under any settings."""

import json
import os
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from oci.build import WHEEL_CACHE
from tests.support.build_definition import COPIED, DEFINITION

ROOT = Path(__file__).resolve().parents[2]


def clone(folder: Path, *, names: list[str], settings: dict[str, str]) -> Path:
    """Return a clone with the tree's present content in one commit of a fixed time.

    The files are made in the order of `names`.
    """
    for name in names:
        shutil.copytree(ROOT / name, folder / name, ignore=shutil.ignore_patterns("__pycache__"))
    identity = {
        "GIT_AUTHOR_NAME": "a",
        "GIT_AUTHOR_EMAIL": "a@example.org",
        "GIT_AUTHOR_DATE": "2026-11-01T10:00:00Z",
        "GIT_COMMITTER_NAME": "a",
        "GIT_COMMITTER_EMAIL": "a@example.org",
        "GIT_COMMITTER_DATE": "2026-11-01T12:00:00+02:00",
    }
    for command in (["init", "-q"], ["add", "."], ["-c", "core.hooksPath=/dev/null", "commit", "-qm", "all"]):
        subprocess.run(["git", *command], cwd=folder, env={**os.environ, **identity, **settings}, check=True)
    return folder


def build(tree: Path, *, settings: dict[str, str], umask: int, definition: str) -> dict[str, Any]:
    (tree / "release.json").write_text(definition)
    environ = {name: value for name, value in os.environ.items() if name != "SOURCE_DATE_EPOCH"} | settings
    command = [sys.executable, "-m", "vibedata.cli", "build", "--release", "release.json", "--out", "dist/release"]
    # Both builds use one cache, because the build itself compares every wheel with the lock.
    command += ["--wheels", str(ROOT / WHEEL_CACHE), "--output", "json"]
    done = subprocess.run(
        command, cwd=tree, env=environ, umask=umask, capture_output=True, text=True, check=False, timeout=280
    )
    assert done.returncode == 0, done.stdout + done.stderr
    result: dict[str, Any] = json.loads(done.stdout)
    return result


def content(folder: Path) -> dict[str, bytes]:
    return {path.relative_to(folder).as_posix(): path.read_bytes() for path in folder.rglob("*") if path.is_file()}


@pytest.fixture(scope="module")
def two_builds(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, dict[str, Any], Path, dict[str, Any]]:
    plain = {"TZ": "UTC", "LC_ALL": "C", "PYTHONHASHSEED": "1", "LANG": "C"}
    other = {"TZ": "Pacific/Kiritimati", "LC_ALL": "C.UTF-8", "PYTHONHASHSEED": "4242", "HOME": "/nonexistent"}
    here = clone(tmp_path_factory.mktemp("a"), names=list(COPIED), settings=plain)
    there = clone(tmp_path_factory.mktemp("b") / "deeper down", names=list(reversed(COPIED)), settings=other)
    for age, path in enumerate(sorted(there.rglob("*.py"), reverse=True)):
        os.utime(path, (age, age))
        path.chmod(0o600)
    first = build(here, settings=plain, umask=0o022, definition=json.dumps(DEFINITION))
    # The same definition, written by another tool.
    rewritten = json.dumps(dict(reversed(DEFINITION.items())), indent=4)
    second = build(there, settings=other, umask=0o077, definition=rewritten)
    return here / "dist/release", first, there / "dist/release", second


def test_every_file_is_the_same(two_builds: tuple[Path, dict[str, Any], Path, dict[str, Any]]) -> None:
    here, first, there, second = two_builds
    assert content(here) == content(there)
    assert first["artifacts"] == second["artifacts"]
    assert first["manifest_digest"] == second["manifest_digest"]


def test_the_release_has_the_commits_time(two_builds: tuple[Path, dict[str, Any], Path, dict[str, Any]]) -> None:
    here, first, _, _ = two_builds
    index = json.loads((here / "index.json").read_bytes())
    blobs = here / "blobs" / "sha256"
    entry = next(entry for entry in index["manifests"] if entry["digest"] == first["manifest_digest"])
    layer = json.loads((blobs / entry["digest"][7:]).read_bytes())["layers"][0]
    manifest = json.loads((blobs / layer["digest"][7:]).read_bytes())
    assert manifest["created_at"] == "2026-11-01T10:00:00Z"
    assert manifest["expires_at"] == "2027-11-01T10:00:00Z"
    assert not first["uncommitted_changes"]


def test_a_rebuild_replaces_the_former_build(two_builds: tuple[Path, dict[str, Any], Path, dict[str, Any]]) -> None:
    here, first, _, _ = two_builds
    before = content(here)
    epoch = {"SOURCE_DATE_EPOCH": "1793527200"}
    again = build(here.parent.parent, settings=epoch, umask=0o022, definition=json.dumps(DEFINITION))
    assert content(here) == before
    assert again["artifacts"] == first["artifacts"]
    assert [path.name for path in here.parent.iterdir()] == ["release"]
