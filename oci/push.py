"""Push a built release: observe, plan, apply, verify (docs/design.md#the-idea-and-the-house and #artifacts).

Nothing that is there is sent again. Blobs go first, then the manifests by digest, then the signature and its place on
the list of what refers to the release manifest, then the versions' tags, and `latest` last of all: whoever resolves it
finds a whole, signed release, at any time. Signatures of other builds of the same release stay beside this one's.
"""

from collections.abc import Callable, Iterable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path

from oci.container_registry.referrers import Referrers
from oci.container_registry.writer import ContainerRegistryWriter
from oci.layout import reader as layout_reader
from oci.layout.reader import Artifact
from oci.layout.writer import MANIFEST_MEDIA_TYPE, Descriptor
from oci.release import definition as release
from oci.signing import notary as notary_sign
from runbook_lib.change import Change, NoChange, Plan
from runbook_lib.errors import RunbookError, build
from runbook_lib.errors import release as release_errors
from runbook_lib.release.artifacts import check_artifact
from runbook_lib.release.fetch import fetch_release, read_artifact, resolve_release
from runbook_lib.release.manifest import MAX_MANIFEST_BYTES, parse
from runbook_lib.release.model import LATEST, ReleaseManifest, version_key

# Requests in flight at once. Each upload holds one piece in memory (oci/container_registry/writer.py, PIECE_BYTES).
MAX_PARALLEL = 8
# How much of a name from a folder's index an error shows.
SHOWN = 40

BLOBS, MANIFESTS, SIGNATURES, LISTED, TAGS, LATEST_TAG = range(6)
_KINDS = {"blob": BLOBS, "manifest": MANIFESTS, "signature": SIGNATURES, "referrer": LISTED, "tag": TAGS}


@dataclass(frozen=True, slots=True, kw_only=True)
class BuiltRelease:
    """What a build's folder holds of a release.

    artifacts: the release manifest's, and those that it pins; signatures: of the release manifest's artifact; content:
    digest of the release manifest itself. others: names, or digests, of what else stands in the folder's index.
    """

    folder: Path
    artifacts: tuple[Artifact, ...]
    signatures: tuple[Artifact, ...]
    manifest: ReleaseManifest
    content: str
    others: tuple[str, ...]

    @property
    def signed(self) -> Artifact:
        """The release manifest's artifact, which is what is signed."""
        return self.artifacts[0]


@dataclass(frozen=True, slots=True, kw_only=True)
class Facts:
    """wanted: target to the digest that it must have; held: what the container registry has there, None for nothing.

    Targets: `blob REPOSITORY@DIGEST`, `manifest REPOSITORY@DIGEST`, `signature REPOSITORY@DIGEST`, `referrer
    REPOSITORY@DIGEST` (that the signature is listed), `tag REPOSITORY:TAG`. signed: whether the build has a signature.
    missing_images: those that the release pins and the container registry lacks. version: of this release;
    latest_version: of the one that `latest` points to, None where that is none.
    """

    wanted: Mapping[str, str]
    held: Mapping[str, str | None]
    signed: bool
    missing_images: tuple[str, ...]
    version: str
    latest_version: str | None


def read_release(folder: Path) -> BuiltRelease:
    """Return the release in a build's folder, everything checked against its digest.

    The folder's index is signed by nobody: what the release manifest does not pin is no part of the release, whatever
    its name is. Raises RunbookError VD-PUSH-001: no complete release; VD-MANIFEST-*: a release that customers would
    refuse.
    """
    found = layout_reader.read(folder)
    named = [artifact for artifact in found if artifact.tag and artifact.repository == release.MANIFEST_REPOSITORY]
    if len(named) != 1:
        raise build.FOLDER_INCOMPLETE.error(f"it holds {len(named)} release manifests", target=str(folder))
    (signed,) = named
    described = read_artifact(signed.manifest, digest=signed.digest, target=str(folder))
    manifest = parse(layout_reader.blob_of(folder, described.content_digest, max_bytes=MAX_MANIFEST_BYTES))
    if signed.tag != manifest.version:
        detail = f"its index names the release manifest {signed.tag[:SHOWN]!a}, which is of version {manifest.version}"
        raise build.FOLDER_INCOMPLETE.error(detail, target=str(folder))
    pinned = _pinned(folder, found, manifest)
    signatures = _signatures(found, signed)
    others = [artifact for artifact in found if artifact not in (signed, *pinned, *signatures)]
    return BuiltRelease(
        folder=folder,
        artifacts=(signed, *pinned),
        signatures=signatures,
        manifest=manifest,
        content=described.content_digest,
        others=tuple(f"{each.repository}:{each.tag}" if each.tag else each.digest for each in others),
    )


