"""The hop from the publisher: who signed a release artifact, before a byte of it is read.

What refers to the artifact is listed, and the first good signature among it decides (runbook_lib.trust.good_signature).
The artifact's bytes are given, and are what is signed: whoever goes on with what is returned uses what was verified.
"""

from dataclasses import dataclass, field
from datetime import datetime

from runbook_lib.container_registry.reader import ContainerRegistryReader, Manifest
from runbook_lib.errors import RunbookError
from runbook_lib.release.model import MANIFEST_REPOSITORY
from runbook_lib.trust.good_signature import first_good_signature
from runbook_lib.trust.manifest import ARTIFACT_TYPE, MANIFEST_TYPE
from runbook_lib.trust.referrers import list_referrers
from runbook_lib.trust.signature import Subject, TrustPolicy, VerifiedSignature

# A container registry that keeps failing is not asked for every signature on a long list, each with its retries.
MAX_FAILURES = 5


@dataclass(frozen=True, slots=True, kw_only=True)
class VerifiedRelease:
    """A release artifact whose publisher is known, and by what.

    digest and content: the artifact's manifest, which is what was signed. signature_digest: the manifest of the
    signature, beside it. envelope: the signature's bytes. verified: what they were found to be.
    """

    digest: str
    content: bytes = field(repr=False)
    signature_digest: str
    envelope: bytes = field(repr=False)
    verified: VerifiedSignature


def verify_release(
    reader: ContainerRegistryReader, artifact: Manifest, policy: TrustPolicy, now: datetime
) -> VerifiedRelease:
    """Return `artifact` as verified by the first good signature at `reader`'s container registry.

    now: aware; at which every certificate must be valid. Raises RunbookError as `first_good_signature` does, and the
    reader's errors if the list of signatures cannot be had.
    """
    entries = list_referrers(reader, MANIFEST_REPOSITORY, artifact.digest, ARTIFACT_TYPE)
    subject = Subject(media_type=MANIFEST_TYPE, digest=artifact.digest, size=len(artifact.content))
    good = first_good_signature(entries, source=_Signatures(reader), subject=subject, policy=policy, now=now)
    return VerifiedRelease(
        digest=artifact.digest,
        content=artifact.content,
        signature_digest=good.manifest_digest,
        envelope=good.envelope,
        verified=good.verified,
    )


class _Signatures:
    """Where the signatures lie (notary_referrers.SignatureSource)."""

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
