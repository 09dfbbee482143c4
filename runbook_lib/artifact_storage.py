"""Artifact storage: every release manifest that was ever installed, written once, in an immutable container.

Blob `<version>/<sha256>.json` in container `release-manifests` (design section 4). The container's time-based retention
policy is locked: version-level immutability would still let a blob be overwritten by a new version (azure-facts,
section 8).
"""

import hashlib
import re
from typing import TYPE_CHECKING

from runbook_lib.errors import RunbookError
from runbook_lib.release import InstalledRelease
from runbook_lib.release_manifest import MAX_MANIFEST_BYTES, SHA256, VERSION
from runbook_lib.settings import Settings

if TYPE_CHECKING:
    from azure.mgmt.resource.resources import ResourceManagementClient
    from azure.storage.blob import BlobServiceClient

CONTAINER = "release-manifests"
STORAGE_API_VERSION = "2023-05-01"
# How much of Azure's own words an error shows.
MAX_WORDS = 300

_BLOB_NAME = re.compile(rf"(?P<version>{VERSION})/(?P<sha256>{SHA256})\.json")


def blob_name(release: InstalledRelease) -> str:
    """Return the name of a release manifest's blob."""
    return f"{release.version}/{release.sha256}.json"


def check_immutable(resources: "ResourceManagementClient", settings: Settings) -> None:
    """Check that the container's retention policy is there and locked.

    Raises RunbookError VD-STORAGE-001, and azure.core's errors. Source: Microsoft.Storage 2023-05-01,
    BlobContainers_GetImmutabilityPolicy.
    """
    from azure.core.exceptions import ResourceNotFoundError

    resource_id = (
        f"{settings.resource_group_id}/providers/Microsoft.Storage/storageAccounts/{settings.storage_account}"
        f"/blobServices/default/containers/{CONTAINER}/immutabilityPolicies/default"
    )
    try:
        policy = resources.resources.get_by_id(resource_id.lstrip("/"), api_version=STORAGE_API_VERSION)
    except ResourceNotFoundError as error:
        detail = f"no policy is found in storage account {settings.storage_account}: {error.message}"
        raise RunbookError("VD-STORAGE-001", detail[:MAX_WORDS], target=CONTAINER) from error
    state = (policy.properties or {}).get("state")
    if state != "Locked":
        raise RunbookError("VD-STORAGE-001", f"its retention policy is {state}", target=CONTAINER)


def list_installed(blob_service: "BlobServiceClient", version: str | None = None) -> tuple[InstalledRelease, ...]:
    """Return the stored releases, all or those of one version, in no order; blobs of other names are none.

    Raises RunbookError VD-STORAGE-001 (no such container), and azure.core's errors.
    """
    from azure.core.exceptions import ResourceNotFoundError

    container = blob_service.get_container_client(CONTAINER)
    try:
        names = list(container.list_blob_names(name_starts_with=f"{version}/" if version else None))
    except ResourceNotFoundError as error:
        raise RunbookError("VD-STORAGE-001", "there is no such container", target=CONTAINER) from error
    matches = (_BLOB_NAME.fullmatch(name) for name in names)
    return tuple(InstalledRelease(match["version"], match["sha256"]) for match in matches if match)


def read_back(blob_service: "BlobServiceClient", release: InstalledRelease) -> bytes | None:
    """Return a stored manifest's bytes, None where it is absent.

    Raises RunbookError VD-STORAGE-003 (not what the blob's name says), and azure.core's errors.
    """
    from azure.core.exceptions import ResourceNotFoundError

    name = blob_name(release)
    try:
        # One byte more than any manifest has: a larger blob cannot match, and is not read whole.
        content = blob_service.get_blob_client(CONTAINER, name).download_blob(0, MAX_MANIFEST_BYTES + 1).readall()
    except ResourceNotFoundError:
        return None
    found = hashlib.sha256(content).hexdigest()
    if found != release.sha256:
        raise RunbookError("VD-STORAGE-003", f"its content has {found}", target=f"{CONTAINER}/{name}")
    return content


def store_once(blob_service: "BlobServiceClient", release: InstalledRelease, content: bytes) -> None:
    """Write a manifest's blob, unless it is there with the same content.

    The write may be repeated after a lost answer: it then meets its own blob, which is as good as written.
    Raises RunbookError VD-STORAGE-002 (the account takes no data), VD-STORAGE-003 (another content is there), and
    azure.core's errors where the service could not be reached.
    """
    from azure.core.exceptions import HttpResponseError
    from azure.storage.blob import ContentSettings

    name = blob_name(release)
    try:
        blob_service.get_blob_client(CONTAINER, name).upload_blob(
            content, overwrite=False, content_settings=ContentSettings(content_type="application/json")
        )
    except HttpResponseError as error:
        if error.status_code == 409 and read_back(blob_service, release) is not None:
            return
        detail = f"status {error.status_code}, {getattr(error, 'error_code', None) or error.reason}"
        raise RunbookError("VD-STORAGE-002", detail, target=f"{CONTAINER}/{name}") from error