def _pinned(folder: Path, found: Sequence[Artifact], manifest: ReleaseManifest) -> list[Artifact]:
    """Return the artifacts that the release manifest pins, without the images, which no build holds."""
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
    return tuple(
        artifact
        for artifact in found
        if artifact.subject == signed.digest and artifact.artifact_type == notary_sign.ARTIFACT_TYPE
    )


class Push:
    """The push of one built release to one container registry; for use by many threads."""

    def __init__(self, *, built: BuiltRelease, writer: ContainerRegistryWriter) -> None:
        self._built = built
        self._writer = writer
        self._wanted = wanted(built)
        self._artifacts = {(artifact.repository, artifact.digest): artifact for artifact in built.artifacts}
        self._artifacts |= {(artifact.repository, artifact.digest): artifact for artifact in built.signatures}
        repositories = [artifact.repository for artifact in built.artifacts]
        images = [image.repository for image in built.manifest.images]
        writer.expect(read=[*repositories, *images], written=repositories)

    def observe(self) -> Facts:
        """Ask for every blob, manifest, tag and pinned image, and write nothing."""
        images = {f"image {pin.repository}@{pin.digest}": pin for pin in self._built.manifest.images}
        held = _side_by_side(self._look_at, [*self._wanted, *images])
        missing = tuple(pin.name for target, pin in images.items() if held[target] is None)
        return Facts(
            wanted=self._wanted,
            held={target: held[target] for target in self._wanted},
            signed=bool(self._built.signatures),
            missing_images=missing,
            version=self._built.manifest.version,
            latest_version=self._latest_version(),
        )

    def _latest_version(self) -> str | None:
        """Return the version of the release that customers get now; what none of them could read counts as none."""
        reader = self._writer.reader()
        try:
            artifact = resolve_release(reader, LATEST)
            if artifact is None:
                return None
            described = read_artifact(artifact.content, digest=artifact.digest, target=LATEST)
            return fetch_release(reader, described).manifest.version
        except RunbookError as error:
            if error.area == release_errors.MANIFEST:
                return None
            raise

    def apply(self, change: Change) -> None:
        """Make one change."""
        kind, repository, reference = parts(change.target)
        if kind == "blob":
            blob = next(
                blob
                for artifact in self._artifacts.values()
                for blob in artifact.blobs
                if (artifact.repository, blob.digest) == (repository, reference)
            )
            with layout_reader.opened(self._built.folder, reference) as file:
                # By its descriptor: the name may lead elsewhere by now. No other bytes than the digest's are taken.
                self._writer.send_blob(repository, Path(f"/proc/self/fd/{file.fileno()}"), blob)
            return
        artifact = self._artifacts[repository, change.after]
        if kind == "referrer":
            self._referrers(artifact).add(descriptor_of(artifact))
        else:
            self._writer.put_manifest(repository, reference, artifact.manifest, MANIFEST_MEDIA_TYPE)

    def look(self, change: Change) -> str | None:
        """Return the digest of what is at a change's target."""
        return self._look_at(change.target)

    def _look_at(self, target: str) -> str | None:
        kind, repository, reference = parts(target)
        if kind == "blob":
            return reference if self._writer.has_blob(repository, reference) else None
        if kind == "referrer":
            return reference if self._referrers(self._artifacts[repository, reference]).lists(reference) else None
        return self._writer.manifest_digest(repository, reference)

    def _referrers(self, artifact: Artifact) -> Referrers:
        return Referrers(writer=self._writer, repository=artifact.repository, subject=artifact.subject)


