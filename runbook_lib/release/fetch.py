"""Fetch a release manifest from a container registry. It is an OCI artifact of one layer, the JSON.

The signature is over the artifact's own manifest. It is fetched as a whole before anything parses it, so that a caller
can verify it first.

Source: docs/design.md#the-release-manifest.
"""

import hashlib
from dataclasses import dataclass, field

from runbook_lib.basics import strict_json
from runbook_lib.basics.digest import is_digest
from runbook_lib.container_registry.reader import ContainerRegistryReader, Manifest
from runbook_lib.errors import release
from runbook_lib.release.manifest import MAX_MANIFEST_BYTES, MEDIA_TYPE, REPOSITORY, parse
from runbook_lib.release.model import ReleaseManifest
from runbook_lib.trust.manifest import MANIFEST_TYPE

# The artifact's own manifest has one layer and a few annotations.
MAX_ARTIFACT_BYTES = 64 * 1024


@dataclass(frozen=True, slots=True, kw_only=True)
class Artifact:
    """A release manifest's artifact in a container registry. `digest` is its own, and `content_digest` the JSON's."""

    digest: str
    content_digest: str
    content_size: int


@dataclass(frozen=True, slots=True, kw_only=True)
class FetchedRelease:
    """A release manifest, checked against the artifact's digest. `content` is the JSON, `sha256` is its hash, hex."""

    digest: str
    content: bytes = field(repr=False)
    sha256: str
    manifest: ReleaseManifest


def resolve_release(reader: ContainerRegistryReader, tag: str) -> Manifest | None:
    """Return the unparsed manifest that `tag` points to now, None if there is no such tag.

    Everything else is then fetched by its digest, so the tag may move. Raises the reader's errors.
    """
    return reader.manifest(REPOSITORY, tag, MAX_ARTIFACT_BYTES)


def fetch_release(reader: ContainerRegistryReader, artifact: Artifact) -> FetchedRelease:
    """Return the release manifest in `artifact`, parsed.

    Raises RunbookError VD-MANIFEST-001 (its content is not there), the errors of `manifest.parse`, and the
    reader's.
    """
    content = reader.blob(REPOSITORY, artifact.content_digest, artifact.content_size)
    if content is None:
        raise release.NO_SUCH_RELEASE.error("its content is not there", target=f"{REPOSITORY}@{artifact.digest}")
    return FetchedRelease(
        digest=artifact.digest, content=content, sha256=hashlib.sha256(content).hexdigest(), manifest=parse(content)
    )


def read_artifact(content: bytes, *, digest: str, target: str) -> Artifact:
    """Return the artifact whose manifest is `content`, with its `digest`. Pure.

    Raises RunbookError VD-MANIFEST-009 (not a release manifest), -003 (too large).
    """
    try:
        document = strict_json.loads(content)
        (layer,) = document["layers"]
        types = (document.get("artifactType"), layer["mediaType"])
        layer_digest, size = layer["digest"], layer["size"]
        well_formed = (
            isinstance(size, int)
            and document.get("mediaType") == MANIFEST_TYPE
            and isinstance(layer_digest, str)
            and is_digest(layer_digest)
        )
    except (ValueError, TypeError, KeyError, AttributeError) as error:
        raise release.NOT_A_RELEASE_MANIFEST.error("it is no artifact of one layer", target=target) from error
    if types != (MEDIA_TYPE, MEDIA_TYPE) or not well_formed:
        raise release.NOT_A_RELEASE_MANIFEST.error(f"artifact type and media type are {types}"[:200], target=target)
    if size > MAX_MANIFEST_BYTES:
        raise release.MANIFEST_TOO_LARGE.error(
            f"{size} bytes; at most {MAX_MANIFEST_BYTES} are accepted", target=target
        )
    return Artifact(digest=digest, content_digest=layer_digest, content_size=size)
