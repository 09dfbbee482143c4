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
from runbook_lib.release.rules import check_installable
from runbook_lib.release.trust_policy import trust_policy
from vibedata.deployment.installed import installed_release
from vibedata.release.check import BuiltReleaseFolder


class LayoutArtifacts:
    """The pinned artifacts in the folder of a build. The release must be one that may be installed.

    `session` is the customer's: its settings say whom to trust, and it may have a newer release. `allow_downgrade` says
    that the older release is wanted. Raises RunbookError VD-PUSH-001 if the folder holds no complete build,
    VD-TRUST-050 (it is not signed), and the errors of `first_good_signature`, `installed_release` and
    `check_installable`.
    """

    def __init__(self, folder: Path, *, session: AzureSession, allow_downgrade: bool = False) -> None:
        policy, now = trust_policy(session.settings), SYSTEM_CLOCK.now()
        built = BuiltReleaseFolder(folder)
        signed = built.signed(built.artifact(), policy, now)
        manifest = built.manifest(signed)
        installed = installed_release(session)
        check_installable(
            manifest,
            sha256=built.content.removeprefix("sha256:"),
            installed=() if installed is None else (installed,),
            now=now,
            allow_downgrade=allow_downgrade,
        )
        self._folder = folder
        self._packages = manifest.python_packages.digest
        self._scripts = {pin.name: pin.script_sha256 for pin in manifest.runbooks}

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
        with layout_reader.opened(self._folder, f"sha256:{blob.sha256}") as content:
            while piece := content.read(COPY_BYTES):
                found.update(piece)
                file.write(piece)
        if found.hexdigest() != blob.sha256:
            raise build.FOLDER_INCOMPLETE.error(f"{blob.filename} has other bytes", target=str(self._folder))
