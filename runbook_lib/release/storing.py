"""Storing a release: whether artifact storage keeps it, which parts of it are missing, and writing them once."""

from collections.abc import Mapping
from typing import TYPE_CHECKING
from urllib.parse import quote

from runbook_lib.azure.settings import Settings
from runbook_lib.basics.digest import digest_of
from runbook_lib.basics.strict_json import member
from runbook_lib.container_registry.manifest import Manifest
from runbook_lib.errors import release as release_errors
from runbook_lib.network.failures import service_codes
from runbook_lib.release.model import ReleaseId
from runbook_lib.release.storage import (
    ARTIFACT,
    CONTAINER,
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
    from azure.mgmt.resource.resources import ResourceManagementClient
    from azure.storage.blob import BlobServiceClient

    from runbook_lib.context import Context

_CONTENT_TYPES = {CONTENT: "application/json", ARTIFACT: "application/json", SIGNATURE: "application/jose+json"}
STORAGE_API_VERSION = "2023-05-01"
PERIOD = "immutabilityPeriodSinceCreationInDays"
POLICY_STATES = ("Unlocked", "Locked", "Deleted")
# What a policy lets blobs grow by: their names and creation times would stay, whatever is added.
APPENDS = ("allowProtectedAppendWrites", "allowProtectedAppendWritesAll")


def check_immutable(resources: "ResourceManagementClient", settings: Settings) -> str:
    """Check that the container has a retention policy of its own, which lets nothing be added to a blob.

    Returns which: "unlocked, 365 days". The policy alone does not tell: ARM shows the default of a container's blob
    *versions* in the same place (learn storage/blobs/immutable-policy-configure-version-scope), and the container says
    which of the two it is. Raises RunbookError VD-STORAGE-001, and azure.core's errors. Source: Microsoft.Storage
    2023-05-01, BlobContainers_Get and BlobContainers_GetImmutabilityPolicy.
    """
    from azure.core.exceptions import ResourceNotFoundError

    container_id = (
        f"{settings.resource_group_id}/providers/Microsoft.Storage/storageAccounts/{settings.storage_account}"
        f"/blobServices/default/containers/{CONTAINER}"
    )
    found = []
    for resource_id in (container_id, f"{container_id}/immutabilityPolicies/default"):
        try:
            # The SDK puts an id into the path as it is; a resource group may have letters of any script.
            path = quote(resource_id.lstrip("/"), safe="/()")
            resource = resources.resources.get_by_id(path, api_version=STORAGE_API_VERSION)
        except ResourceNotFoundError as error:
            why = " ".join(service_codes(error))
            detail = f"no policy is found in storage account {settings.storage_account}: {why}"
            raise release_errors.CONTAINER_NOT_IMMUTABLE.error(detail, target=CONTAINER) from error
        found.append(resource.properties)
    refusal, kind = judge_policy(*found)
    if refusal:
        raise release_errors.CONTAINER_NOT_IMMUTABLE.error(refusal, target=CONTAINER)
    return kind


def judge_policy(container: object, policy: object) -> tuple[str, str]:
    """Return what is wrong with a container's policy, "" for nothing, and which policy it is. Pure.

    Parameters: the `properties` of the container and of its policy, as ARM shows them. What has another form than
    Azure documents is no policy.
    """
    versions = member(container, "immutableStorageWithVersioning")
    if isinstance(versions, Mapping) and (
        versions.get("enabled") is not False or versions.get("migrationState") not in (None, "")
    ):
        return "its retention policy is of blob versions: a blob can be replaced by a newer version", ""
    if member(container, "deleted") is True:
        return "the container is deleted", ""
    state, days = member(policy, "state"), member(policy, PERIOD)
    # Without a policy ARM shows a default, of no days and Unlocked; a deleted one has state Deleted.
    if state not in ("Unlocked", "Locked") or isinstance(days, bool) or not isinstance(days, int) or days < 1:
        held = " (a legal hold is none)" if member(container, "hasLegalHold") is True else ""
        shown = f"state {state}, {days} days" if isinstance(state, str) and state in POLICY_STATES else "none"
        return f"it has no retention policy: {shown}{held}", ""
    appends = [name for name in APPENDS if member(policy, name) not in (None, False)]
    if appends:
        return f"its retention policy has {appends[0]}", ""
    return "", f"{state.lower()}, {days} days"


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
            f"{CONTAINER}/{blob_name(release, SIGNATURE)}",
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
        blob_service.get_blob_client(CONTAINER, blob_name(release, part)),
        content,
        digest=digest_of(content),
        found=found,
        content_settings=ContentSettings(content_type=_CONTENT_TYPES[part]),
    )
