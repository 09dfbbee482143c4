"""Push many small, real images to the publisher's container registry. No two images share a layer."""

import gzip
import io
import os
import tarfile
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from oci.container_registry.writer import ContainerRegistryWriter
from oci.layout.writer import MANIFEST_MEDIA_TYPE, Descriptor, canonical
from runbook_lib.basics.clock import SYSTEM_CLOCK
from runbook_lib.basics.digest import digest_of
from runbook_lib.container_registry.tokens import PublisherTokenSource
from runbook_lib.container_registry.wire import ContainerRegistryWire
from runbook_lib.network.http_session import new_session
from runbook_lib.network.retry import NetworkRetryPolicy
from vibedata.commands.push import SIDE
from vibedata.release.publisher_registry import HOST, PASSWORD, USERNAME

LAYER_MEDIA_TYPE = "application/vnd.oci.image.layer.v1.tar+gzip"
CONFIG_MEDIA_TYPE = "application/vnd.oci.image.config.v1+json"
LAYERS = 2
TAG = "1.0.0"
PUSHES_AT_ONCE = 8


@dataclass(frozen=True, slots=True)
class Image:
    """One image: its repository's last part, its manifest, and the blobs that the manifest names."""

    name: str
    manifest: bytes
    blobs: tuple[tuple[Descriptor, bytes], ...]


def push_images(count: int, folder: Path) -> list[dict[str, Any]]:
    """Push `count` images to the lab's publisher and return a release definition's `images` entries.

    `folder` is for the blobs' temporary files. The environment is that of lab.env.
    """
    images = [make_image(f"bench-{number:03d}") for number in range(count)]
    wire = ContainerRegistryWire(
        login_server=os.environ[HOST],
        side=SIDE,
        session=new_session(),
        policy=NetworkRetryPolicy,
        clock=SYSTEM_CLOCK,
    )
    source = PublisherTokenSource(
        wire=wire, username=os.environ[USERNAME], password=os.environ[PASSWORD], clock=SYSTEM_CLOCK
    )
    writer = ContainerRegistryWriter(wire=wire, source=source, clock=SYSTEM_CLOCK)
    writer.expect(read=(), written=[_repository(image.name) for image in images])
    with ThreadPoolExecutor(PUSHES_AT_ONCE) as pushes:
        return list(pushes.map(lambda image: _push(image, writer, folder), images))


def make_image(name: str) -> Image:
    """Return an image of LAYERS layers. Each has one file with the image's name and the layer's number."""
    trees = [_tree(f"{name} {number}\n".encode() * 64) for number in range(LAYERS)]
    layers = [_blob(gzip.compress(tree, mtime=0), LAYER_MEDIA_TYPE) for tree in trees]
    rootfs = {"type": "layers", "diff_ids": [digest_of(tree) for tree in trees]}
    config = _blob(canonical({"architecture": "amd64", "os": "linux", "rootfs": rootfs}), CONFIG_MEDIA_TYPE)
    manifest = {
        "schemaVersion": 2,
        "mediaType": MANIFEST_MEDIA_TYPE,
        "config": config[0].as_json(),
        "layers": [descriptor.as_json() for descriptor, _ in layers],
    }
    return Image(name, canonical(manifest), (config, *layers))


def _tree(content: bytes) -> bytes:
    buffer = io.BytesIO()
    with tarfile.open(fileobj=buffer, mode="w", format=tarfile.USTAR_FORMAT) as tree:
        entry = tarfile.TarInfo("name.txt")
        entry.size = len(content)
        tree.addfile(entry, io.BytesIO(content))
    return buffer.getvalue()


def _blob(content: bytes, media_type: str) -> tuple[Descriptor, bytes]:
    return Descriptor(media_type=media_type, digest=digest_of(content), size=len(content)), content


def _push(image: Image, writer: ContainerRegistryWriter, folder: Path) -> dict[str, Any]:
    repository = _repository(image.name)
    _send(image.blobs, writer, repository, folder)
    writer.put_manifest(repository, TAG, image.manifest, MANIFEST_MEDIA_TYPE)
    return {
        "name": image.name,
        "repository": repository,
        "tag": TAG,
        "digest": digest_of(image.manifest),
        "size": len(image.manifest),
    }


def _send(
    blobs: Sequence[tuple[Descriptor, bytes]], writer: ContainerRegistryWriter, repository: str, folder: Path
) -> None:
    for descriptor, content in blobs:
        path = folder / descriptor.digest.removeprefix("sha256:")
        path.write_bytes(content)
        writer.send_blob(repository, path, descriptor)


def _repository(name: str) -> str:
    return f"vibedata/{name}"
