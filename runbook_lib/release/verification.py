"""The hop from the publisher: find out who signed a release artifact, before anything parses it.

This lists the artifacts that refer to it, and the first good signature decides (runbook_lib.trust.good_signature). The
caller gives the artifact's bytes. The result holds the same bytes, so a caller that uses it uses verified bytes.
"""

from datetime import datetime

from runbook_lib.container_registry.manifest import Manifest
from runbook_lib.container_registry.reader import ContainerRegistryReader
from runbook_lib.errors import RunbookError
from runbook_lib.release.hop import SignedArtifact
from runbook_lib.release.model import MANIFEST_REPOSITORY
from runbook_lib.trust.descriptor import MANIFEST_TYPE
from runbook_lib.trust.good_signature import first_good_signature
from runbook_lib.trust.manifest import ARTIFACT_TYPE
from runbook_lib.trust.referrers import list_referrers
from runbook_lib.trust.signature import Subject, TrustPolicy

# After this number of failures, do not ask the container registry for further signatures. Each would have its own
# retries.
MAX_FAILURES = 5


def verify_release(
    reader: ContainerRegistryReader, artifact: Manifest, policy: TrustPolicy, now: datetime
) -> SignedArtifact:
    """Verify `artifact` by the first good signature in `reader`'s container registry.

    Every certificate must be valid at `now` (aware). Raises RunbookError as `first_good_signature` does, and the
    reader's errors if the list of signatures cannot be read.
    """
    entries = list_referrers(reader, MANIFEST_REPOSITORY, artifact.digest, ARTIFACT_TYPE)
    subject = Subject(media_type=MANIFEST_TYPE, digest=artifact.digest, size=len(artifact.content))
    good = first_good_signature(entries, source=_Signatures(reader), subject=subject, policy=policy, now=now)
    return SignedArtifact(
        artifact=artifact, signature_digest=good.manifest_digest, envelope=good.envelope, verified=good.verified
    )


class _Signatures:
    """The signatures in a container registry (good_signature.SignatureSource)."""

    def __init__(self, reader: ContainerRegistryReader) -> None:
        self._reader = reader
        self._failures: list[RunbookError] = []

    def manifest(self, digest: str, max_bytes: int) -> bytes | None:
        """Return the manifest of that digest, None if it is not there."""
        self._go_on()
        try:
            found = self._reader.manifest(MANIFEST_REPOSITORY, digest, max_bytes)
        except RunbookError as error:
            self._note(error)
            raise
        return None if found is None else found.content

    def blob(self, digest: str, max_bytes: int) -> bytes | None:
        """Return the blob of that digest, None if it is not there."""
        self._go_on()
        try:
            return self._reader.blob(MANIFEST_REPOSITORY, digest, max_bytes)
        except RunbookError as error:
            self._note(error)
            raise

    def _note(self, error: RunbookError) -> None:
        if error.retryable:
            self._failures.append(error)

    def _go_on(self) -> None:
        if len(self._failures) >= MAX_FAILURES:
            last = self._failures[-1]
            raise last.entry.error(f"not asked for any more: {last.detail}", target=last.target)
