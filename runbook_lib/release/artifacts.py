"""The content of a release's artifacts: scripts, wheels and documents (docs/design.md#artifacts)."""

import re
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, BinaryIO, Protocol

from runbook_lib.basics import strict_json
from runbook_lib.basics.digest import digest_from_hex, hex_of, is_digest
from runbook_lib.container_registry.reader import ContainerRegistryReader
from runbook_lib.errors import release
from runbook_lib.release.model import DocumentPin, Pin, ReleaseManifest, RunbookPin

RUNBOOK_TYPE = "application/vnd.vibedata.runbook.v1+python"
# The first type is a package set of single wheels, as older releases have it. The second type is a package set whose
# first layer is the combined wheel. A reader that knows only the first type refuses the second.
SINGLE_PACKAGES_TYPE = "application/vnd.vibedata.python-packages.v1"
PACKAGES_TYPE = "application/vnd.vibedata.python-packages.v2"
COMBINED_WHEEL_TYPE = "application/vnd.vibedata.combined-wheel.v1"
TITLE = "org.opencontainers.image.title"
# Automation's limits for a runbook, and for a package (docs/azure-facts.md#python-and-its-limits).
MAX_SCRIPT_BYTES = 1024 * 1024
MAX_WHEEL_BYTES = 100 * 1024 * 1024
# An artifact's own manifest has an entry for each layer.
MAX_ARTIFACT_BYTES = 256 * 1024
MAX_WHEELS = 500
# Characters of an error about what a layer says of itself.
MAX_SHOWN = 200
# A bill of materials has some hundred bytes for each package.
MAX_DOCUMENT_BYTES = 16 * 1024 * 1024
# PEP 427, in ASCII: distribution, version, tags. Linux takes no longer file name (NAME_MAX).
_WHEEL_NAME = re.compile(r"(?=.{1,255}$)([A-Za-z0-9_.]+)-([A-Za-z0-9_.!+]+)(-[A-Za-z0-9_.]+){3,4}\.whl")


@dataclass(frozen=True, slots=True, kw_only=True)
class ArtifactBlob:
    """A file of a release. `sha256` is hex. `size` is in bytes, None if no manifest says it."""

    filename: str
    sha256: str
    size: int | None

    @property
    def digest(self) -> str:
        """Digest of its bytes."""
        return digest_from_hex(self.sha256)

    @property
    def max_bytes(self) -> int:
        """The bytes that its content may have. Only a script's size is not known."""
        return MAX_SCRIPT_BYTES if self.size is None else self.size


@dataclass(frozen=True, slots=True, kw_only=True)
class Script:
    """A runbook's text."""

    name: str
    blob: ArtifactBlob


@dataclass(frozen=True, slots=True, kw_only=True)
class Wheel:
    """One package. The distribution and the version are those of its wheel's file name."""

    distribution: str
    version: str
    blob: ArtifactBlob


@dataclass(frozen=True, slots=True, kw_only=True)
class PackageSet:
    """A release's packages.

    Attributes:
        digest: The digest of the artifact that lists them.
        listing: The file of that list.
        wheels: One wheel for each package.
        combined: One wheel with the files of all packages, None if the release has none.
    """

    digest: str
    listing: ArtifactBlob
    wheels: tuple[Wheel, ...]
    combined: Wheel | None = None

    @property
    def all_wheels(self) -> tuple[Wheel, ...]:
        """All its wheels."""
        return self.wheels if self.combined is None else (self.combined, *self.wheels)


class ArtifactSource(Protocol):
    """A source of a release's files. Many threads may use it."""

    def copy(self, blob: ArtifactBlob, file: BinaryIO) -> None:
        """Write a file's bytes to the empty `file`. They have the file's digest."""


def script_of(name: str, sha256: str) -> Script:
    """Return a runbook's script with this SHA-256 (hex) of its text."""
    return Script(name=name, blob=ArtifactBlob(filename=f"{name}.py", sha256=sha256, size=None))


