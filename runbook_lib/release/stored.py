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

from collections.abc import Callable
from typing import TYPE_CHECKING, TypeVar

from runbook_lib.basics.digest import digest_of
from runbook_lib.container_registry.manifest import Manifest
from runbook_lib.errors import RunbookError, trust
from runbook_lib.errors import release as release_errors
from runbook_lib.release.hop import Release, ReleasePlace, SignedArtifact, not_asked, read_release
from runbook_lib.release.model import ReleaseId
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
from runbook_lib.trust.descriptor import MANIFEST_TYPE, Descriptor
from runbook_lib.trust.envelope import JWS
from runbook_lib.trust.signature import Subject, TrustPolicy, verify_envelope

if TYPE_CHECKING:
    from azure.storage.blob import BlobServiceClient

    from runbook_lib.context import Context

S = TypeVar("S")


def read_stored(blob_service: "BlobServiceClient", release: ReleaseId, policy: TrustPolicy) -> Release[SignedArtifact]:
    """Return a release, verified by steps 1 to 4.

    Raises RunbookError VD-MANIFEST-010 (not there), VD-TRUST-032 (no signature beside it), -033 (the signature is of
    another release), those of `verify_envelope`, VD-STORAGE-003 (the content is not what the name says, or says another
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
    """Whether an error of `read_stored` says that what is stored is no good; any other leaves that open.

    A run whose token ends, or that does not know whom to trust, has not looked at what is stored.
    """
    if error.is_(trust.TRUSTED_IDENTITY_UNREADABLE, trust.NOBODY_TRUSTED):
        return False
    return error.is_(release_errors.STORED_FILE_DIFFERS) or error.area in (trust.AREA, release_errors.MANIFEST)


def is_whole(blob_service: "BlobServiceClient", release: ReleaseId, digest: str) -> bool:
    """Whether artifact storage has the release whose OCI artifact has `digest`, every byte of it, whoever signed it.

    Raises what says nothing about what is stored: azure.core's errors, and RunbookError.
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
    """Return where a release is stored, None where its OCI manifest is absent."""
    artifact = read_part(blob_service, release, ARTIFACT)
    if artifact is None:
        return None
    name = f"{CONTAINER}/{blob_name(release, ARTIFACT)}"

    def content(descriptor: Descriptor) -> bytes:
        if descriptor.digest != release.digest:
            raise trust.STORED_RELEASE_DIFFERS.error(f"it is of {descriptor.digest}", target=name)
        found = read_back(blob_service, release)
        if found is None:
            raise release_errors.NO_RELEASE_INSTALLED.error(target=release.version)
        return found

    return ReleasePlace(name=name, artifact=Manifest(digest_of(artifact.content), artifact.content), content=content)


def _read(place: ReleasePlace, release: ReleaseId, verify: Callable[[Manifest], S]) -> Release[S]:
    """Read what is stored. The blob's name says its version, too."""
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
    """Return a release from artifact storage, verified; the operations log tells how that went.

    Raises RunbookError VD-TRUST-030 (nobody is trusted), those of `read_stored`, and azure.core's.
    """
    policy = trust_policy(context.settings)
    target = f"{CONTAINER}/{blob_name(release)}"
    return recorded(context, target, lambda: read_stored(context.clients.blob_service, release, policy))
