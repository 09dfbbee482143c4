"""The OCI image layout that a build writes, read by another program and by us."""

import hashlib
import json
import os
import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from lab.machine import tools
from oci.layout import reader as layout_reader
from oci.layout.writer import EMPTY, REFERENCE_NAME, TITLE, LayoutWriter, blob_path
from runbook_lib.basics.digest import digest_of
from runbook_lib.errors import RunbookError

TYPE = "application/vnd.example.text"


def write(folder: Path, *, backwards: bool = False) -> Path:
    writer = LayoutWriter(folder=folder)
    big = folder.parent / "big"
    big.write_bytes(b"0123456789" * 300_000)

    def first() -> None:
        layers = [
            writer.add_bytes("größe".encode(), media_type=TYPE, title="a.txt"),
            writer.add_file(big, media_type=TYPE, title="big"),
        ]
        writer.add_artifact(repository="example/one", tag="1.0", artifact_type=TYPE, layers=layers)

    def second() -> None:
        layer = writer.add_bytes(b"two", media_type=TYPE, title="b.txt")
        writer.add_artifact(repository="example/two", tag="1.0", artifact_type=TYPE, layers=[layer])

    for step in (second, first) if backwards else (first, second):
        step()
    writer.finish()
    return folder


@pytest.fixture
def layout(tmp_path: Path) -> Iterator[Path]:
    yield write(tmp_path / "layout")


def files(folder: Path) -> dict[str, bytes]:
    return {str(path.relative_to(folder)): path.read_bytes() for path in folder.rglob("*") if path.is_file()}


def test_reads_what_it_wrote(layout: Path) -> None:
    one, two = layout_reader.read(layout)
    assert (one.repository, one.tag, one.artifact_type) == ("example/one", "1.0", TYPE)
    assert [layer.annotations[TITLE] for layer in one.layers] == ["a.txt", "big"]
    assert layout_reader.blob(layout, one.layers[0]).decode() == "größe"
    assert layout_reader.blob(layout, two.layers[0]) == b"two"
    assert {blob.digest for blob in two.blobs} == {digest_of(b"two"), digest_of(EMPTY)}
    assert one.digest == digest_of(one.manifest)


def test_every_blob_has_the_name_of_its_bytes(layout: Path) -> None:
    for path in (layout / "blobs" / "sha256").iterdir():
        assert path.name == hashlib.sha256(path.read_bytes()).hexdigest()


def test_the_order_of_calls_changes_no_file(layout: Path, tmp_path: Path) -> None:
    (tmp_path / "other").mkdir()
    assert files(write(tmp_path / "other" / "layout", backwards=True)) == files(layout)


@pytest.mark.parametrize("name", ["example/one", "example/two"])
def test_skopeo_reads_it(layout: Path, name: str) -> None:
    tool = tools.skopeo()
    command = [*tool.command, "inspect", "--raw", f"oci:{layout}:{name}:1.0"]
    shown = subprocess.run(command, env={**os.environ, **tool.environ}, check=True, capture_output=True, timeout=60)
    (artifact,) = [artifact for artifact in layout_reader.read(layout) if artifact.repository == name]
    assert shown.stdout == artifact.manifest


def test_damage_is_found(layout: Path) -> None:
    one, _ = layout_reader.read(layout)
    index = json.loads((layout / "index.json").read_text())
    layer, manifest = blob_path(layout, one.layers[1].digest), blob_path(layout, one.digest)
    for path, content in (
        (layer, b"9" + layer.read_bytes()[1:]),
        (layer, b"short"),
        (layer, None),
        (manifest, manifest.read_bytes() + b" "),
        (layout / "oci-layout", b'{"imageLayoutVersion":"2.0.0"}'),
        (layout / "oci-layout", None),
        (layout / "index.json", b"{"),
        (layout / "index.json", json.dumps({**index, "manifests": [{"digest": one.digest}]}).encode()),
    ):
        before = path.read_bytes()
        if content is None:
            path.unlink()
        else:
            path.write_bytes(content)
        with pytest.raises(RunbookError) as caught:
            layout_reader.read(layout)
        assert caught.value.code == "VD-PUSH-001"
        path.write_bytes(before)
    assert len(layout_reader.read(layout)) == 2


def test_a_manifest_that_no_registry_takes_is_not_read(layout: Path) -> None:
    index = json.loads((layout / "index.json").read_text())
    entry, _ = index["manifests"]
    manifest = blob_path(layout, entry["digest"]).read_bytes()

    def lengthen(size: int) -> None:
        content = manifest.ljust(size)
        blob_path(layout, digest_of(content)).write_bytes(content)
        (layout / "index.json").write_text(
            json.dumps({**index, "manifests": [{**entry, "digest": digest_of(content), "size": size}]})
        )

    lengthen(layout_reader.MAX_MANIFEST_BYTES)
    assert len(layout_reader.read(layout)) == 1
    lengthen(layout_reader.MAX_MANIFEST_BYTES + 1)
    with pytest.raises(RunbookError, match="at most 4194304") as caught:
        layout_reader.read(layout)
    assert caught.value.code == "VD-PUSH-001"


@pytest.mark.parametrize(
    "index",
    [
        b"[" * 100_000,
        b"[]",
        b'{"manifests": 1}',
        b'{"manifests": [[1]]}',
        b'{"manifests": [null]}',
        b'{"manifests": [{"digest": [1]}]}',
        b'{"manifests": [{"digest": "sha256:", "annotations": []}]}',
        b'{"manifests": [{"digest": "sha256:../../index.json"}]}',
        b'{"manifests": [], "manifests": []}',
    ],
)
def test_an_index_of_another_shape_is_damage(layout: Path, index: bytes) -> None:
    (layout / "index.json").write_bytes(index)
    assert damage(layout)


@pytest.mark.parametrize(
    "change",
    [
        {"layers": 1},
        {"layers": [1]},
        {"layers": [[]]},
        {"config": None},
        {"subject": []},
        {"annotations": []},
        {"annotations": {"a": 1}},
        {"mediaType": []},
    ],
)
def test_a_manifest_of_another_shape_is_damage(layout: Path, change: dict[str, Any]) -> None:
    one, *_ = layout_reader.read(layout)
    for part, found in (({}, True), (change, False)):
        content = json.dumps({**json.loads(one.manifest), **part}).encode()
        blob_path(layout, digest_of(content)).write_bytes(content)
        entry = {"digest": digest_of(content), "annotations": {REFERENCE_NAME: "example/one:1.0"}}
        (layout / "index.json").write_text(json.dumps({"manifests": [entry]}))
        assert layout_reader.read(layout) if found else damage(layout)


def damage(layout: Path) -> str:
    with pytest.raises(RunbookError) as caught:
        layout_reader.read(layout)
    assert caught.value.code == "VD-PUSH-001"
    return caught.value.detail
