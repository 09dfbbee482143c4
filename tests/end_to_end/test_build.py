"""`vibedata build` on this tree and on broken trees: it writes a complete release, or leaves the former one."""

import json
import os
import shutil
import subprocess
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import jsonschema
import pytest

from oci.build import WHEEL_CACHE, BuildResult, build
from oci.layout import reader as layout_reader
from oci.layout.writer import TITLE
from oci.release.built import read_built_release
from runbook_lib.errors import RunbookError
from tests.support.build_definition import COPIED, DEFINITION
from vibedata import cli

ROOT = Path(__file__).resolve().parents[2]
EPOCH = {"SOURCE_DATE_EPOCH": "1793527200"}


def make(
    out: Path, *, root: Path = ROOT, environ: Mapping[str, str] = EPOCH, definition: bytes | None = None
) -> BuildResult:
    return build(
        json.dumps(DEFINITION).encode() if definition is None else definition,
        root=root,
        out=out,
        wheel_cache=ROOT / WHEEL_CACHE,
        environ=environ,
        on_step=lambda _: None,
    )


def code_of(out: Path, **changed: Any) -> str:
    with pytest.raises(RunbookError) as caught:
        make(out, **changed)
    return caught.value.code


def copy(folder: Path) -> Path:
    for name in COPIED:
        shutil.copytree(ROOT / name, folder / name, ignore=shutil.ignore_patterns("__pycache__"))
    return folder


def files(folder: Path) -> dict[str, bytes]:
    return {str(path.relative_to(folder)): path.read_bytes() for path in folder.rglob("*") if path.is_file()}


def test_the_release_is_whole(tmp_path: Path) -> None:
    result = make(tmp_path / "dist")
    release = read_built_release(tmp_path / "dist")
    names = [runbook.name for runbook in release.manifest.runbooks]
    assert names == sorted(path.stem for path in (ROOT / "runbooks").glob("*.py") if path.stem != "__init__")
    for artifact in release.artifacts:
        assert result.artifacts[f"{artifact.repository}:{artifact.tag}"] == artifact.digest
        if artifact.repository.startswith("vibedata/runbooks/"):
            script = layout_reader.blob(tmp_path / "dist", artifact.layers[0])
            file = tmp_path / "dist" / "runbooks" / artifact.layers[0].annotations[TITLE]
            assert file.read_bytes() == script
            assert b'RUNBOOK_VERSION = "2026.11.0"' in script
    manifest = next(artifact for artifact in release.artifacts if artifact.repository.endswith("release-manifest"))
    schema = json.loads((ROOT / "oci" / "release-manifest.schema.json").read_text())
    jsonschema.validate(json.loads(layout_reader.blob(tmp_path / "dist", manifest.layers[0])), schema)


def test_a_failed_build_leaves_the_former_one(tmp_path: Path) -> None:
    make(tmp_path / "dist")
    before = files(tmp_path / "dist")
    assert code_of(tmp_path / "dist", definition=b"{}") == "VD-BUILD-001"
    dangling = {**DEFINITION, "components": [{**DEFINITION["components"][0], "artifact": "absent"}]}
    assert code_of(tmp_path / "dist", definition=json.dumps(dangling).encode()) == "VD-BUILD-001"
    assert files(tmp_path / "dist") == before
    assert [path.name for path in tmp_path.iterdir()] == ["dist"]


def test_nothing_but_a_former_build_is_replaced(tmp_path: Path) -> None:
    (tmp_path / "empty").mkdir()
    make(tmp_path / "empty")
    (tmp_path / "empty" / "notes.txt").write_text("mine")
    assert code_of(tmp_path / "empty") == "VD-BUILD-007"
    assert (tmp_path / "empty" / "notes.txt").read_text() == "mine"
    (tmp_path / "file").write_text("mine")
    assert code_of(tmp_path / "file") == "VD-BUILD-007"
    (tmp_path / "other" / "blobs").mkdir(parents=True)
    assert code_of(tmp_path / "other") == "VD-BUILD-007"
    # Another tool's image layout.
    (tmp_path / "other" / "oci-layout").write_text('{"imageLayoutVersion": "1.0.0"}')
    (tmp_path / "other" / "index.json").write_text('{"schemaVersion": 2, "manifests": []}')
    assert code_of(tmp_path / "other") == "VD-BUILD-007"
    assert sorted(path.name for path in (tmp_path / "other").iterdir()) == ["blobs", "index.json", "oci-layout"]


def test_a_release_has_a_time_or_is_not_built(tmp_path: Path) -> None:
    tree = copy(tmp_path / "tree")
    assert code_of(tmp_path / "dist", root=tree, environ={}) == "VD-BUILD-008"
    assert code_of(tmp_path / "dist", root=tree, environ={"SOURCE_DATE_EPOCH": "today"}) == "VD-BUILD-008"
    # A clone around the tree does not belong to the tree.
    subprocess.run(["git", "init", "-q", str(tmp_path)], check=True)
    assert code_of(tmp_path / "dist", root=tree, environ={}) == "VD-BUILD-008"
    assert make(tmp_path / "dist", root=tree).commit.commit == ""


def test_a_broken_lock_and_broken_sources_are_named(tmp_path: Path) -> None:
    tree = copy(tmp_path / "tree")
    lock = tree / "oci" / "packages.lock"
    good = lock.read_text()
    lock.write_text(good + "<<<<<<< ours\n")
    assert code_of(tmp_path / "dist", root=tree) == "VD-BUILD-006"
    lock.write_text("".join(line for line in good.splitlines(keepends=True) if not line.startswith("azure-core")))
    assert code_of(tmp_path / "dist", root=tree) == "VD-BUILD-002"  # the library imports azure.core
    lock.write_text(good)
    (tree / "runbooks" / "large.py").write_text("RUNBOOK = 1\n" + "# x\n" * 300_000)
    assert code_of(tmp_path / "dist", root=tree) == "VD-BUILD-003"
    (tree / "runbooks" / "large.py").write_bytes(b"RUNBOOK = '\xff'\n")
    assert code_of(tmp_path / "dist", root=tree) == "VD-BUILD-002"
    assert not (tmp_path / "dist").exists()


def test_the_command_says_what_it_built(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (tmp_path / "release.json").write_text(json.dumps(DEFINITION))
    arguments = ["build", "--release", str(tmp_path / "release.json"), "--out", str(tmp_path / "dist")]
    assert cli.main([*arguments, "--output", "json"]) == 0
    result = json.loads(capsys.readouterr().out)
    assert (result["status"], result["version"], result["folder"]) == ("succeeded", "2026.11.0", str(tmp_path / "dist"))
    assert result["artifacts"]["vibedata/release-manifest:2026.11.0"] == result["manifest_digest"]
    assert cli.main(arguments) == 0
    assert "import_manifest" in capsys.readouterr().out
    assert cli.main(["build", "--release", str(tmp_path / "absent.json"), "--out", str(tmp_path / "dist")]) == 2
    assert "VD-BUILD-001" in capsys.readouterr().err
    assert os.listdir(tmp_path / "dist" / "runbooks")  # noqa: PTH208
