"""Storing a release: which parts of it are missing in artifact storage, and writing them once."""

from typing import TYPE_CHECKING

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
    write_once,
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
    """Return which parts of a release that is to be stored are not there yet; the log tells of a signature that is.

    artifact: the OCI manifest, verified. A part that is there cannot be replaced. Raises RunbookError
    VD-STORAGE-003 (another content), VD-MANIFEST-008 (another artifact), and those of `verify_envelope` (a signature
    that is not good; it need not be the one that is at hand now).
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
    """Write a part of a release, unless it is there with the same content. Raises as `write_once` does."""
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
