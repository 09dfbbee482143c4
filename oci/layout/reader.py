"""Read an OCI image layout. Every file is compared with its digest before it is used.

Anybody may have made the folder. So the number of artifacts and of bytes is limited, and with them the time.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, BinaryIO

from oci.files import reading as local_files
from oci.files.reading import FileRefusedError
from oci.layout.writer import MANIFEST_MEDIA_TYPE, REFERENCE_NAME, Descriptor
from runbook_lib.basics import strict_json
from runbook_lib.basics.digest import digest_from_hex, digest_of, hex_of, is_digest
from runbook_lib.errors import RunbookError, build

# ACR's limit for one manifest (docs/azure-facts.md#registry-tokens).
MAX_MANIFEST_BYTES = 4 * 1024 * 1024
# A release has some dozen artifacts, each with some hundred bytes in index.json.
MAX_INDEX_BYTES = 1024 * 1024
MAX_ARTIFACTS = 1000
# The limit for all manifests together, because they are kept in memory.
MAX_MANIFESTS_BYTES = 64 * 1024 * 1024
# The limit for all files together, each counted once. It is some twenty times the size of a release.
MAX_LAYOUT_BYTES = 1024 * 1024 * 1024
_VERSION_BYTES = 1024
# An error shows at most this number of characters of a value or of another error's words.
SHOWN = 40
MAX_WORDS = 300


@dataclass(frozen=True, slots=True, kw_only=True)
class Artifact:
    """One artifact of a layout.

    An artifact without a tag refers to another artifact, and belongs to the repository of that one.

    Attributes:
        repository: The repository in its name in index.json.
        tag: The tag in its name, "" for an artifact without a name.
        digest: The digest of its manifest.
        artifact_type: Its type.
        manifest: The bytes of its manifest.
        layers: The descriptors of its layers.
        blobs: The descriptors of its config and its layers, each once.
        subject: The digest of the artifact that it refers to, "" for none.
        annotations: The manifest's annotations.
    """

    repository: str
    tag: str
    digest: str
    artifact_type: str
    manifest: bytes
    layers: tuple[Descriptor, ...]
    blobs: tuple[Descriptor, ...]
    subject: str
    annotations: Mapping[str, str]

    @property
    def descriptor(self) -> Descriptor:
        """Return what a list of referrers says of it. Readers filter by its type and its annotations."""
        return Descriptor(
            media_type=MANIFEST_MEDIA_TYPE,
            digest=self.digest,
            size=len(self.manifest),
            artifact_type=self.artifact_type,
            annotations=self.annotations,
        )


def read(layout: Path) -> tuple[Artifact, ...]:
    """Return the artifacts that a layout's index.json lists, in its order.

    Raises RunbookError VD-PUSH-001: it is not a layout of artifacts, it is too large, or a file is missing, is not a
    regular file, or does not have its digest.
    """
    return _Layout(layout).artifacts()


def opened(layout: Path, digest: str) -> BinaryIO:
    """Open the file of a blob without following links. Its bytes are not compared. Raises RunbookError VD-PUSH-001."""
    try:
        return local_files.open_below(layout, *_names(layout, digest))
    except FileRefusedError as error:
        raise _damaged(layout, f"the blob of {digest}: {error}") from error


def blob(layout: Path, descriptor: Descriptor, *, max_bytes: int = MAX_MANIFEST_BYTES) -> bytes:
    """Read a blob again and check its bytes. Raises RunbookError VD-PUSH-001 if they do not have its digest."""
    return blob_of(layout, descriptor.digest, max_bytes=max_bytes)


def blob_of(layout: Path, digest: str, *, max_bytes: int) -> bytes:
    """Read the blob of this digest again and check its bytes. Raises the same as `blob`."""
    try:
        content = local_files.read_below(layout, *_names(layout, digest), max_bytes=max_bytes)
    except FileRefusedError as error:
        raise _damaged(layout, f"the blob of {digest}: {error}") from error
    if digest_of(content) != digest:
        raise _damaged(layout, f"the blob of {digest} has other bytes")
    return content


class _Layout:
    """One reading of a layout. It counts the bytes that it has read."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._sizes: dict[str, int] = {}
        self._manifest_bytes = 0

    def artifacts(self) -> tuple[Artifact, ...]:
        try:
            version = self._document("oci-layout", _VERSION_BYTES)["imageLayoutVersion"]
            if version != "1.0.0":
                raise _damaged(self._folder, f"image layout version {str(version)[:SHOWN]!r}")
            entries = self._document("index.json", MAX_INDEX_BYTES)["manifests"]
            if len(entries) > MAX_ARTIFACTS:
                raise _damaged(self._folder, f"index.json lists {len(entries)} artifacts; at most {MAX_ARTIFACTS}")
            found = [self._artifact(_checked_object(entry)) for entry in entries]
            return _with_repositories(self._folder, found)
        except FileRefusedError as error:
            raise _damaged(self._folder, str(error)) from error
        except (KeyError, TypeError, ValueError) as error:
            raise _damaged(self._folder, f"{type(error).__name__}: {error}"[:MAX_WORDS]) from error

    def _document(self, name: str, max_bytes: int) -> dict[str, Any]:
        try:
            return _object(local_files.read_below(self._folder, name, max_bytes=max_bytes))
        except FileRefusedError as error:
            raise _damaged(self._folder, f"{name}: {error}") from error

    def _artifact(self, entry: Mapping[str, Any]) -> Artifact:
        repository, _, tag = str(_annotations(entry).get(REFERENCE_NAME, "")).rpartition(":")
        digest = _digest(entry["digest"])
        content = blob_of(self._folder, digest, max_bytes=MAX_MANIFEST_BYTES)
        self._manifest_bytes += len(content)
        if self._manifest_bytes > MAX_MANIFESTS_BYTES:
            raise _damaged(self._folder, f"its manifests have more than {MAX_MANIFESTS_BYTES} bytes")
        manifest = _object(content)
        if manifest["mediaType"] != MANIFEST_MEDIA_TYPE:
            raise _damaged(self._folder, f"{digest} is of type {str(manifest['mediaType'])[:SHOWN]!r}")
        config, layers = _descriptor(manifest["config"]), tuple(map(_descriptor, manifest["layers"]))
        blobs = {descriptor.digest: descriptor for descriptor in (config, *layers)}
        for descriptor in (config, *layers):
            self._check_file(descriptor)
        return Artifact(
            repository=repository,
            tag=tag,
            digest=digest,
            # An artifact without a type has its config's type (OCI image specification, manifest.md).
            artifact_type=str(manifest.get("artifactType") or config.media_type),
            manifest=content,
            layers=layers,
            blobs=tuple(blobs.values()),
            subject=_digest(manifest["subject"]["digest"]) if "subject" in manifest else "",
            annotations=_annotations(manifest),
        )

    def _check_file(self, descriptor: Descriptor) -> None:
        """Compare a file with its descriptor, only once even if several artifacts have it."""
        if descriptor.digest not in self._sizes:
            left = MAX_LAYOUT_BYTES - sum(self._sizes.values())
            with opened(self._folder, descriptor.digest) as file:
                size = local_files.size_of(file)
                if size > left:
                    raise _damaged(self._folder, f"its files have more than {MAX_LAYOUT_BYTES} bytes")
                if digest_from_hex(local_files.sha256_of(file, max_bytes=size)) != descriptor.digest:
                    raise _damaged(self._folder, f"the blob of {descriptor.digest} has other bytes")
            self._sizes[descriptor.digest] = size
        if self._sizes[descriptor.digest] != descriptor.size:
            raise _damaged(self._folder, f"the blob of {descriptor.digest} has not {descriptor.size} bytes")


