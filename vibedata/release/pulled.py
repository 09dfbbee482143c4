"""Pull the artifacts of a release as a customer does: manifests and files. Check that every layer exists."""

from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from packaging.utils import canonicalize_name

from oci.packages.package_lock import LockedPackage
from oci.packages.wheels import LockedWheel
from runbook_lib.basics import strict_json
from runbook_lib.basics.digest import hex_of, is_digest
from runbook_lib.container_registry.reader import MAX_MANIFEST_BYTES, ContainerRegistryReader
from runbook_lib.errors import build, release
from runbook_lib.release.artifacts import ArtifactBlob, PackageSet, Wheel, check_artifact, read_document, script_of
from runbook_lib.release.model import DocumentPin, ImagePin, Pin, RunbookPin
from vibedata.release.check import CheckedPlace

# An index lists images, not further indexes. importImage accepts at most this number
# (docs/azure-facts.md#importing-images).
MAX_IMAGES = 50
# Docker runs no image with more layers (docker/docs issue 8230). A manifest of the accepted size can list thousands of
# layers, and each layer costs a request.
MAX_LAYERS = 127


def pull_image(reader: ContainerRegistryReader, pin: ImagePin) -> str:
    """Pull every manifest of an image by its digest, check the size of each layer, and return what was found.

    Raises RunbookError VD-TRUST-055 (a part is missing), VD-MANIFEST-011 (it is no image, it lists too many images or
    layers, or a layer has another size), and the reader's errors.
    """
    target = f"{pin.repository}@{pin.digest}"
    top = _manifest(reader, pin.repository, pin.digest)
    images = [top]
    if "manifests" in top:
        listed = _descriptors(top, "manifests", target)
        if len(listed) > MAX_IMAGES:
            raise release.ARTIFACT_DIFFERS.error(f"it lists {len(listed)} images; at most {MAX_IMAGES}", target=target)
        images = [_manifest(reader, pin.repository, digest) for digest, _ in listed]
    blobs: dict[str, int] = {}
    for image in images:
        if (count := len(_listed(image, "layers"))) > MAX_LAYERS:
            raise release.ARTIFACT_DIFFERS.error(f"it lists {count} layers; at most {MAX_LAYERS}", target=target)
        blobs |= dict(_descriptors({"all": [image.get("config"), *_listed(image, "layers")]}, "all", target))
    for digest, size in blobs.items():
        found = reader.blob_size(pin.repository, digest)
        if found is None:
            raise build.PINNED_ARTIFACT_MISSING.error(f"its layer {digest} is not there", target=target)
        if found != size:
            raise release.ARTIFACT_DIFFERS.error(f"{digest} has {found} bytes and not {size}", target=target)
    platforms = f"{len(images)} platform{'s' if len(images) > 1 else ''}"
    return f"{pin.digest} can be pulled: {platforms}, {len(blobs)} blobs"


def _manifest(reader: ContainerRegistryReader, repository: str, digest: str) -> Mapping[str, Any]:
    found = reader.manifest(repository, digest, MAX_MANIFEST_BYTES)
    target = f"{repository}@{digest}"
    if found is None:
        raise build.PINNED_ARTIFACT_MISSING.error("its manifest is not there", target=target)
    try:
        document = strict_json.loads(found.content)
    except strict_json.NotStrictJsonError as error:
        raise release.ARTIFACT_DIFFERS.error(f"it is no image: {error}", target=target) from error
    if not isinstance(document, dict):
        raise release.ARTIFACT_DIFFERS.error("it is no image", target=target)
    return document


def _listed(document: Mapping[str, Any], member: str) -> list[object]:
    found = document.get(member)
    return found if isinstance(found, list) else []


def _descriptors(document: Mapping[str, Any], member: str, target: str) -> list[tuple[str, int]]:
    """Return the digest and the size of each descriptor in a list. The list must not be empty."""
    found: list[tuple[str, int]] = []
    for each in _listed(document, member):
        digest = each.get("digest") if isinstance(each, dict) else None
        size = each.get("size") if isinstance(each, dict) else None
        if not isinstance(digest, str) or not is_digest(digest) or not isinstance(size, int):
            raise release.ARTIFACT_DIFFERS.error("it is no image: a part of it has no digest", target=target)
        found.append((digest, size))
    if not found:
        raise release.ARTIFACT_DIFFERS.error(f"it is no image: it has no {member}", target=target)
    return found


class PulledFiles:
    """The files of a release's runbooks, packages and documents. Each file is read once, into a folder."""

    def __init__(self, place: CheckedPlace, folder: Path) -> None:
        self._place = place
        self._folder = folder

    def pull(self, pin: Pin, packages: PackageSet | None = None) -> str:
        """Pull every file of an artifact that is no image, and return what was found.

        Raises the errors of `manifest` and `file`.
        """
        files = list(self.blobs(pin, packages))
        for blob in files:
            self.file(pin, blob)
        size = sum(self.file(pin, blob).stat().st_size for blob in files)
        return f"{pin.digest} was pulled: {len(files)} file{'s' if len(files) > 1 else ''}, {size:,} bytes"

    def manifest(self, pin: Pin) -> bytes:
        """Return an artifact's manifest.

        Raises RunbookError VD-TRUST-055 (it is not there), VD-MANIFEST-011 (a runbook would refuse it), and the place's
        errors.
        """
        content = self._place.manifest(pin)
        if content is None:
            raise build.PINNED_ARTIFACT_MISSING.error(
                "its manifest is not there", target=f"{pin.repository}@{pin.digest}"
            )
        check_artifact(content, pin)
        return content

    def blobs(self, pin: Pin, packages: PackageSet | None) -> Iterator[ArtifactBlob]:
        """Yield the files that an artifact has. For a package set, `packages` gives them.

        Raises the errors of `manifest`.
        """
        content = self.manifest(pin)
        if isinstance(pin, RunbookPin):
            yield script_of(pin.name, pin.script_sha256).blob
        elif isinstance(pin, DocumentPin):
            yield read_document(content, pin)
        elif packages is not None:
            yield from (wheel.blob for wheel in packages.all_wheels)

    def file(self, pin: Pin, blob: ArtifactBlob) -> Path:
        """Return the path of a pulled file.

        Raises RunbookError VD-TRUST-055 (it is not there), and the place's errors.
        """
        path = self._folder / blob.sha256 / blob.filename
        if path.is_file():
            return path
        path.parent.mkdir(exist_ok=True)
        partial = path.with_name(f"{hex_of(pin.digest)}.partial")
        with partial.open("w+b") as file:
            there = self._place.save(pin, blob, file)
        if not there:
            target = f"{pin.repository}@{pin.digest}"
            raise build.PINNED_ARTIFACT_MISSING.error(f"its file {blob.filename} is not there", target=target)
        return partial.replace(path)

    def wheel(self, pin: Pin, wheel: Wheel) -> LockedWheel:
        """Return a wheel of the package set, read with the tools of the build."""
        name = str(canonicalize_name(wheel.distribution))
        package = LockedPackage(name=name, version=wheel.version, sha256=wheel.blob.sha256)
        return LockedWheel(package, self.file(pin, wheel.blob))
