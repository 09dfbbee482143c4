"""Reading an OCI image layout back: nothing of it is used before it has been checked against its digest."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from oci.layout import MANIFEST_MEDIA_TYPE, REFERENCE_NAME, Descriptor, blob_path, digest_of
from oci.packages import sha256_of
from runbook_lib import strict_json
from runbook_lib.errors import RunbookError

# ACR's cap for one manifest (azure-facts, section 6).
MAX_MANIFEST_BYTES = 4 * 1024 * 1024


@dataclass(frozen=True, slots=True, kw_only=True)
class Artifact:
    """One artifact of a layout: what index.json calls it, and its manifest. blobs: its config and layers, each once.

    tag: empty for one that has no name of its own; it then says something of another, whose repository it belongs to.
    subject: the digest of that other one, else empty. annotations: the manifest's.
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


def read(layout: Path) -> tuple[Artifact, ...]:
    """Return the artifacts that a layout's index.json lists, in its order.

    Raises RunbookError VD-PUSH-001: no layout of artifacts, a file is missing, or one has not the bytes of its digest.
    """
    try:
        version = _object((layout / "oci-layout").read_bytes())["imageLayoutVersion"]
        if version != "1.0.0":
            raise _damaged(layout, f"image layout version {version}")
        entries = _object((layout / "index.json").read_bytes())["manifests"]
        return _with_repositories(layout, [_artifact(layout, _checked_object(entry)) for entry in entries])
    except OSError as error:
        raise _damaged(layout, f"{error.filename}: {error.strerror}") from error
    except (KeyError, TypeError, ValueError) as error:
        raise _damaged(layout, f"{type(error).__name__}: {error}") from error


def blob(layout: Path, descriptor: Descriptor) -> bytes:
    """Return the bytes of a blob, read anew and checked. Raises RunbookError VD-PUSH-001 if they are others."""
    return _checked(layout, descriptor.digest)


def _artifact(layout: Path, entry: Mapping[str, Any]) -> Artifact:
    repository, _, tag = str(_annotations(entry).get(REFERENCE_NAME, "")).rpartition(":")
    digest = str(entry["digest"])
    size = blob_path(layout, digest).stat().st_size
    if size > MAX_MANIFEST_BYTES:
        raise _damaged(layout, f"the manifest {digest} has {size} bytes; at most {MAX_MANIFEST_BYTES}")
    content = _checked(layout, digest)
    manifest = _object(content)
    if manifest["mediaType"] != MANIFEST_MEDIA_TYPE:
        raise _damaged(layout, f"{digest} is of type {manifest['mediaType']}")
    layers = tuple(map(_descriptor, manifest["layers"]))
    blobs = {descriptor.digest: descriptor for descriptor in (_descriptor(manifest["config"]), *layers)}
    for descriptor in blobs.values():
        _check_file(layout, descriptor)
    return Artifact(
        repository=repository,
        tag=tag,
        digest=digest,
        # OCI image specification, manifest.md: where there is no artifactType, the configuration's type is it.
        artifact_type=str(manifest.get("artifactType") or manifest["config"]["mediaType"]),
        manifest=content,
        layers=layers,
        blobs=tuple(blobs.values()),
        subject=str(manifest["subject"]["digest"]) if "subject" in manifest else "",
        annotations=_annotations(manifest),
    )


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
    return Descriptor(
        media_type=str(value["mediaType"]),
        digest=str(value["digest"]),
        size=int(value["size"]),
        annotations=_annotations(value),
    )


def _check_file(layout: Path, descriptor: Descriptor) -> None:
    path = blob_path(layout, descriptor.digest)
    if path.stat().st_size != descriptor.size or "sha256:" + sha256_of(path) != descriptor.digest:
        raise _damaged(layout, f"the blob of {descriptor.digest} has other bytes")


def _checked(layout: Path, digest: str) -> bytes:
    content = blob_path(layout, digest).read_bytes()
    if digest_of(content) != digest:
        raise _damaged(layout, f"the blob of {digest} has other bytes")
    return content


def _damaged(layout: Path, detail: str) -> RunbookError:
    return RunbookError("VD-PUSH-001", detail, target=str(layout))
