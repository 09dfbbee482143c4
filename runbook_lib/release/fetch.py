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
    """Return the release artifact that a tag or digest leads to now, unread. Return None if there is none.

    Everything else is then read by its digest, even if the tag moves. Raises the reader's errors. The place's `content`
    raises them, too, and RunbookError VD-MANIFEST-001 (the content is missing).
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
    """Return the digest of the release manifest that `latest` leads to, None if there is no such tag.

    This does not check whether that content exists, or who signed it. Raises the errors of `read_artifact` and of the
    reader.
    """
    found = resolve_release(reader, LATEST)
    return None if found is None else read_artifact(found.artifact.content, target=found.name).digest


def place_name(reference: str) -> str:
    """Return the name that a message uses for the release artifact with a tag or digest in a container registry."""
    return f"{MANIFEST_REPOSITORY}{'@' if ':' in reference else ':'}{reference}"
