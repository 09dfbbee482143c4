"""A release in a container registry: an OCI artifact of one layer, which is the release manifest's JSON.

The signature is over the artifact's own manifest. It is fetched as a whole before anything parses it, so that a caller
can verify it first.
"""

from runbook_lib.container_registry.reader import ContainerRegistryReader
from runbook_lib.errors import release
from runbook_lib.release.hop import MAX_ARTIFACT_BYTES, ReleasePlace, read_artifact
from runbook_lib.release.model import LATEST, MANIFEST_REPOSITORY
from runbook_lib.trust.descriptor import Descriptor


def resolve_release(reader: ContainerRegistryReader, reference: str) -> ReleasePlace | None:
    """Return the release artifact that a tag or digest leads to now, unread; None where there is none.

    Everything else is asked for by its digest, whatever becomes of a tag. Raises the reader's errors; the place's
    `content` raises them, too, and RunbookError VD-MANIFEST-001 (it is not there).
    """
    artifact = reader.manifest(MANIFEST_REPOSITORY, reference, MAX_ARTIFACT_BYTES)
    if artifact is None:
        return None
    target = place_name(artifact.digest)

    def content(descriptor: Descriptor) -> bytes:
        found = reader.blob(MANIFEST_REPOSITORY, descriptor.digest, descriptor.size)
        if found is None:
            raise release.NO_SUCH_RELEASE.error("its content is not there", target=target)
        return found

    return ReleasePlace(name=place_name(reference), artifact=artifact, content=content)


def latest_content_digest(reader: ContainerRegistryReader) -> str | None:
    """Return the digest of the release manifest that `latest` leads to, None where there is no such tag.

    Whether that content is there, and who signed it, is not asked. Raises as `read_artifact` and the reader do.
    """
    found = resolve_release(reader, LATEST)
    return None if found is None else read_artifact(found.artifact.content, target=found.name).digest


def place_name(reference: str) -> str:
    """Return how a message names a release artifact's tag or digest in a container registry."""
    return f"{MANIFEST_REPOSITORY}{'@' if ':' in reference else ':'}{reference}"
