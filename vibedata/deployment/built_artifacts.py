"""The files of a build that a deployment needs: the runbooks' scripts and the packages' wheels."""

import hashlib
from collections.abc import Sequence
from pathlib import Path
from typing import BinaryIO

from oci.layout import reader as layout_reader
from oci.layout.writer import COPY_BYTES
from runbook_lib.azure.session import AzureSession
from runbook_lib.basics.clock import SYSTEM_CLOCK
from runbook_lib.errors import build
from runbook_lib.release.artifacts import (
    MAX_ARTIFACT_BYTES,
    ArtifactBlob,
    PackageSet,
    Script,
    read_package_set,
    script_of,
)
from runbook_lib.release.hop import read_release
from runbook_lib.release.obstacles import check_installable
from runbook_lib.trust.pinned_policy import trust_policy
from vibedata.deployment.installed import installed_release_id
from vibedata.release.check import BuiltReleaseFolder


class LayoutArtifacts:
    """The pinned artifacts in the folder of a build. The release must be one that may be installed.

    `id` names the release. Parameters: session, of the customer, whose pins say whom to trust, and who may have a newer
    release installed; allow_downgrade, that an older one is meant. Raises RunbookError VD-PUSH-001 where the folder
    holds no complete build, VD-TRUST-050 (it is not signed), and what `first_good_signature`, `installed_release_id`
    and, as for an import, `check_installable` raise.
    """

    def __init__(self, folder: Path, *, session: AzureSession, allow_downgrade: bool = False) -> None:
        policy, now = trust_policy(session.settings), SYSTEM_CLOCK.now()
        built = BuiltReleaseFolder(folder)
        release = read_release(built.resolve(), lambda artifact: built.verify(artifact, policy, now))
        installed = installed_release_id(session)
        check_installable(
            release.id,
            expires_at=release.manifest.expires_at,
            installed=() if installed is None else (installed,),
            now=now,
            allow_downgrade=allow_downgrade,
        )
        self.id = release.id
        self._folder = folder
        self._packages = release.manifest.python_packages.digest
        self._scripts = {pin.name: pin.script_sha256 for pin in release.manifest.runbooks}

    def package_set(self) -> PackageSet:
        """Return the build's package set."""
        content = layout_reader.blob_of(self._folder, self._packages, max_bytes=MAX_ARTIFACT_BYTES)
        return read_package_set(content, self._packages)

    def scripts(self, names: Sequence[str]) -> tuple[Script, ...]:
        """Return the scripts of the runbooks of these names."""
        missing = [name for name in names if name not in self._scripts]
        if missing:
            raise build.FOLDER_INCOMPLETE.error(f"it holds no runbook {', '.join(missing)}", target=str(self._folder))
        return tuple(script_of(name, self._scripts[name]) for name in names)

    def copy(self, blob: ArtifactBlob, file: BinaryIO) -> None:
        """Write a file's bytes to `file`. See runbook_lib.release.artifacts.ArtifactSource."""
        found = hashlib.sha256()
        with layout_reader.opened(self._folder, blob.digest) as content:
            while piece := content.read(COPY_BYTES):
                found.update(piece)
                file.write(piece)
        if found.hexdigest() != blob.sha256:
            raise build.FOLDER_INCOMPLETE.error(f"{blob.filename} has other bytes", target=str(self._folder))
