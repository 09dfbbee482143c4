"""The source of a deployment's release: the folder of a build, or the publisher's container registry.

A release from either source is verified as `vibedata verify` does it, by the pins of the customer. After that
everything is read by the digests of the verified manifest.
"""

import hashlib
import re
from collections.abc import Sequence
from pathlib import Path
from typing import BinaryIO, Protocol

from oci.layout import reader as layout_reader
from oci.layout.writer import COPY_BYTES
from runbook_lib.azure.session import AzureSession
from runbook_lib.basics.clock import SYSTEM_CLOCK
from runbook_lib.container_registry.reader import ContainerRegistryReader
from runbook_lib.errors import build
from runbook_lib.release.artifacts import (
    MAX_ARTIFACT_BYTES,
    ArtifactBlob,
    ContainerRegistryArtifacts,
    PackageSet,
    Script,
    read_document,
    read_package_set,
    script_of,
)
from runbook_lib.release.hop import Release, SignedArtifact, read_release
from runbook_lib.release.manifest import VERSION
from runbook_lib.release.model import LATEST, Pin, ReleaseManifest
from runbook_lib.release.obstacles import check_installable
from runbook_lib.trust.pinned_policy import trust_policy
from vibedata.deployment.installed import installed_release_id
from vibedata.release.check import BuiltReleaseFolder, CheckedPlace, ContainerRegistryRelease, require_content


class ReleaseSource(Protocol):
    """A verified release with its files (an ArtifactSource of runbook_lib.release.artifacts)."""

    verified: Release[SignedArtifact]

    def package_set(self) -> PackageSet:
        """Return its package set."""

    def scripts(self, names: Sequence[str]) -> tuple[Script, ...]:
        """Return the scripts of the runbooks with these names. Raises RunbookError if the release lacks one of them."""

    def documents(self) -> tuple[ArtifactBlob, ...]:
        """Return the files of its documents. Call this before `copy` copies one of them."""

    def copy(self, blob: ArtifactBlob, file: BinaryIO) -> None:
        """Write a file's bytes, which have its digest, to the empty `file`."""


def is_tag(wanted: str) -> bool:
    """Return whether a word names a published release: `latest`, or a version. Any other word is a folder."""
    return wanted == LATEST or re.fullmatch(VERSION, wanted) is not None


def require_installable(session: AzureSession, source: ReleaseSource, *, allow_downgrade: bool) -> None:
    """Refuse a release that an import would refuse.

    Raises RunbookError VD-MANIFEST-006 to -008 as `check_installable` does, and what `installed_release_id` does.
    """
    installed = installed_release_id(session)
    check_installable(
        source.verified.id,
        expires_at=source.verified.manifest.expires_at,
        installed=() if installed is None else (installed,),
        now=SYSTEM_CLOCK.now(),
        allow_downgrade=allow_downgrade,
    )


class LayoutRelease:
    """A release in the folder of a build. `session` is the customer's. Its pins say which signers to trust.

    Raises:
        RunbookError: VD-PUSH-001 if the folder holds no complete build, VD-TRUST-050 if it is not signed, and the
            errors of `first_good_signature`.
    """

    def __init__(self, folder: Path, *, session: AzureSession) -> None:
        self.verified = _verified(BuiltReleaseFolder(folder), session)
        self._folder = folder

    def package_set(self) -> PackageSet:
        """Return the build's package set."""
        packages = self.verified.manifest.python_packages
        return read_package_set(self._manifest(packages), packages.digest)

    def scripts(self, names: Sequence[str]) -> tuple[Script, ...]:
        """Return the scripts of the runbooks with these names."""
        return scripts_of(self.verified.manifest, names, target=str(self._folder))

    def documents(self) -> tuple[ArtifactBlob, ...]:
        """Return the files of the build's documents."""
        return tuple(read_document(self._manifest(pin), pin) for pin in self.verified.manifest.documents)

    def copy(self, blob: ArtifactBlob, file: BinaryIO) -> None:
        """Write a file's bytes to `file`. See ReleaseSource."""
        found = hashlib.sha256()
        with layout_reader.opened(self._folder, blob.digest) as content:
            while piece := content.read(COPY_BYTES):
                found.update(piece)
                file.write(piece)
        if found.hexdigest() != blob.sha256:
            raise build.FOLDER_INCOMPLETE.error(f"{blob.filename} has other bytes", target=str(self._folder))

    def _manifest(self, pin: Pin) -> bytes:
        return layout_reader.blob_of(self._folder, pin.digest, max_bytes=MAX_ARTIFACT_BYTES)


class PublishedRelease:
    """A release in the publisher's container registry.

    Args:
        reader: A reader of that container registry.
        reference: A tag.
        session: The customer's session. Its pins say which signers to trust.

    Raises:
        RunbookError: VD-MANIFEST-001 if there is no such release, VD-TRUST-055 if something that it pins is missing,
            and the errors of `verify_release` and of the reader.
    """

    def __init__(self, reader: ContainerRegistryReader, reference: str, *, session: AzureSession) -> None:
        place = ContainerRegistryRelease(reader=reader, reference=reference)
        self.verified = _verified(place, session)
        require_content(place, self.verified.manifest)
        self._artifacts = ContainerRegistryArtifacts(reader=reader, manifest=self.verified.manifest)
        self._target = f"{reader.login_server}, release {self.verified.id.version}"

    def package_set(self) -> PackageSet:
        """Return the release's package set."""
        return self._artifacts.package_set()

    def scripts(self, names: Sequence[str]) -> tuple[Script, ...]:
        """Return the scripts of the runbooks with these names."""
        return scripts_of(self.verified.manifest, names, target=self._target)

    def documents(self) -> tuple[ArtifactBlob, ...]:
        """Return the files of the release's documents."""
        return self._artifacts.documents()

    def copy(self, blob: ArtifactBlob, file: BinaryIO) -> None:
        """Write a file's bytes to `file`. See ReleaseSource."""
        self._artifacts.copy(blob, file)


def scripts_of(manifest: ReleaseManifest, names: Sequence[str], *, target: str) -> tuple[Script, ...]:
    """Return the scripts of these runbooks. target: where the release is. Raises RunbookError VD-PUSH-007."""
    known = {pin.name: pin.script_sha256 for pin in manifest.runbooks}
    missing = [name for name in names if name not in known]
    if missing:
        raise build.RUNBOOK_NOT_IN_RELEASE.error(", ".join(missing), target=target)
    return tuple(script_of(name, known[name]) for name in names)


def _verified(place: CheckedPlace, session: AzureSession) -> Release[SignedArtifact]:
    policy, now = trust_policy(session.settings), SYSTEM_CLOCK.now()
    return read_release(place.resolve(), lambda artifact: place.verify(artifact, policy, now))
