"""Read the release in a build's folder, and check it against the digests that the release manifest pins."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from oci.layout import reader as layout_reader
from oci.layout.reader import Artifact
from oci.signing import notary as notary_sign
from runbook_lib.container_registry.manifest import Manifest
from runbook_lib.errors import build
from runbook_lib.release.artifacts import check_artifact
from runbook_lib.release.hop import ReleasePlace, not_asked, read_release
from runbook_lib.release.manifest import MAX_MANIFEST_BYTES
from runbook_lib.release.model import MANIFEST_REPOSITORY, ReleaseManifest

# An error shows at most this number of characters of a name in a folder's index.
SHOWN = 40


@dataclass(frozen=True, slots=True, kw_only=True)
class BuiltRelease:
    """A release in a build's folder.

    Attributes:
        place: The place of the release manifest's artifact in it.
        manifest: The release manifest.
        artifacts: The artifact of the release manifest, and the artifacts that the manifest pins.
        signatures: The signatures of the release manifest's artifact. Each is in that one's repository, without a tag.
        others: All other names in the folder's index, and the digests of all other artifacts without a name.
    """

    folder: Path
    place: ReleasePlace
    artifacts: tuple[Artifact, ...]
    signatures: tuple[Artifact, ...]
    manifest: ReleaseManifest
    others: tuple[str, ...]

    @property
    def signed(self) -> Artifact:
        """The release manifest's artifact. The signature is over this one."""
        return self.artifacts[0]


def read_built_release(folder: Path) -> BuiltRelease:
    """Return the release in a build's folder. Everything is compared with its digest.

    Nobody signs the folder's index. So an artifact that the release manifest does not pin is not part of the release,
    whatever its name is. Raises RunbookError VD-PUSH-001 (no complete release), VD-MANIFEST-* (customers would refuse
    it).
    """
    found = layout_reader.read(folder)
    named = [artifact for artifact in found if artifact.tag and artifact.repository == MANIFEST_REPOSITORY]
    if len(named) != 1:
        raise build.FOLDER_INCOMPLETE.error(f"it holds {len(named)} release manifests", target=str(folder))
    (signed,) = named
    place = ReleasePlace(
        name=str(folder),
        artifact=Manifest(signed.digest, signed.manifest),
        content=lambda named: layout_reader.blob_of(folder, named.digest, max_bytes=MAX_MANIFEST_BYTES),
    )
    manifest = read_release(place, not_asked).manifest
    if signed.tag != manifest.version:
        detail = f"its index names the release manifest {signed.tag[:SHOWN]!a}, which is of version {manifest.version}"
        raise build.FOLDER_INCOMPLETE.error(detail, target=str(folder))
    pinned = _pinned(folder, found, manifest)
    signatures = _signatures(found, signed)
    sent = {(artifact.repository, artifact.tag, artifact.digest) for artifact in (signed, *pinned)}
    signing = {signature.digest for signature in signatures}
    others = [
        artifact
        for artifact in found
        if (artifact.repository, artifact.tag, artifact.digest) not in sent
        and (artifact.tag or artifact.digest not in signing)
    ]
    return BuiltRelease(
        folder=folder,
        place=place,
        artifacts=(signed, *pinned),
        signatures=signatures,
        manifest=manifest,
        others=tuple(f"{each.repository}:{each.tag}" if each.tag else each.digest for each in others),
    )


def _pinned(folder: Path, found: Sequence[Artifact], manifest: ReleaseManifest) -> list[Artifact]:
    """Return the artifacts that the release manifest pins, without images: a build never holds images."""
    there = {(artifact.repository, artifact.tag, artifact.digest): artifact for artifact in found}
    pinned = []
    for pin in (*manifest.runbooks, manifest.python_packages, *manifest.documents):
        artifact = there.get((pin.repository, pin.tag, pin.digest))
        if artifact is None:
            detail = f"the release manifest pins {pin.repository}@{pin.digest}, which is not in it"
            raise build.FOLDER_INCOMPLETE.error(detail, target=str(folder))
        check_artifact(artifact.manifest, pin)
        pinned.append(artifact)
    return pinned


def _signatures(found: Sequence[Artifact], signed: Artifact) -> tuple[Artifact, ...]:
    """Return the signatures of an artifact, each once.

    Customers look for them only in the repository of that artifact. The index may give a signature another name, and it
    may name the artifact twice. Neither moves a signature elsewhere.
    """
    there = {
        artifact.digest: replace(artifact, repository=signed.repository, tag="")
        for artifact in found
        if artifact.subject == signed.digest and artifact.artifact_type == notary_sign.ARTIFACT_TYPE
    }
    return tuple(there.values())
