"""Write an OCI image layout on disk, which any OCI tool can read (OCI image specification 1.1, image-layout.md)."""

import hashlib
import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from runbook_lib.basics.digest import digest_from_hex, digest_of, hex_of
from runbook_lib.basics.strict_json import MAX_INTEGER

MANIFEST_MEDIA_TYPE = "application/vnd.oci.image.manifest.v1+json"
INDEX_MEDIA_TYPE = "application/vnd.oci.image.index.v1+json"
EMPTY_MEDIA_TYPE = "application/vnd.oci.empty.v1+json"
EMPTY = b"{}"
TITLE = "org.opencontainers.image.title"
REFERENCE_NAME = "org.opencontainers.image.ref.name"
COPY_BYTES = 1024 * 1024


@dataclass(frozen=True, slots=True, kw_only=True)
class Descriptor:
    """A pointer to a blob: media type, digest (sha256:HEX), size in bytes."""

    media_type: str
    digest: str
    size: int
    artifact_type: str = ""
    annotations: Mapping[str, str] = field(default_factory=dict)

    def as_json(self) -> dict[str, Any]:
        """Return the descriptor in the specification's form."""
        result: dict[str, Any] = {"mediaType": self.media_type, "digest": self.digest, "size": self.size}
        if self.artifact_type:
            result["artifactType"] = self.artifact_type
        if self.annotations:
            result["annotations"] = dict(self.annotations)
        return result


def canonical(value: object) -> bytes:
    """Return the canonical JSON of a value: keys sorted, no white space, UTF-8. Equal values give equal digests.

    2, 2.0 and 20e-1 are one number, and it is written as 2 (RFC 8785, 3.2.2.3: numbers as in ECMAScript).
    """
    whole = _with_whole_numbers(value)
    return json.dumps(whole, sort_keys=True, separators=(",", ":"), ensure_ascii=False, allow_nan=False).encode()


def _with_whole_numbers(value: object) -> object:
    """Return the value with an int for every whole float. Python writes each other float in only one form."""
    if isinstance(value, Mapping):
        return {key: _with_whole_numbers(item) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return [_with_whole_numbers(item) for item in value]
    if isinstance(value, float) and value.is_integer() and abs(value) <= MAX_INTEGER:
        return int(value)
    return value


def blob_path(layout: Path, digest: str) -> Path:
    """Return the path of the blob of this digest in a layout."""
    return layout / "blobs" / "sha256" / hex_of(digest)


class LayoutWriter:
    """Writes one layout into an empty folder. The same calls give the same bytes in any order."""

    def __init__(self, *, folder: Path) -> None:
        self._folder = folder
        self._manifests: dict[str, Descriptor] = {}
        self._untagged: dict[str, Descriptor] = {}
        (folder / "blobs" / "sha256").mkdir(parents=True)

    def add_bytes(self, content: bytes, *, media_type: str, title: str = "") -> Descriptor:
        """Add a small blob and return its descriptor. Tools use `title` as its file name."""
        digest = digest_of(content)
        blob_path(self._folder, digest).write_bytes(content)
        return _layer(media_type, digest, len(content), title)

    def add_file(self, path: Path, *, media_type: str, title: str) -> Descriptor:
        """Add a file as a blob. It is copied and hashed piece by piece."""
        hashed, size = hashlib.sha256(), 0
        partial = self._folder / "blobs" / "partial"
        with path.open("rb") as source, partial.open("wb") as target:
            while piece := source.read(COPY_BYTES):
                hashed.update(piece)
                size += len(piece)
                target.write(piece)
        digest = digest_from_hex(hashed.hexdigest())
        partial.replace(blob_path(self._folder, digest))
        return _layer(media_type, digest, size, title)

    def add_artifact(
        self, *, repository: str, tag: str, artifact_type: str, layers: Sequence[Descriptor]
    ) -> Descriptor:
        """Add an artifact's manifest, which index.json names `repository:tag`, and return its descriptor.

        The manifest holds only its layers, so that equal content has an equal digest in every release.
        """
        config = self.add_bytes(EMPTY, media_type=EMPTY_MEDIA_TYPE)
        manifest = {
            "schemaVersion": 2,
            "mediaType": MANIFEST_MEDIA_TYPE,
            "artifactType": artifact_type,
            "config": config.as_json(),
            "layers": [layer.as_json() for layer in layers],
        }
        added = self.add_bytes(canonical(manifest), media_type=MANIFEST_MEDIA_TYPE)
        reference = f"{repository}:{tag}"
        self._manifests[reference] = Descriptor(
            media_type=added.media_type,
            digest=added.digest,
            size=added.size,
            artifact_type=artifact_type,
            annotations={REFERENCE_NAME: reference},
        )
        return self._manifests[reference]

    def add_referrer(self, manifest: bytes, *, artifact_type: str, layers: Mapping[str, bytes]) -> Descriptor:
        """Add an artifact that refers to another one, its manifest's subject. index.json gives it no name.

        `layers` has the content of each layer of the manifest, by media type. The config is the empty one.
        """
        self.add_bytes(EMPTY, media_type=EMPTY_MEDIA_TYPE)
        for media_type, content in layers.items():
            self.add_bytes(content, media_type=media_type)
        added = self.add_bytes(manifest, media_type=MANIFEST_MEDIA_TYPE)
        referrer = Descriptor(
            media_type=added.media_type, digest=added.digest, size=added.size, artifact_type=artifact_type
        )
        self._untagged[added.digest] = referrer
        return referrer

    def finish(self) -> None:
        """Write oci-layout and index.json. Artifacts are in the order of their names, and unnamed ones come last."""
        (self._folder / "oci-layout").write_bytes(canonical({"imageLayoutVersion": "1.0.0"}))
        listed = [known[key].as_json() for known in (self._manifests, self._untagged) for key in sorted(known)]
        index = {"schemaVersion": 2, "mediaType": INDEX_MEDIA_TYPE, "manifests": listed}
        (self._folder / "index.json").write_bytes(canonical(index))


def _layer(media_type: str, digest: str, size: int, title: str) -> Descriptor:
    annotations = {TITLE: title} if title else {}
    return Descriptor(media_type=media_type, digest=digest, size=size, annotations=annotations)
