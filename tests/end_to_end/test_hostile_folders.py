"""A build's folder or a given file may hold anything.

A bad one is refused with a code, in a short time and with little memory.
"""

import json
import os
import subprocess
import sys
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import BinaryIO

import pytest

from oci.files.reading import FileRefusedError, read_below, read_file
from oci.layout import reader as layout_reader
from oci.layout.writer import MANIFEST_MEDIA_TYPE, LayoutWriter, blob_path, canonical
from runbook_lib.basics.digest import digest_of
from runbook_lib.errors import RunbookError
from vibedata import cli

ROOT = Path(__file__).resolve().parents[2]
# Run it in a separate process. If it waits for ever, or takes all memory, only this process fails.
SCRIPT = """
import pathlib, resource, signal, sys
resource.setrlimit(resource.RLIMIT_AS, (2**30, 2**30))
from oci.release.built import read_built_release
from runbook_lib.errors import RunbookError
for folder in sys.argv[1:]:
    signal.alarm(20)
    try:
        read_built_release(pathlib.Path(folder))
        print("taken")
    except RunbookError as error:
        print(error.code, ascii(error.detail))
    except Exception as error:
        print("untyped", type(error).__name__, ascii(str(error)))
"""
SECONDS = 200
LINKED = "sha256:" + "a" * 64


def entry(digest: object) -> dict[str, object]:
    name = {"org.opencontainers.image.ref.name": "a/b:1"}
    return {"mediaType": MANIFEST_MEDIA_TYPE, "digest": digest, "size": 1, "annotations": name}


def with_index(folder: Path, *entries: object) -> None:
    (folder / "index.json").write_bytes(canonical({"schemaVersion": 2, "manifests": list(entries)}))


def with_manifest(folder: Path, **fields: object) -> None:
    """Write a manifest of one existing layer. Some of its fields have other forms."""
    content = b"layer"
    blob_path(folder, digest_of(content)).write_bytes(content)
    layer = {"mediaType": "x/y", "digest": digest_of(content), "size": len(content)}
    made = {"mediaType": MANIFEST_MEDIA_TYPE, "artifactType": "x/y", "config": layer, "layers": [layer], **fields}
    manifest = canonical(made)
    blob_path(folder, digest_of(manifest)).write_bytes(manifest)
    with_index(folder, entry(digest_of(manifest)))


def in_place_of(name: str, make: Callable[[Path], object]) -> Callable[[Path], None]:
    def change(folder: Path) -> None:
        with_index(folder, entry(LINKED))
        path = folder / name
        if path.is_dir():
            path.rmdir()
        path.unlink(missing_ok=True)
        make(path)

    return change


def endless(path: Path) -> None:
    path.touch()
    os.truncate(path, 1 << 40)


BLOB = f"blobs/sha256/{LINKED[7:]}"
CHANGES: dict[str, Callable[[Path], object]] = {
    **{
        f"a digest {digest!r:.60}": partial(lambda digest, folder: with_index(folder, entry(digest)), digest)
        for digest in (
            *("sha256:../../../../../../../../dev/zero", "/dev/zero", "../../index.json", "sha256:/proc/self/environ"),
            *("sha256:\0", "sha256:" + "a" * 5000, "sha256:" + "A" * 64, "sha512:" + "a" * 128, "sha256:", "", None),
            *(7, [["x"]], {"a": 1}, LINKED + "\n", LINKED[:-1] + "\u0661", "sha256:" + "a" * 63 + "/"),
        )
    },
    **{
        f"{name} is {what}": in_place_of(name, make)
        for name in (BLOB, "index.json", "oci-layout")
        for what, make in {
            "a link to an endless file": lambda path: path.symlink_to("/dev/zero"),
            "a link in the folder": lambda path: path.symlink_to("oci-layout"),
            "a link to itself": lambda path: path.symlink_to(path.name),
            "a link to a secret": lambda path: path.symlink_to("/proc/self/environ"),
            "a pipe": os.mkfifo,
            "a folder": lambda path: path.mkdir(),
            "a file without end": endless,
        }.items()
    },
    "a folder of blobs that is a link": in_place_of("blobs/sha256", lambda path: path.symlink_to("/dev")),
    "an index that is nested": lambda folder: (folder / "index.json").write_bytes(b'{"manifests":' + b"[" * 200_000),
    "an index of many": lambda folder: (folder / "index.json").write_bytes(
        b'{"manifests":[' + b"{}," * 300_000 + b"{}]}"
    ),
    "an index of too many artifacts": lambda folder: with_index(folder, *[{}] * (layout_reader.MAX_ARTIFACTS + 1)),
    "an index that lists nothing": lambda folder: (folder / "index.json").write_bytes(b'{"manifests": {}}'),
    "a manifest with a path for a digest": lambda folder: with_manifest(
        folder, layers=[{"mediaType": "x/y", "digest": "sha256:../../oci-layout", "size": 30}]
    ),
    "a manifest with another size": lambda folder: with_manifest(
        folder, layers=[{"mediaType": "x/y", "digest": digest_of(b"layer"), "size": 6}]
    ),
    "a size that is no number": lambda folder: with_manifest(
        folder, layers=[{"mediaType": "x/y", "digest": digest_of(b"layer"), "size": "5"}]
    ),
    "a size that is true": lambda folder: with_manifest(
        folder, layers=[{"mediaType": "x/y", "digest": digest_of(b"layer"), "size": True}]
    ),
    "a media type that is a list": lambda folder: with_manifest(
        folder, config={"mediaType": [], "digest": digest_of(b"layer"), "size": 5}
    ),
    "a subject with a path": lambda folder: with_manifest(folder, subject={"digest": "../index.json"}),
    "layers that are a number": lambda folder: with_manifest(folder, layers=1e308),
}