def _with_repositories(layout: Path, artifacts: Sequence[Artifact]) -> tuple[Artifact, ...]:
    """Give each artifact without a name the repository of its subject."""
    named = {artifact.digest: artifact.repository for artifact in artifacts if artifact.tag}
    for artifact in artifacts:
        if not artifact.tag and artifact.subject not in named:
            raise _damaged(layout, f"{artifact.digest} has neither a name nor a subject here")
    return tuple(
        artifact if artifact.tag else replace(artifact, repository=named[artifact.subject]) for artifact in artifacts
    )


def _object(content: bytes) -> dict[str, Any]:
    return _checked_object(strict_json.loads(content))


def _checked_object(value: Any) -> dict[str, Any]:
    if not isinstance(value, dict):
        raise TypeError(f"an object is wanted, not {type(value).__name__}")
    return value


def _annotations(value: Mapping[str, Any]) -> dict[str, str]:
    found = _checked_object(value.get("annotations", {}))
    if not all(isinstance(text, str) for text in found.values()):
        raise TypeError("an annotation is no text")
    return found


def _descriptor(item: Any) -> Descriptor:
    value = _checked_object(item)
    media_type, size = value["mediaType"], value["size"]
    if not isinstance(media_type, str) or not isinstance(size, int) or isinstance(size, bool):
        raise TypeError("a descriptor takes a media type and a size")
    return Descriptor(
        media_type=media_type, digest=_digest(value["digest"]), size=size, annotations=_annotations(value)
    )


def _digest(value: object) -> str:
    """Return a digest. It becomes a file name, so only the canonical form is allowed."""
    if not isinstance(value, str) or not is_digest(value):
        raise ValueError(f"{str(value)[:SHOWN]!r} is no sha256 digest")
    return value


def _names(layout: Path, digest: str) -> tuple[str, str, str]:
    if not is_digest(digest):
        raise _damaged(layout, f"{digest[:SHOWN]!r} is no sha256 digest")
    return "blobs", "sha256", hex_of(digest)


def _damaged(layout: Path, detail: str) -> RunbookError:
    return build.FOLDER_INCOMPLETE.error(detail, target=str(layout))
