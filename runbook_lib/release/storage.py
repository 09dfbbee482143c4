"""Artifact storage: an immutable container with every release manifest that was ever installed. Each is written once.

A release has three blobs in container `release-manifests` (docs/design.md#the-release-manifest): the manifest
`<version>/<sha256>.json`, the signed manifest of its OCI artifact (`.oci.json`), and the signature (`.jws`). The
container has a time-based retention policy of its own, unlocked or locked. With version-level immutability, a new
version could still replace a blob (docs/azure-facts.md#blob-immutability). A person who has rights on data only cannot
change an unlocked policy.
"""

from dataclasses import dataclass, field
from datetime import datetime
from typing import TYPE_CHECKING

from runbook_lib.basics.digest import digest_of, hex_of
from runbook_lib.errors import release as release_errors
from runbook_lib.release.manifest import MAX_MANIFEST_BYTES
from runbook_lib.release.model import MANIFEST_CONTAINER, ReleaseId

if TYPE_CHECKING:
    from azure.storage.blob import BlobServiceClient

# The parts of a release, by the end of the blob's name.
CONTENT = ".json"
ARTIFACT = ".oci.json"
SIGNATURE = ".jws"
PARTS = (CONTENT, ARTIFACT, SIGNATURE)


@dataclass(frozen=True, slots=True, kw_only=True)
class StoredBlob:
    """A blob's bytes, and the time when the service received the last of them. The writer cannot choose that time."""

    content: bytes = field(repr=False)
    taken_in_at: datetime


def blob_name(release: ReleaseId, part: str = CONTENT) -> str:
    """Return the name of a part of a release: CONTENT, ARTIFACT or SIGNATURE."""
    return f"{release.version}/{hex_of(release.digest)}{part}"


def read_part(blob_service: "BlobServiceClient", release: ReleaseId, part: str) -> StoredBlob | None:
    """Return one part of a release, None if it is absent. Raises azure.core's errors.

    This reads at most one byte more than the largest part has: a larger blob is not a part of a release.
    """
    from azure.core.exceptions import ResourceNotFoundError

    try:
        download = blob_service.get_blob_client(MANIFEST_CONTAINER, blob_name(release, part)).download_blob(
            0, MAX_MANIFEST_BYTES + 1
        )
        properties = download.properties
        # A blob may be created early and filled later by appends, or overwritten if no policy protects it.
        return StoredBlob(
            content=download.readall(), taken_in_at=max(properties.creation_time, properties.last_modified)
        )
    except ResourceNotFoundError:
        return None


def read_back(blob_service: "BlobServiceClient", release: ReleaseId) -> bytes | None:
    """Return a stored manifest's bytes, None if it is absent.

    Raises RunbookError VD-STORAGE-003 (they do not have the name's digest), and azure.core's errors.
    """
    blob = read_part(blob_service, release, CONTENT)
    if blob is None:
        return None
    found = digest_of(blob.content)
    if found != release.digest:
        raise release_errors.STORED_FILE_DIFFERS.error(
            f"its content has {found}", target=f"{MANIFEST_CONTAINER}/{blob_name(release)}"
        )
    return blob.content
