"""One hop of a release: its OCI artifact is verified before a byte of it is read, then its content is fetched and read.

A release lies in a build's folder, in two container registries and in artifact storage. Each of them resolves what it
is asked for to the artifact's place. From there on `read_release` walks the same steps, in the same order, for all.

Source: docs/design.md#the-release-manifest.
"""

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Generic, TypeVar

from runbook_lib.basics import strict_json
from runbook_lib.basics.digest import is_digest
from runbook_lib.container_registry.reader import Manifest
from runbook_lib.errors import release
from runbook_lib.release.manifest import MAX_MANIFEST_BYTES, MEDIA_TYPE, parse
from runbook_lib.release.model import ReleaseId, ReleaseManifest
from runbook_lib.trust.descriptor import Descriptor
from runbook_lib.trust.manifest import MANIFEST_TYPE
from runbook_lib.trust.signature import VerifiedSignature

# The artifact's own manifest has one layer and a few annotations.
MAX_ARTIFACT_BYTES = 64 * 1024


@dataclass(frozen=True, slots=True, kw_only=True)
class SignedArtifact:
    """A release artifact whose publisher is known, and by what.

    artifact: its manifest, which is what was signed. signature_digest: of the signature's manifest, "" where the place
    keeps the envelope alone. envelope: the signature's bytes. verified: what they were found to be.
    """

    artifact: Manifest
    signature_digest: str
    envelope: bytes = field(repr=False)
    verified: VerifiedSignature

    @property
    def digest(self) -> str:
        """Digest of the artifact."""
        return self.artifact.digest


S = TypeVar("S")


@dataclass(frozen=True, slots=True, kw_only=True)
class Release(Generic[S]):
    """A release as one hop has read it, every byte of it compared with the artifact's digest.

    signed: what the caller's `verify` returned: a SignedArtifact, or None where it is not asked who signed.
    content: the release manifest's JSON.
    """

    id: ReleaseId
    signed: S
    content: bytes = field(repr=False)
    manifest: ReleaseManifest

    @property
    def digest(self: "Release[SignedArtifact]") -> str:
        """Digest of the artifact."""
        return self.signed.digest

    @property
    def verified(self: "Release[SignedArtifact]") -> VerifiedSignature:
        """What the artifact's signature was found to be."""
        return self.signed.verified


@dataclass(frozen=True, slots=True, kw_only=True)
class ReleasePlace:
    """Where a release artifact was found.

    name: the artifact's, for a message. artifact: its manifest, of which nothing has been read. content: returns the
    bytes that a descriptor in it names, compared with their digest; raises RunbookError where they are not there.
    """

    name: str
    artifact: Manifest
    content: Callable[[Descriptor], bytes] = field(repr=False)


def read_release(place: ReleasePlace, verify: Callable[[Manifest], S]) -> Release[S]:
    """Verify the artifact at `place`, read it, fetch the content that it names, and read that: return the release.

    Parameters: verify, says who signed the artifact, and raises where that is nobody who is trusted. Raises what
    `verify`, `read_artifact`, the place and `manifest.parse` do.
    """
    signed = verify(place.artifact)
    descriptor = read_artifact(place.artifact.content, target=place.name)
    content = place.content(descriptor)
    manifest = parse(content)
    return Release(id=ReleaseId(manifest.version, descriptor.digest), signed=signed, content=content, manifest=manifest)


def not_asked(artifact: Manifest) -> None:
    """Verify nothing: for a hop where it does not matter who signed."""


def read_artifact(content: bytes, *, target: str) -> Descriptor:
    """Return what the manifest of a release artifact says of its one layer, the release manifest's JSON. Pure.

    target: the artifact's place. Raises RunbookError VD-MANIFEST-009 (no release manifest), -003 (too large).
    """
    try:
        document = strict_json.loads(content)
        (layer,) = document["layers"]
        types = (document.get("artifactType"), layer["mediaType"])
        digest, size = layer["digest"], layer["size"]
        well_formed = (
            isinstance(size, int)
            and document.get("mediaType") == MANIFEST_TYPE
            and isinstance(digest, str)
            and is_digest(digest)
        )
    except (ValueError, TypeError, KeyError, AttributeError) as error:
        raise release.NOT_A_RELEASE_MANIFEST.error("it is no artifact of one layer", target=target) from error
    if types != (MEDIA_TYPE, MEDIA_TYPE) or not well_formed:
        raise release.NOT_A_RELEASE_MANIFEST.error(f"artifact type and media type are {types}"[:200], target=target)
    if size > MAX_MANIFEST_BYTES:
        raise release.MANIFEST_TOO_LARGE.error(
            f"{size} bytes; at most {MAX_MANIFEST_BYTES} are accepted", target=target
        )
    return Descriptor(media_type=MEDIA_TYPE, digest=digest, size=size)