def check_artifact(content: bytes, pin: Pin) -> None:
    """Check that a runbook will accept an artifact for its pin. The pin is not an image's.

    `content` is the artifact's manifest and has the pinned digest. Raises RunbookError VD-MANIFEST-011.
    """
    if isinstance(pin, RunbookPin):
        _check_script(content, pin)
    elif isinstance(pin, DocumentPin):
        read_document(content, pin)
    else:
        read_package_set(content, pin.digest)
    if len(content) > MAX_ARTIFACT_BYTES:
        detail = f"its manifest has {len(content)} bytes; at most {MAX_ARTIFACT_BYTES}"
        raise release.ARTIFACT_DIFFERS.error(detail, target=f"{pin.repository}@{pin.digest}")


def read_package_set(content: bytes, digest: str) -> PackageSet:
    """Return the package set of the artifact manifest `content`. The caller has compared it with `digest`.

    Raises RunbookError VD-MANIFEST-011: it is not an artifact of wheels, is too large, or has a distribution twice.
    """
    artifact_type, layers = _typed_layers(content, digest)
    first = [COMBINED_WHEEL_TYPE] if artifact_type == PACKAGES_TYPE else []
    types, singles = [layer["mediaType"] for layer in layers], len(layers) - len(first)
    known = artifact_type in (SINGLE_PACKAGES_TYPE, PACKAGES_TYPE)
    if not known or singles < 1 or types != first + [artifact_type] * singles:
        raise release.ARTIFACT_DIFFERS.error("it is no package set", target=digest)
    if len(layers) > MAX_WHEELS:
        raise release.ARTIFACT_DIFFERS.error(f"{len(layers)} packages; at most {MAX_WHEELS}", target=digest)
    wheels = tuple(_wheel(layer, digest) for layer in layers)
    if len({wheel.distribution.lower() for wheel in wheels}) != len(wheels):
        raise release.ARTIFACT_DIFFERS.error("it has a package twice", target=digest)
    sha256 = hex_of(digest)
    listing = ArtifactBlob(filename="python-packages.json", sha256=sha256, size=len(content))
    return PackageSet(
        digest=digest, listing=listing, wheels=wheels[len(first) :], combined=wheels[0] if first else None
    )


class ContainerRegistryArtifacts:
    """The pinned artifacts of a release, from a container registry, by digest.

    Raises RunbookError VD-MANIFEST-012 (absent), -011 (not the pinned artifact), and the reader's errors.
    """

    def __init__(self, *, reader: ContainerRegistryReader, manifest: ReleaseManifest) -> None:
        self._reader = reader
        self._packages = manifest.python_packages
        self._runbooks = {pin.script_sha256: pin for pin in manifest.runbooks}
        self._document_pins = manifest.documents
        # By the SHA-256 of the only file in each document. The artifact gives it, and the release manifest does not.
        self._documents: dict[str, DocumentPin] = {}
        pins = (self._packages, *manifest.runbooks, *manifest.documents)
        reader.expect(pin.repository for pin in pins)

    def package_set(self) -> PackageSet:
        """Return the pinned package set."""
        return read_package_set(self._manifest(self._packages), self._packages.digest)

    def documents(self) -> tuple[ArtifactBlob, ...]:
        """Return the files of the pinned documents. Call this before `copy` copies one of them."""
        found = []
        for pin in self._document_pins:
            blob = read_document(self._manifest(pin), pin)
            self._documents[blob.sha256] = pin
            found.append(blob)
        return tuple(found)

    def copy(self, blob: ArtifactBlob, file: BinaryIO) -> None:
        """Write a file's bytes, checked against its digest, to `file`. See ArtifactSource."""
        digest = blob.digest
        if digest == self._packages.digest:
            file.write(self._manifest(self._packages))
            return
        pin: Pin = self._runbooks.get(blob.sha256) or self._documents.get(blob.sha256) or self._packages
        if isinstance(pin, RunbookPin):
            _check_script(self._manifest(pin), pin)
        max_bytes = blob.max_bytes
        if not self._reader.save(pin.repository, digest, max_bytes, file):
            raise release.ARTIFACT_MISSING.error(blob.filename, target=f"{pin.repository}@{digest}")

    def _manifest(self, pin: Pin) -> bytes:
        found = self._reader.manifest(pin.repository, pin.digest, MAX_ARTIFACT_BYTES)
        if found is None:
            raise release.ARTIFACT_MISSING.error(target=f"{pin.repository}@{pin.digest}")
        return found.content


