"""The hop through artifact storage: a release is believed by its signature, each time that it is read.

1. The signature (`.jws`) and the OCI manifest that it is of (`.oci.json`) are read. Without them the release is
   refused: its import broke off.
2. The signature is verified over exactly these bytes, at the time at which the service took the signature in.
3. The OCI manifest is read; its one layer must have the digest that the blob's name says.
4. The content is read, compared with that digest, and only then parsed. What was verified is what is returned.

Why step 2 does not ask for today: a certificate lasts months, an instance years, and it must not stop being operated
because its publisher's certificate ended. When a blob was made and last modified is the service's own word; nobody who
writes a blob can set it back. It shows that the signature was there while the certificates were valid: what a trusted
timestamp would show. A signature that is stored after its certificates ended is refused for ever, and so is, at its
import, a release that was signed by one (runbooks.import_manifest asks for today). So an expired certificate installs
nothing new.
"""

from dataclasses import dataclass
from typing import TYPE_CHECKING

from runbook_lib.basics.digest import digest_from_hex, digest_of
from runbook_lib.errors import RunbookError, trust
from runbook_lib.errors import release as release_errors
from runbook_lib.release.fetch import read_artifact
from runbook_lib.release.manifest import parse
from runbook_lib.release.model import InstalledRelease, ReleaseManifest
from runbook_lib.release.storage import (
    ARTIFACT,
    CONTAINER,
    SIGNATURE,
    StoredBlob,
    blob_name,
    read_back,
    read_part,
)
from runbook_lib.release.trust_policy import trust_policy
from runbook_lib.release.verification_log import recorded
from runbook_lib.trust.descriptor import MANIFEST_TYPE
from runbook_lib.trust.envelope import JWS
from runbook_lib.trust.signature import Subject, TrustPolicy, VerifiedSignature, verify_envelope

if TYPE_CHECKING:
    from azure.storage.blob import BlobServiceClient

    from runbook_lib.context import Context


@dataclass(frozen=True, slots=True, kw_only=True)
class StoredRelease:
    """A release in artifact storage whose publisher is known. digest: of its OCI artifact."""

    release: InstalledRelease
    digest: str
    manifest: ReleaseManifest
    verified: VerifiedSignature


def read_stored(blob_service: "BlobServiceClient", release: InstalledRelease, policy: TrustPolicy) -> StoredRelease:
    """Return a release, verified by steps 1 to 4.

    Raises RunbookError VD-MANIFEST-010 (not there), VD-TRUST-032 (no signature beside it), -033 (the signature is of
    another release), those of `verify_envelope`, VD-STORAGE-003 (the content is not what the name says, or says another
    version), those of `manifest.parse`, and azure.core's.
    """
    # 1.
    signature = read_part(blob_service, release, SIGNATURE)
    artifact = read_part(blob_service, release, ARTIFACT)
    if signature is None or artifact is None:
        missing = blob_name(release, SIGNATURE if signature is None else ARTIFACT)
        raise trust.STORED_WITHOUT_SIGNATURE.error(f"{missing} is not there", target=release.version)
    # 2.
    subject, verified = verify_stored(signature, artifact.content, policy)
    # 3. and 4.
    manifest = _content(blob_service, release, artifact.content)
    return StoredRelease(release=release, digest=subject.digest, manifest=manifest, verified=verified)


def is_no_good(error: RunbookError) -> bool:
    """Whether an error of `read_stored` says that what is stored is no good; any other leaves that open.

    A run whose token ends, or that does not know whom to trust, has not looked at what is stored.
    """
    if error.is_(trust.TRUSTED_IDENTITY_UNREADABLE, trust.NOBODY_TRUSTED):
        return False
    return error.is_(release_errors.STORED_FILE_DIFFERS) or error.area in (trust.AREA, release_errors.MANIFEST)


def is_whole(blob_service: "BlobServiceClient", release: InstalledRelease, digest: str) -> bool:
    """Whether artifact storage has the release whose OCI artifact has `digest`, every byte of it, whoever signed it.

    Raises what says nothing about what is stored: azure.core's errors, and RunbookError.
    """
    artifact = read_part(blob_service, release, ARTIFACT)
    if artifact is None or subject_of(artifact.content).digest != digest:
        return False
    try:
        _content(blob_service, release, artifact.content)
    except RunbookError as error:
        if not is_no_good(error):
            raise
        return False
    return True


def _content(blob_service: "BlobServiceClient", release: InstalledRelease, artifact: bytes) -> ReleaseManifest:
    """Do steps 3 and 4 with the OCI manifest's bytes."""
    # 3.
    target = f"{CONTAINER}/{blob_name(release, ARTIFACT)}"
    read = read_artifact(artifact, digest=subject_of(artifact).digest, target=target)
    if read.content_digest != digest_from_hex(release.sha256):
        raise trust.STORED_RELEASE_DIFFERS.error(f"it is of {read.content_digest}", target=target)
    # 4.
    content = read_back(blob_service, release)
    if content is None:
        raise release_errors.NO_RELEASE_INSTALLED.error(target=release.version)
    manifest = parse(content)
    if manifest.version != release.version:
        raise release_errors.STORED_FILE_DIFFERS.error(f"it holds version {manifest.version}", target=release.version)
    return manifest


def verify_stored(signature: StoredBlob, artifact: bytes, policy: TrustPolicy) -> tuple[Subject, VerifiedSignature]:
    """Do step 2: return what `signature` is of, and what it was found to be. Raises as `verify_envelope` does."""
    subject = subject_of(artifact)
    verified = verify_envelope(signature.content, JWS, subject=subject, policy=policy, now=signature.taken_in_at)
    return subject, verified


def subject_of(artifact: bytes) -> Subject:
    """Return what a signature over the OCI manifest of these bytes is of."""
    return Subject(media_type=MANIFEST_TYPE, digest=digest_of(artifact), size=len(artifact))


def stored_release(context: "Context", release: InstalledRelease) -> StoredRelease:
    """Return a release from artifact storage, verified; the operations log tells how that went.

    Raises RunbookError VD-TRUST-030 (nobody is trusted), those of `read_stored`, and azure.core's.
    """
    policy = trust_policy(context.settings)
    target = f"{CONTAINER}/{blob_name(release)}"
    return recorded(context, target, lambda: read_stored(context.clients.blob_service, release, policy))
