"""What `vibedata build` made, as the deployment needs it: the runbooks' texts and the packages' wheels."""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from oci import layout_reader
from oci.layout import blob_path
from runbook_lib.errors import RunbookError

RUNBOOK_TYPE = "application/vnd.vibedata.runbook.v1+python"
PACKAGES_TYPE = "application/vnd.vibedata.python-packages.v1"


@dataclass(frozen=True, slots=True, kw_only=True)
class Wheel:
    """One package: distribution and version as its wheel's file name has them, the wheel's SHA-256 (hex) and place."""

    distribution: str
    version: str
    filename: str
    sha256: str
    path: Path


@dataclass(frozen=True, slots=True, kw_only=True)
class ReleaseArtifacts:
    """The runbooks (name to text) and the package set (wheels, digest of the set) of one build."""

    runbooks: Mapping[str, bytes]
    wheels: tuple[Wheel, ...]
    packages_digest: str


def read(folder: Path) -> ReleaseArtifacts:
    """Return the artifacts in `folder`, everything checked against its digest.

    Raises RunbookError VD-PUSH-001 where the folder holds no complete build.
    """
    artifacts = layout_reader.read(folder)
    packages = next((artifact for artifact in artifacts if artifact.artifact_type == PACKAGES_TYPE), None)
    runbooks = {
        artifact.repository.rpartition("/")[2]: layout_reader.blob(folder, artifact.layers[0])
        for artifact in artifacts
        if artifact.artifact_type == RUNBOOK_TYPE
    }
    if packages is None or not runbooks:
        raise RunbookError("VD-PUSH-001", "it holds no runbook or no package set", target=str(folder))
    wheels = tuple(_wheel(folder, layout_reader.title(layer), layer.digest) for layer in packages.layers)
    return ReleaseArtifacts(runbooks=runbooks, wheels=wheels, packages_digest=packages.digest)


def _wheel(folder: Path, filename: str, digest: str) -> Wheel:
    distribution, version = filename.split("-")[:2]
    return Wheel(
        distribution=distribution,
        version=version,
        filename=filename,
        sha256=digest.removeprefix("sha256:"),
        path=blob_path(folder, digest),
    )