def _check_script(content: bytes, pin: RunbookPin) -> None:
    """Check that the artifact holds the pinned script. The release pins the digests of both."""
    target = f"{pin.repository}@{pin.digest}"
    layers = [layer["digest"] for layer in _layers(content, RUNBOOK_TYPE, target)]
    if layers != [digest_from_hex(pin.script_sha256)]:
        raise release.ARTIFACT_DIFFERS.error(f"script_sha256 is {pin.script_sha256}", target=target)


def _layers(content: bytes, artifact_type: str, target: str) -> Sequence[dict[str, Any]]:
    """Return the layers of an artifact's manifest, each of the artifact's own type, with a digest and a size."""
    found, layers = _typed_layers(content, target)
    if {found, *(layer["mediaType"] for layer in layers)} != {artifact_type}:
        raise release.ARTIFACT_DIFFERS.error(f"it is no {artifact_type}", target=target)
    return layers


def _typed_layers(content: bytes, target: str) -> tuple[str, Sequence[dict[str, Any]]]:
    """Return an artifact's type and its layers, at least one, each with a type, a digest and a size."""
    try:
        document = strict_json.loads(content)
        artifact_type, layers = document.get("artifactType"), document["layers"]
        types = (artifact_type, *(layer["mediaType"] for layer in layers))
        valid = all(isinstance(layer["size"], int) and is_digest(layer["digest"]) for layer in layers)
    except (ValueError, TypeError, KeyError, AttributeError) as error:
        raise release.ARTIFACT_DIFFERS.error("it is no artifact", target=target) from error
    if not layers or not valid or not all(isinstance(each, str) for each in types):
        raise release.ARTIFACT_DIFFERS.error("it is no artifact", target=target)
    return artifact_type, layers


def read_document(content: bytes, pin: DocumentPin) -> ArtifactBlob:
    """Return the only file in the artifact whose manifest is `content`. Its name comes from the document's.

    Raises RunbookError VD-MANIFEST-011: it is no document of one file.
    """
    target = f"{pin.repository}@{pin.digest}"
    layers = _layers(content, pin.media_type, target)
    if len(layers) != 1 or not 0 < layers[0]["size"] <= MAX_DOCUMENT_BYTES:
        raise release.ARTIFACT_DIFFERS.error(
            f"it is no document of one file of at most {MAX_DOCUMENT_BYTES} bytes", target=target
        )
    sha256 = hex_of(layers[0]["digest"])
    return ArtifactBlob(filename=f"{pin.name}.json", sha256=sha256, size=layers[0]["size"])


def _wheel(layer: dict[str, Any], target: str) -> Wheel:
    annotations = layer.get("annotations")
    filename = annotations.get(TITLE) if isinstance(annotations, dict) else None
    name = _WHEEL_NAME.fullmatch(filename) if isinstance(filename, str) else None
    if name is None or not 0 < layer["size"] <= MAX_WHEEL_BYTES:
        detail = f"a layer is no wheel: {layer['size']} bytes, {filename!r}"[:MAX_SHOWN]
        raise release.ARTIFACT_DIFFERS.error(detail, target=target)
    blob = ArtifactBlob(filename=name[0], sha256=hex_of(layer["digest"]), size=layer["size"])
    return Wheel(distribution=name[1], version=name[2], blob=blob)
