"""Store a release: find its missing parts in artifact storage, and write each part once."""

from typing import TYPE_CHECKING

from runbook_lib.azure.blobs import write_once
from runbook_lib.basics.digest import digest_of
from runbook_lib.container_registry.manifest import Manifest
from runbook_lib.errors import release as release_errors
from runbook_lib.release.model import MANIFEST_CONTAINER, ReleaseId
from runbook_lib.release.storage import (
    ARTIFACT,
    CONTENT,
    SIGNATURE,
    blob_name,
    read_back,
    read_part,
)
from runbook_lib.release.stored import verify_stored
from runbook_lib.release.verification_log import recorded
from runbook_lib.trust.signature import TrustPolicy

if TYPE_CHECKING:
    from azure.storage.blob import BlobServiceClient

    from runbook_lib.context import Context

_CONTENT_TYPES = {CONTENT: "application/json", ARTIFACT: "application/json", SIGNATURE: "application/jose+json"}


def missing_parts(
    context: "Context",
    release: ReleaseId,
    artifact: Manifest,
    policy: TrustPolicy,
) -> tuple[str, ...]:
    """Return the parts of a release that artifact storage does not have yet.

    If it has a signature, the log records its verification.

    A part that exists cannot be replaced.

    Args:
        context: The run's context.
        release: The release that is to be stored.
        artifact: The OCI manifest, verified.
        policy: The signers to trust.

    Raises:
        RunbookError: VD-STORAGE-003 (the stored manifest has another content), VD-MANIFEST-008 (the stored artifact is
            another one), and the errors of `verify_envelope`, if the stored signature is bad. The stored signature may
            be another one than the offered release has.
    """
    blob_service = context.clients.blob_service
    missing: list[str] = []
    if read_back(blob_service, release) is None:
        missing.append(CONTENT)
    stored = read_part(blob_service, release, ARTIFACT)
    if stored is None:
        missing.append(ARTIFACT)
    elif stored.content != artifact.content:
        detail = f"stored is {digest_of(stored.content)}, offered {artifact.digest}"
        raise release_errors.SAME_VERSION_OTHER_DIGEST.error(detail, target=release.version)
    signature = read_part(blob_service, release, SIGNATURE)
    if signature is None:
        missing.append(SIGNATURE)
    else:
        recorded(
            context,
            f"{MANIFEST_CONTAINER}/{blob_name(release, SIGNATURE)}",
            lambda: verify_stored(signature, artifact, policy),
        )
    return tuple(missing)


def store_once(blob_service: "BlobServiceClient", release: ReleaseId, part: str, content: bytes) -> None:
    """Write a part of a release, unless it exists with the same content. Raises the errors of `write_once`."""
    from azure.storage.blob import ContentSettings

    def found() -> str | None:
        there = read_part(blob_service, release, part)
        return None if there is None else digest_of(there.content)

    write_once(
        blob_service.get_blob_client(MANIFEST_CONTAINER, blob_name(release, part)),
        content,
        digest=digest_of(content),
        found=found,
        content_settings=ContentSettings(content_type=_CONTENT_TYPES[part]),
    )
