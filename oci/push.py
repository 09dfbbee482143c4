"""Push a built release: observe, plan, apply, verify (docs/design.md#the-idea-and-the-house and #artifacts).

Content that is already there is not sent again. Blobs are sent first, then the manifests by digest, then the signature
and its entry in the release manifest's list of referrers, then the versions' tags, and `latest` last. So everybody who
resolves `latest` always finds a complete, signed release. Signatures of other builds of the same release stay there,
too.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Literal

from oci.container_registry.referrers import Referrers
from oci.container_registry.writer import ContainerRegistryWriter
from oci.layout import reader as layout_reader
from oci.layout.reader import Artifact
from oci.layout.writer import MANIFEST_MEDIA_TYPE
from oci.release.built import BuiltRelease
from runbook_lib.change import Action, ActionKind, Change, NoChange, Plan
from runbook_lib.errors import RunbookError, build
from runbook_lib.errors import container_registry as registry_errors
from runbook_lib.errors import release as release_errors
from runbook_lib.release.fetch import resolve_release
from runbook_lib.release.hop import not_asked, read_release
from runbook_lib.release.model import LATEST, MANIFEST_REPOSITORY, version_key
from runbook_lib.workers import side_by_side

# The number of requests at the same time. Each upload holds one piece in memory (oci/container_registry/writer.py,
# PIECE_BYTES).
MAX_PARALLEL = 8
# With these errors, too, no customer can read the release behind `latest`. A push must be able to replace that release.
UNREADABLE = (registry_errors.ANSWER_OUT_OF_BOUNDS, registry_errors.DIGEST_MISMATCH)


@dataclass(frozen=True, slots=True)
class Place:
    """A place in the container registry, and the digest that must be there. str() gives the target of a change.

    The kind `referrer` is a signature's entry in the release manifest's list of referrers. `reference` is a tag for the
    kind `tag`, and a digest for every other kind.
    """

    kind: Literal["blob", "manifest", "signature", "referrer", "tag"]
    repository: str
    reference: str
    digest: str

    def __str__(self) -> str:
        """Return the place, such as `tag a/b:1.0` or `blob a/b@sha256:12ab`."""
        return f"{self.kind} {self.repository}{':' if self.kind == 'tag' else '@'}{self.reference}"


UPLOAD: ActionKind[Place] = ActionKind("upload", stage=0)
PUT: ActionKind[Place] = ActionKind("put", stage=1)
PUT_SIGNATURE: ActionKind[Place] = ActionKind("put", stage=2)
LIST: ActionKind[Place] = ActionKind("list", stage=3)
TAG: ActionKind[Place] = ActionKind("tag", stage=4)
TAG_LATEST: ActionKind[Place] = ActionKind("tag", stage=5)
MOVE_LATEST: ActionKind[Place] = ActionKind("move", stage=5)
_KINDS = {"blob": UPLOAD, "manifest": PUT, "signature": PUT_SIGNATURE, "referrer": LIST, "tag": TAG}


@dataclass(frozen=True, slots=True, kw_only=True)
class Facts:
    """What a push found.

    Attributes:
        wanted: Every place of the release.
        held: The digest that the container registry has at each place, None if nothing is there.
        signed: Whether the build has a signature.
        missing_images: The names of the pinned images that the container registry lacks.
        version: The version of this release.
        latest_version: The version of the release that `latest` points to, None if there is none.
    """

    wanted: Sequence[Place]
    held: Mapping[Place, str | None]
    signed: bool
    missing_images: tuple[str, ...]
    version: str
    latest_version: str | None


class Push:
    """The push of one built release to one container registry. Many threads may use it."""

    def __init__(self, *, built: BuiltRelease, writer: ContainerRegistryWriter) -> None:
        self._built = built
        self._writer = writer
        self._wanted = wanted(built)
        self._artifacts = {(artifact.repository, artifact.digest): artifact for artifact in built.artifacts}
        self._artifacts |= {(artifact.repository, artifact.digest): artifact for artifact in built.signatures}
        self._blobs = {
            (artifact.repository, blob.digest): blob for artifact in self._artifacts.values() for blob in artifact.blobs
        }
        repositories = [artifact.repository for artifact in built.artifacts]
        images = [image.repository for image in built.manifest.images]
        writer.expect(read=[*repositories, *images], written=repositories)

    def observe(self) -> Facts:
        """Look for every blob, manifest, tag and pinned image, and write nothing."""
        images = self._built.manifest.images
        looks: list[Callable[[], str | None]] = [partial(self._held_at, place) for place in self._wanted]
        looks += [partial(self._writer.manifest_digest, image.repository, image.digest) for image in images]
        found = side_by_side(lambda look: look(), looks, at_once=MAX_PARALLEL)
        held, of_images = found[: len(self._wanted)], found[len(self._wanted) :]
        missing = tuple(image.name for image, digest in zip(images, of_images, strict=True) if digest is None)
        return Facts(
            wanted=self._wanted,
            held=dict(zip(self._wanted, held, strict=True)),
            signed=bool(self._built.signatures),
            missing_images=missing,
            version=self._built.manifest.version,
            latest_version=self._latest_version(),
        )

    def _latest_version(self) -> str | None:
        """Return the version of the release that customers get now, None if no customer could read it."""
        try:
            place = resolve_release(self._writer.reader(), LATEST)
            return None if place is None else read_release(place, not_asked).id.version
        except RunbookError as error:
            if error.area == release_errors.MANIFEST or error.is_(*UNREADABLE):
                return None
            raise

    def actions(self) -> Sequence[Action[Place]]:
        """Return the action of each kind of change."""
        return (
            Action(UPLOAD, make=self._upload, see=self._held_blob),
            Action(PUT, make=self._put, see=self._digest_at),
            Action(PUT_SIGNATURE, make=self._put, see=self._digest_at),
            Action(LIST, make=self._list, see=self._listed),
            Action(TAG, make=self._put, see=self._digest_at),
            Action(TAG_LATEST, make=self._put, see=self._digest_at),
            Action(MOVE_LATEST, make=self._put, see=self._digest_at),
        )

    def _held_at(self, place: Place) -> str | None:
        return next(action.see(place) for action in self.actions() if action.kind == kind_of(place))

    def _upload(self, place: Place) -> None:
        with layout_reader.opened(self._built.folder, place.digest) as file:
            # Use the opened file: its name may lead elsewhere by now. The container registry compares the digest.
            blob = self._blobs[place.repository, place.digest]
            self._writer.send_blob(place.repository, Path(f"/proc/self/fd/{file.fileno()}"), blob)

    def _held_blob(self, place: Place) -> str | None:
        return place.digest if self._writer.has_blob(place.repository, place.digest) else None

    def _put(self, place: Place) -> None:
        self._writer.put_manifest(
            place.repository, place.reference, self._artifact(place).manifest, MANIFEST_MEDIA_TYPE
        )

    def _digest_at(self, place: Place) -> str | None:
        return self._writer.manifest_digest(place.repository, place.reference)

    def _list(self, place: Place) -> None:
        artifact = self._artifact(place)
        self._referrers(artifact).add(artifact.descriptor)

    def _listed(self, place: Place) -> str | None:
        return place.digest if self._referrers(self._artifact(place)).lists(place.digest) else None

    def _artifact(self, place: Place) -> Artifact:
        return self._artifacts[place.repository, place.digest]

    def _referrers(self, artifact: Artifact) -> Referrers:
        return Referrers(writer=self._writer, repository=artifact.repository, subject=artifact.subject)


def wanted(built: BuiltRelease) -> list[Place]:
    """Return every place of a release, each once, in the order of a push."""
    sent = (*built.artifacts, *built.signatures)
    blobs = [Place("blob", each.repository, blob.digest, blob.digest) for each in sent for blob in each.blobs]
    manifests = [Place("manifest", each.repository, each.digest, each.digest) for each in built.artifacts]
    signatures = [Place("signature", each.repository, each.digest, each.digest) for each in built.signatures]
    listed = [Place("referrer", each.repository, each.digest, each.digest) for each in built.signatures]
    tags = [Place("tag", each.repository, each.tag, each.digest) for each in built.artifacts]
    latest = [
        Place("tag", each.repository, LATEST, each.digest)
        for each in built.artifacts
        if each.repository == MANIFEST_REPOSITORY
    ]
    return list(dict.fromkeys((*blobs, *manifests, *signatures, *listed, *tags, *latest)))


def warnings(facts: Facts) -> list[str]:
    """Return a warning if the push moves `latest` back to an older version, because import_manifest refuses that."""
    latest = facts.latest_version
    if latest is None or version_key(facts.version) >= version_key(latest):
        return []
    return [
        f"latest moves back from {latest} to {facts.version}: customers who have {latest} refuse it without "
        "allow_downgrade, and new customers get the older release"
    ]


def plan(facts: Facts) -> Plan:
    """Return the changes.

    Raises RunbookError VD-TRUST-050 (the release is not signed), VD-PUSH-002 (a version's tag would move), VD-PUSH-003
    (images of the release are not there).
    """
    if not facts.signed:
        raise build.RELEASE_NOT_SIGNED.error(target=facts.version)
    if facts.missing_images:
        raise build.IMAGES_MISSING.error(", ".join(facts.missing_images))
    changes: list[Change] = []
    unchanged: list[NoChange] = []
    for place in facts.wanted:
        held, kind, target = facts.held[place], kind_of(place), str(place)
        if held == place.digest:
            unchanged.append(NoChange(target, "is there"))
            continue
        if held is not None and kind == TAG:
            detail = f"it has {held}, this build {place.digest}"
            raise build.VERSION_EXISTS.error(detail, target=f"{place.repository}:{place.reference}")
        kind = MOVE_LATEST if held is not None and kind == TAG_LATEST else kind
        changes.append(kind.change(place, target, held, place.digest))
    return Plan(changes=tuple(changes), unchanged=tuple(unchanged))


def kind_of(place: Place) -> ActionKind[Place]:
    """Return the kind of change that fills an empty place."""
    return TAG_LATEST if (place.kind, place.reference) == ("tag", LATEST) else _KINDS[place.kind]
