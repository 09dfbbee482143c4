"""The hop through artifact storage: a run verifies a release's signature each time that it reads the release.

1. Read the signature (`.jws`) and the signed OCI manifest (`.oci.json`). Without them the release is refused, because
   its import broke off.
2. Verify the signature over exactly these bytes, as of the time when the service received the signature.
3. Parse the OCI manifest. Its only layer must have the digest that the blob's name says.
4. Read the content, compare it with that digest, and only then parse it. The result is made from the verified bytes.

Step 2 does not verify as of today: a certificate lasts months and an instance years, and an instance must stay operable
when its publisher's certificate has ended. The service itself sets the times of a blob's creation and last change, and
no writer can set them back. So they prove that the signature existed while the certificates were valid, as a trusted
timestamp does. A signature that was stored later is refused for ever. runbooks.import_manifest verifies as of today, so
an expired certificate installs nothing new.
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
    CONTENT,
    SIGNATURE,
    StoredBlob,
    blob_name,
    read_back,
    read_part,
)
from runbook_lib.release.verification_log import recorded
from runbook_lib.trust.envelope import JWS
from runbook_lib.trust.manifest import MANIFEST_TYPE
from runbook_lib.trust.signature import Subject, TrustPolicy, VerifiedSignature, verify_envelope

if TYPE_CHECKING:
    from azure.storage.blob import BlobServiceClient

    from runbook_lib.context import Context


@dataclass(frozen=True, slots=True, kw_only=True)
class StoredRelease:
    """A release in artifact storage whose signature is good. `digest` is that of its OCI artifact."""

    release: InstalledRelease
    digest: str
    manifest: ReleaseManifest
    verified: VerifiedSignature


def read_stored(blob_service: "BlobServiceClient", release: InstalledRelease, policy: TrustPolicy) -> StoredRelease:
    """Read and verify a release by steps 1 to 4.

    Raises RunbookError VD-MANIFEST-010 (absent), VD-TRUST-032 (no signature beside it), -033 (the signature is for
    another release), those of `verify_envelope`, VD-STORAGE-003 (the content does not have the name's digest or
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
    """Whether an error of `read_stored` means that the stored release is bad. Other errors do not say whether it is.

    For example, the run's token may end, or the run may not know whom to trust.
    """
    if error.is_(trust.TRUSTED_IDENTITY_UNREADABLE, trust.NOBODY_TRUSTED):
        return False
    return error.is_(release_errors.STORED_FILE_DIFFERS) or error.area in (trust.AREA, release_errors.MANIFEST)


def is_whole(blob_service: "BlobServiceClient", release: InstalledRelease, digest: str) -> bool:
    """Whether artifact storage has every byte of the release whose OCI artifact has `digest`, whoever signed it.

    Raises azure.core's errors and RunbookError if that is not known.
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
        raise trust.STORED_RELEASE_DIFFERS.error(f"it is for {read.content_digest}", target=target)
    # 4.
    content = read_back(blob_service, release)
    if content is None:
        raise release_errors.NO_RELEASE_INSTALLED.error(target=release.version)
    manifest = parse(content)
    if manifest.version != release.version:
        raise release_errors.STORED_FILE_DIFFERS.error(f"it holds version {manifest.version}", target=release.version)
    return manifest


def verify_stored(signature: StoredBlob, artifact: bytes, policy: TrustPolicy) -> tuple[Subject, VerifiedSignature]:
    """Do step 2. Return the signed artifact and the verified signature. Raises the same as `verify_envelope`."""
    subject = subject_of(artifact)
    verified = verify_envelope(signature.content, JWS, subject=subject, policy=policy, now=signature.taken_in_at)
    return subject, verified


@dataclass(frozen=True, slots=True, kw_only=True)
class _StoredSignature:
    """A stored signature that is good. `digest` is that of the signed OCI artifact."""

    digest: str
    verified: VerifiedSignature


def missing_parts(
    context: "Context",
    release: InstalledRelease,
    artifact: bytes,
    policy: TrustPolicy,
) -> tuple[str, ...]:
    """Return the parts of a release that artifact storage does not have yet. A stored signature is verified and logged.

    `artifact` is the verified OCI manifest. A stored part cannot be replaced. Raises RunbookError VD-STORAGE-003 (other
    content), VD-MANIFEST-008 (another artifact), and those of `verify_envelope` (the stored signature is bad; it may be
    another one than the signature of this run).
    """
    blob_service = context.clients.blob_service
    missing: list[str] = []
    if read_back(blob_service, release) is None:
        missing.append(CONTENT)
    stored = read_part(blob_service, release, ARTIFACT)
    if stored is None:
        missing.append(ARTIFACT)
    elif stored.content != artifact:
        detail = f"stored is {subject_of(stored.content).digest}, offered {subject_of(artifact).digest}"
        raise release_errors.SAME_VERSION_OTHER_DIGEST.error(detail, target=release.version)
    signature = read_part(blob_service, release, SIGNATURE)
    if signature is None:
        missing.append(SIGNATURE)
    else:
        recorded(
            context,
            f"{CONTAINER}/{blob_name(release, SIGNATURE)}",
            lambda: _stored_signature(signature, artifact, policy),
        )
    return tuple(missing)


def _stored_signature(signature: StoredBlob, artifact: bytes, policy: TrustPolicy) -> _StoredSignature:
    subject, verified = verify_stored(signature, artifact, policy)
    return _StoredSignature(digest=subject.digest, verified=verified)


def subject_of(artifact: bytes) -> Subject:
    """Return the subject of a signature over this OCI manifest."""
    return Subject(media_type=MANIFEST_TYPE, digest=digest_of(artifact), size=len(artifact))
