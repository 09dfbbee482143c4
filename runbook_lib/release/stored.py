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

from collections.abc import Callable
from typing import TYPE_CHECKING, TypeVar

from runbook_lib.basics.digest import digest_of
from runbook_lib.container_registry.manifest import Manifest
from runbook_lib.errors import RunbookError, trust
from runbook_lib.errors import release as release_errors
from runbook_lib.release.hop import Release, ReleasePlace, SignedArtifact, not_asked, read_release
from runbook_lib.release.model import MANIFEST_CONTAINER, ReleaseId
from runbook_lib.release.storage import (
    ARTIFACT,
    SIGNATURE,
    StoredBlob,
    blob_name,
    read_back,
    read_part,
)
from runbook_lib.release.verification_log import recorded
from runbook_lib.trust.descriptor import MANIFEST_TYPE, Descriptor
from runbook_lib.trust.envelope import JWS
from runbook_lib.trust.pinned_policy import trust_policy
from runbook_lib.trust.signature import Subject, TrustPolicy, verify_envelope

if TYPE_CHECKING:
    from azure.storage.blob import BlobServiceClient

    from runbook_lib.context import Context

S = TypeVar("S")


def read_stored(blob_service: "BlobServiceClient", release: ReleaseId, policy: TrustPolicy) -> Release[SignedArtifact]:
    """Read and verify a release by steps 1 to 4.

    Raises RunbookError VD-MANIFEST-010 (absent), VD-TRUST-032 (no signature beside it), -033 (the signature is for
    another release), those of `verify_envelope`, VD-STORAGE-003 (the content does not have the name's digest or
    version), those of `manifest.parse`, and azure.core's.
    """
    # 1.
    signature = read_part(blob_service, release, SIGNATURE)
    place = _place(blob_service, release)
    if signature is None or place is None:
        missing = blob_name(release, SIGNATURE if signature is None else ARTIFACT)
        raise trust.STORED_WITHOUT_SIGNATURE.error(f"{missing} is not there", target=release.version)
    # 2. to 4.
    return _read(place, release, lambda artifact: verify_stored(signature, artifact, policy))


def is_no_good(error: RunbookError) -> bool:
    """Whether an error of `read_stored` means that the stored release is bad. Other errors do not say whether it is.

    For example, the run's token may end, or the run may not know whom to trust.
    """
    if error.is_(trust.TRUSTED_IDENTITY_UNREADABLE, trust.NOBODY_TRUSTED):
        return False
    return error.is_(release_errors.STORED_FILE_DIFFERS) or error.area in (trust.AREA, release_errors.MANIFEST)


def is_whole(blob_service: "BlobServiceClient", release: ReleaseId, digest: str) -> bool:
    """Return whether artifact storage has every byte of the release whose OCI artifact has `digest`.

    The signer does not matter.

    Raises azure.core's errors and RunbookError if that is not known.
    """
    place = _place(blob_service, release)
    if place is None or place.artifact.digest != digest:
        return False
    try:
        _read(place, release, not_asked)
    except RunbookError as error:
        if not is_no_good(error):
            raise
        return False
    return True


def _place(blob_service: "BlobServiceClient", release: ReleaseId) -> ReleasePlace | None:
    """Return the place of a stored release, None if its OCI manifest is absent."""
    artifact = read_part(blob_service, release, ARTIFACT)
    if artifact is None:
        return None
    name = f"{MANIFEST_CONTAINER}/{blob_name(release, ARTIFACT)}"

    def content(descriptor: Descriptor) -> bytes:
        if descriptor.digest != release.digest:
            raise trust.STORED_RELEASE_DIFFERS.error(f"it is of {descriptor.digest}", target=name)
        found = read_back(blob_service, release)
        if found is None:
            raise release_errors.NO_RELEASE_INSTALLED.error(target=release.version)
        return found

    return ReleasePlace(name=name, artifact=Manifest(digest_of(artifact.content), artifact.content), content=content)


def _read(place: ReleasePlace, release: ReleaseId, verify: Callable[[Manifest], S]) -> Release[S]:
    """Read a stored release. The version must also be the one in the blob's name."""
    found = read_release(place, verify)
    if found.id != release:
        raise release_errors.STORED_FILE_DIFFERS.error(f"it holds version {found.id.version}", target=release.version)
    return found


def verify_stored(signature: StoredBlob, artifact: Manifest, policy: TrustPolicy) -> SignedArtifact:
    """Do step 2. Raises as `verify_envelope` does."""
    subject = Subject(media_type=MANIFEST_TYPE, digest=artifact.digest, size=len(artifact.content))
    verified = verify_envelope(signature.content, JWS, subject=subject, policy=policy, now=signature.taken_in_at)
    return SignedArtifact(artifact=artifact, signature_digest="", envelope=signature.content, verified=verified)


def stored_release(context: "Context", release: ReleaseId) -> Release[SignedArtifact]:
    """Return a release from artifact storage, verified. The operations log records the result.

    Raises RunbookError VD-TRUST-030 (no signer is trusted), the errors of `read_stored`, and azure.core's.
    """
    policy = trust_policy(context.settings)
    target = f"{MANIFEST_CONTAINER}/{blob_name(release)}"
    return recorded(context, target, lambda: read_stored(context.clients.blob_service, release, policy))