def wanted(built: BuiltRelease) -> dict[str, str]:
    """Return every target of a release and the digest that it must have, in the order in which a push gets there."""
    blobs, manifests, tags, latest = dict[str, str](), dict[str, str](), dict[str, str](), dict[str, str]()
    for artifact in (*built.artifacts, *built.signatures):
        blobs |= {f"blob {artifact.repository}@{blob.digest}": blob.digest for blob in artifact.blobs}
    signatures = {
        f"signature {artifact.repository}@{artifact.digest}": artifact.digest for artifact in built.signatures
    }
    listed = {f"referrer {artifact.repository}@{artifact.digest}": artifact.digest for artifact in built.signatures}
    for artifact in built.artifacts:
        manifests[f"manifest {artifact.repository}@{artifact.digest}"] = artifact.digest
        tags[f"tag {artifact.repository}:{artifact.tag}"] = artifact.digest
        if artifact.repository == release.MANIFEST_REPOSITORY:
            latest[f"tag {artifact.repository}:{LATEST}"] = artifact.digest
    return blobs | manifests | signatures | listed | tags | latest


def warnings(facts: Facts) -> list[str]:
    """Return what whoever pushes should know first: that `latest` moves back, which import_manifest guards against."""
    latest = facts.latest_version
    if latest is None or version_key(facts.version) >= version_key(latest):
        return []
    return [
        f"latest moves back from {latest} to {facts.version}: who has {latest} refuses it without allow_downgrade, "
        "new customers get the older release"
    ]


def plan(facts: Facts) -> Plan:
    """Return what has to be sent.

    Raises RunbookError VD-TRUST-050 (the release is not signed), VD-PUSH-002 (a version's tag would move), VD-PUSH-003
    (images of the release are not there).
    """
    if not facts.signed:
        raise build.RELEASE_NOT_SIGNED.error(target=facts.version)
    if facts.missing_images:
        raise build.IMAGES_MISSING.error(", ".join(facts.missing_images))
    changes: list[Change] = []
    unchanged: list[NoChange] = []
    for target, digest in facts.wanted.items():
        held, stage = facts.held[target], _stage(target)
        if held == digest:
            unchanged.append(NoChange(target, "is there"))
        elif stage == TAGS and held is not None:
            raise build.VERSION_EXISTS.error(f"it has {held}, this build {digest}", target=target.partition(" ")[2])
        else:
            changes.append(Change(stage, _ACTIONS[stage] if held is None else "move", target, held, digest))
    return Plan(changes=tuple(changes), unchanged=tuple(unchanged))


_ACTIONS = {BLOBS: "upload", MANIFESTS: "put", SIGNATURES: "put", LISTED: "list", TAGS: "tag", LATEST_TAG: "tag"}


def _stage(target: str) -> int:
    kind, _, reference = parts(target)
    return LATEST_TAG if (kind, reference) == ("tag", LATEST) else _KINDS[kind]


def parts(target: str) -> tuple[str, str, str]:
    """Return a target's kind, repository and reference.

    `tag a/b:1.0` -> tag, a/b, 1.0; `blob a/b@sha256:12ab` -> blob, a/b, sha256:12ab
    """
    kind, _, place = target.partition(" ")
    repository, _, reference = place.partition(":" if kind == "tag" else "@")
    return kind, repository, reference


def descriptor_of(signature: Artifact) -> Descriptor:
    """Return how a list of referrers names a signature: readers filter by its type and its annotations."""
    return Descriptor(
        media_type=MANIFEST_MEDIA_TYPE,
        digest=signature.digest,
        size=len(signature.manifest),
        artifact_type=signature.artifact_type,
        annotations=signature.annotations,
    )


def _side_by_side(look: Callable[[str], str | None], targets: Sequence[str]) -> dict[str, str | None]:
    with ThreadPoolExecutor(MAX_PARALLEL) as threads:
        found: Iterable[str | None] = threads.map(look, targets)
        return dict(zip(targets, found, strict=True))
