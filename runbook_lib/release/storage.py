"""Artifact storage: an immutable container with every release manifest that was ever installed. Each is written once.

A release has three blobs in container `release-manifests` (docs/design.md#the-release-manifest): the manifest
`<version>/<sha256>.json`, the signed manifest of its OCI artifact (`.oci.json`), and the signature (`.jws`). The
container has a time-based retention policy of its own, unlocked or locked. With version-level immutability, a new
version could still replace a blob (docs/azure-facts.md#blob-immutability). A person who has rights on data only cannot
change an unlocked policy.
"""

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import TYPE_CHECKING, Any, BinaryIO

from runbook_lib.basics.digest import digest_from_hex, digest_of, hex_of
from runbook_lib.errors import release as release_errors
from runbook_lib.network.listing import bounded
from runbook_lib.release.manifest import MAX_MANIFEST_BYTES, SHA256, VERSION
from runbook_lib.release.model import MANIFEST_CONTAINER, ReleaseId

if TYPE_CHECKING:
    from azure.storage.blob import BlobClient, BlobServiceClient

# The parts of a release, by the end of the blob's name.
CONTENT = ".json"
ARTIFACT = ".oci.json"
SIGNATURE = ".jws"
PARTS = (CONTENT, ARTIFACT, SIGNATURE)


_BLOB_NAME = re.compile(rf"(?P<version>{VERSION})/(?P<sha256>{SHA256})\.json")
_PART_NAME = re.compile(rf"{VERSION}/{SHA256}(\.json|\.oci\.json|\.jws)")


@dataclass(frozen=True, slots=True, kw_only=True)
class StoredBlob:
    """A blob's bytes, and the time when the service received the last of them. The writer cannot choose that time."""

    content: bytes = field(repr=False)
    taken_in_at: datetime


def blob_name(release: ReleaseId, part: str = CONTENT) -> str:
    """Return the name of a part of a release: CONTENT, ARTIFACT or SIGNATURE."""
    return f"{release.version}/{hex_of(release.digest)}{part}"


def list_blobs(blob_service: "BlobServiceClient", version: str | None = None) -> Mapping[str, datetime]:
    """Return the creation time of each blob by its name, for all releases or for those of one version.

    Raises RunbookError VD-STORAGE-001 (no such container), -005 (too many blobs), and azure.core's errors.
    """
    from azure.core.exceptions import ResourceNotFoundError

    container = blob_service.get_container_client(MANIFEST_CONTAINER)
    found: dict[str, datetime] = {}
    try:
        listed = container.list_blobs(name_starts_with=f"{version}/" if version else None)
        for blob in bounded(listed, target=MANIFEST_CONTAINER):
            if _PART_NAME.fullmatch(blob.name):
                found[blob.name] = blob.creation_time
    except ResourceNotFoundError as error:
        raise release_errors.CONTAINER_NOT_IMMUTABLE.error(
            "there is no such container", target=MANIFEST_CONTAINER
        ) from error
    return found


def releases_in(blobs: Mapping[str, datetime]) -> tuple[ReleaseId, ...]:
    """Return the releases that the blobs' names show. Those with every part come first, and older before newer ones.

    Anybody who may write blobs can make such a name, but cannot make it older. Only the signature proves a release, see
    runbook_lib.release.stored.
    """
    matches = (_BLOB_NAME.fullmatch(name) for name in blobs)
    releases = [ReleaseId(match["version"], digest_from_hex(match["sha256"])) for match in matches if match]

    def order(release: ReleaseId) -> tuple[bool, datetime]:
        made = [blobs[name] for part in PARTS if (name := blob_name(release, part)) in blobs]
        return len(made) < len(PARTS), max(made)

    return tuple(sorted(releases, key=order))


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


def write_once(
    client: "BlobClient", content: BinaryIO | bytes, *, digest: str, found: Callable[[], str | None], **options: Any
) -> None:
    """Write a blob, unless it exists with the same content.

    After a lost answer the write may be repeated. Then it finds its own blob, and this counts as written.

    Args:
        client: The client of the blob.
        content: The content.
        digest: The digest of the content.
        found: Returns the digest of the existing blob, None for no blob.
        options: Options of `upload_blob`.

    Raises:
        RunbookError: VD-STORAGE-002 (the account takes no data), -003 (the blob has another content).
        azure.core's errors: The service could not be reached.
    """
    from azure.core.exceptions import HttpResponseError

    try:
        client.upload_blob(content, overwrite=False, **options)
    except HttpResponseError as error:
        target = f"{client.container_name}/{client.blob_name}"
        there = found() if error.status_code == 409 else None
        if there == digest:
            return
        if there is not None:
            raise release_errors.STORED_FILE_DIFFERS.error(f"its content has {there}", target=target) from error
        detail = f"status {error.status_code}, {getattr(error, 'error_code', None) or error.reason}"
        raise release_errors.STORAGE_TAKES_NO_DATA.error(detail, target=target) from error
