"""What `vibedata build` made, as a deployment needs it: the runbooks' scripts and the packages' wheels."""

import shutil
from collections.abc import Sequence
from pathlib import Path
from typing import BinaryIO

from oci import layout_reader
from oci.layout import blob_path
from runbook_lib.errors import RunbookError
from runbook_lib.release_artifacts import (
    PACKAGES_TYPE,
    RUNBOOK_TYPE,
    ArtifactBlob,
    PackageSet,
    Script,
    read_package_set,
    script_of,
)


class LayoutArtifacts:
    """The artifacts in the folder of a build, everything checked against its digest.

    Raises RunbookError VD-PUSH-001 where the folder holds no complete build.
    """

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        artifacts = layout_reader.read(folder)
        self._packages = next((artifact for artifact in artifacts if artifact.artifact_type == PACKAGES_TYPE), None)
        self._scripts = {
            artifact.repository.rpartition("/")[2]: artifact.layers[0].digest.removeprefix("sha256:")
            for artifact in artifacts
            if artifact.artifact_type == RUNBOOK_TYPE
        }

    def package_set(self) -> PackageSet:
        """Return the build's package set."""
        if self._packages is None:
            raise RunbookError("VD-PUSH-001", "it holds no package set", target=str(self._folder))
        return read_package_set(self._packages.manifest, self._packages.digest)

    def scripts(self, names: Sequence[str]) -> tuple[Script, ...]:
        """Return the scripts of the runbooks of these names."""
        missing = [name for name in names if name not in self._scripts]
        if missing:
            raise RunbookError("VD-PUSH-001", f"it holds no runbook {', '.join(missing)}", target=str(self._folder))
        return tuple(script_of(name, self._scripts[name]) for name in names)

    def copy(self, blob: ArtifactBlob, file: BinaryIO) -> None:
        """Write a file's bytes to `file`. See runbook_lib.release_artifacts.ArtifactSource."""
        with blob_path(self._folder, f"sha256:{blob.sha256}").open("rb") as content:
            shutil.copyfileobj(content, file)