def new_folder(folder: Path) -> Path:
    folder.mkdir()
    LayoutWriter(folder=folder).finish()
    return folder


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    return new_folder(tmp_path / "dist")


def test_every_hostile_folder_is_refused_by_its_code(tmp_path: Path) -> None:
    folders = {name: new_folder(tmp_path / str(number)) for number, name in enumerate(CHANGES)}
    for name, change in CHANGES.items():
        change(folders[name])
    command = [sys.executable, "-c", SCRIPT, *map(str, folders.values())]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, timeout=SECONDS, check=False)
    said = dict(zip(CHANGES, done.stdout.splitlines(), strict=True))
    assert {name: words for name, words in said.items() if not words.startswith("VD-PUSH-001 ")} == {}
    assert max(map(len, said.values())) < 500
    assert "PATH=" not in done.stdout


def test_a_blob_that_many_artifacts_have_is_read_once(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    content = b"x" * 1_000_000
    blob_path(folder, digest_of(content)).write_bytes(content)
    layer = {"mediaType": "x/y", "digest": digest_of(content), "size": len(content)}
    entries = []
    for number in range(50):
        manifest = canonical(
            {
                "mediaType": MANIFEST_MEDIA_TYPE,
                "artifactType": "x/y",
                "config": layer,
                "layers": [layer] * 100,
                "annotations": {"number": str(number)},
            }
        )
        blob_path(folder, digest_of(manifest)).write_bytes(manifest)
        entries.append(entry(digest_of(manifest)))
    with_index(folder, *entries)
    opened: list[str] = []
    original = layout_reader.opened

    def counted(layout: Path, digest: str) -> BinaryIO:
        opened.append(digest)
        return original(layout, digest)

    monkeypatch.setattr(layout_reader, "opened", counted)
    assert len(layout_reader.read(folder)) == 50
    assert opened == [digest_of(content)]
    monkeypatch.setattr(layout_reader, "MAX_LAYOUT_BYTES", len(content) - 1)
    with pytest.raises(RunbookError, match="its files have more than 999999 bytes"):
        layout_reader.read(folder)
    monkeypatch.setattr(layout_reader, "MAX_MANIFESTS_BYTES", 10_000)
    with pytest.raises(RunbookError, match="its manifests have more than 10000 bytes"):
        layout_reader.read(folder)


@pytest.mark.parametrize("kind", ["pipe", "folder", "device", "endless", "absent"])
@pytest.mark.parametrize(
    ("arguments", "code"),
    [
        (("build", "--release", "FILE", "--out", "OUT"), "VD-BUILD-001"),
        (
            ("build", "--release", "FILE", "--out", "OUT", "--signing-key", "FILE", "--signing-chain", "FILE"),
            "VD-TRUST-051",
        ),
        (("verify", "latest", "--identity", "CN=a", "--trust-root", "FILE"), "VD-TRUST-056"),
        (
            ("push", "OUT", "--to", "127.0.0.1:1", "--username", "a", "--trust-root", "FILE", "--identity", "CN=a"),
            "VD-TRUST-056",
        ),
    ],
    ids=["release", "key and chain", "verify", "push"],
)
def test_a_file_of_another_kind_is_refused_at_once(  # noqa: PLR0917 - pytest gives them by name
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
    kind: str,
    arguments: tuple[str, ...],
    code: str,
) -> None:
    monkeypatch.setenv("VIBEDATA_PUBLISHER_REGISTRY", "127.0.0.1:1")
    monkeypatch.setenv("VIBEDATA_PUBLISHER_REGISTRY_PASSWORD", "p")
    for name in ("VIBEDATA_SIGNING_KEY", "VIBEDATA_SIGNING_CHAIN"):
        monkeypatch.delenv(name, raising=False)
    file = tmp_path / "file"
    if kind == "pipe":
        os.mkfifo(file)
    elif kind == "folder":
        file.mkdir()
    elif kind == "device":
        file.symlink_to("/dev/zero")
    elif kind == "endless":
        endless(file)
    named = {"FILE": str(file), "OUT": str(tmp_path / "dist")}
    assert cli.main([*(named.get(word, word) for word in arguments), "--output", "json"]) == 2
    assert json.loads(capsys.readouterr().out)["error"]["code"] == code


def test_a_file_that_the_user_names_may_be_a_link_and_one_below_a_folder_may_not(tmp_path: Path) -> None:
    (tmp_path / "file").write_bytes(b"12345")
    (tmp_path / "link").symlink_to("file")
    assert read_file(tmp_path / "link", max_bytes=5) == b"12345"
    assert read_below(tmp_path, "file", max_bytes=5) == b"12345"
    refused: list[Callable[[], bytes]] = [
        lambda: read_below(tmp_path, "link", max_bytes=5),
        lambda: read_below(tmp_path, "file", max_bytes=4),
        lambda: read_file(tmp_path / "file", max_bytes=4),
        lambda: read_file(Path("/proc/self/status"), max_bytes=10),
        lambda: read_below(tmp_path, "absent", "file", max_bytes=5),
        lambda: read_below(tmp_path, "a\0b", max_bytes=5),
    ]
    for read in refused:
        with pytest.raises(FileRefusedError):
            read()
