"""One hop of a release: verify its OCI artifact before anything reads it, then fetch the content and read it.

A release is in a build's folder, in two container registries and in artifact storage. Each of them finds the place of
the artifact from a tag, a digest or a version. From there on `read_release` does the same steps, in the same order, for
all of them.

Source: docs/design.md#the-release-manifest.
"""

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Generic, TypeVar

from runbook_lib.basics import strict_json
from runbook_lib.basics.digest import is_digest
from runbook_lib.container_registry.manifest import Manifest
from runbook_lib.errors import release
from runbook_lib.release.manifest import MAX_MANIFEST_BYTES, MEDIA_TYPE, parse
from runbook_lib.release.model import ReleaseId, ReleaseManifest
from runbook_lib.trust.descriptor import MANIFEST_TYPE, Descriptor
from runbook_lib.trust.signature import VerifiedSignature

# The artifact's own manifest has one layer and a few annotations.
MAX_ARTIFACT_BYTES = 64 * 1024


@dataclass(frozen=True, slots=True, kw_only=True)
class SignedArtifact:
    """A release artifact whose publisher is known, with the proof.

    Attributes:
        artifact: The artifact's manifest, which was signed.
        signature_digest: The digest of the signature's manifest, "" if the place keeps only the envelope.
        envelope: The bytes of the signature.
        verified: The content of the good signature.
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
    """A release as one hop has read it. Every byte was compared with the artifact's digest.

    Attributes:
        id: The release's version and digest.
        signed: The result of the caller's `verify`: a SignedArtifact, or None if the signer does not matter.
        content: The JSON of the release manifest.
        manifest: The release manifest.
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
        """The content of the artifact's good signature."""
        return self.signed.verified


@dataclass(frozen=True, slots=True, kw_only=True)
class ReleasePlace:
    """The place of a release artifact.

    Attributes:
        name: The artifact's name for a message.
        artifact: The artifact's manifest. Nothing in it has been parsed.
        content: Returns the bytes that a descriptor in the manifest names, compared with their digest. It raises
            RunbookError if they are missing.
    """

    name: str
    artifact: Manifest
    content: Callable[[Descriptor], bytes] = field(repr=False)


def read_release(place: ReleasePlace, verify: Callable[[Manifest], S]) -> Release[S]:
    """Verify the artifact at `place`, fetch its content, and return the release.

    Args:
        place: The place of the artifact.
        verify: Returns the signed artifact. It raises an error if no trusted signer has signed it.

    Raises:
        RunbookError: The errors of `verify`, of `read_artifact`, of the place and of `manifest.parse`.
    """
    signed = verify(place.artifact)
    descriptor = read_artifact(place.artifact.content, target=place.name)
    content = place.content(descriptor)
    manifest = parse(content)
    return Release(id=ReleaseId(manifest.version, descriptor.digest), signed=signed, content=content, manifest=manifest)


def not_asked(artifact: Manifest) -> None:
    """Verify nothing. This is for a hop that does not ask who signed the artifact."""


def read_artifact(content: bytes, *, target: str) -> Descriptor:
    """Return the descriptor of the only layer of a release artifact, which is the release manifest's JSON. Pure.

    `target` is the artifact's place. Raises RunbookError VD-MANIFEST-009 (not a release manifest), -003 (too large).
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
