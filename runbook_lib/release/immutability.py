"""Check whether the container of release manifests keeps its blobs, as Azure Resource Manager shows it.

runbook_lib/release/storage.py says which retention policy this needs.
"""

import shlex
from collections.abc import Mapping
from typing import TYPE_CHECKING
from urllib.parse import quote

from runbook_lib.azure.settings import Settings
from runbook_lib.basics.strict_json import member
from runbook_lib.errors import release as release_errors
from runbook_lib.network.failures import service_codes
from runbook_lib.release.model import MANIFEST_CONTAINER

if TYPE_CHECKING:
    from azure.mgmt.resource.resources import ResourceManagementClient

STORAGE_API_VERSION = "2023-05-01"
LOCKED = "locked"
# The number of days of the retention policy if nobody has chosen another one (docs/operators.md#before-the-first-run).
RETENTION_DAYS = 365
NO_POLICY = "it has no retention policy"
PERIOD = "immutabilityPeriodSinceCreationInDays"
POLICY_STATES = ("Unlocked", "Locked", "Deleted")
# The parts of a policy that let blobs grow. The names and creation times of blobs would stay although somebody adds to
# them.
APPENDS = ("allowProtectedAppendWrites", "allowProtectedAppendWritesAll")


def check_immutable(resources: "ResourceManagementClient", settings: Settings) -> str:
    """Check that the container has its own retention policy, and that the policy does not let anybody add to a blob.

    The policy alone is not enough to decide. ARM shows the default for a container's blob *versions* in the same place
    (learn storage/blobs/immutable-policy-configure-version-scope), and only the container says which of the two it is.

    Source: Microsoft.Storage 2023-05-01, BlobContainers_Get and BlobContainers_GetImmutabilityPolicy.

    Returns:
        The policy in words: "unlocked, 365 days".

    Raises:
        RunbookError: VD-STORAGE-001 (no sufficient policy), -006 (setting `immutability` is locked, and the policy is
            not). Its line creates a policy only where there is none: for an unlocked policy the same command would set
            another period. It locks an unlocked policy if its ETag is known.
        azure.core's errors: ARM cannot be reached, fails, throttles, or refuses the identity.
    """
    from azure.core.exceptions import ResourceNotFoundError

    container_id = (
        f"{settings.resource_group_id}/providers/Microsoft.Storage/storageAccounts/{settings.storage_account}"
        f"/blobServices/default/containers/{MANIFEST_CONTAINER}"
    )
    found = []
    for resource_id in (container_id, f"{container_id}/immutabilityPolicies/default"):
        try:
            # The SDK puts an id into the path without changing it. A resource group may have letters of any script.
            path = quote(resource_id.lstrip("/"), safe="/()")
            resource = resources.resources.get_by_id(path, api_version=STORAGE_API_VERSION)
        except ResourceNotFoundError as error:
            why = " ".join(service_codes(error))
            detail = f"no policy is found in storage account {settings.storage_account}: {why}"
            line = create_line(settings)
            raise release_errors.CONTAINER_NOT_IMMUTABLE.error(detail, target=MANIFEST_CONTAINER, line=line) from error
        found.append(resource.properties)
    refusal, kind = judge_policy(*found)
    if refusal:
        line = create_line(settings) if refusal.startswith(NO_POLICY) else ""
        raise release_errors.CONTAINER_NOT_IMMUTABLE.error(refusal, target=MANIFEST_CONTAINER, line=line)
    # A locked policy is also good if the setting asks for an unlocked one.
    if settings.immutability == LOCKED and not kind.startswith(LOCKED):
        etag = member(found[0], "immutabilityPolicy", "etag")
        line = lock_line(settings, etag) if isinstance(etag, str) and etag else ""
        raise release_errors.POLICY_NOT_LOCKED.error(f"it is {kind}", target=MANIFEST_CONTAINER, line=line)
    return kind


def create_line(settings: Settings) -> str:
    """Return the command of the Azure CLI that creates the policy. Pure."""
    return _line(settings, "create", f"--period {RETENTION_DAYS}")


def lock_line(settings: Settings, etag: str) -> str:
    """Return the command of the Azure CLI that locks the policy with this ETag. Pure."""
    return _line(settings, "lock", f"--if-match {shlex.quote(etag)}")


def _line(settings: Settings, action: str, options: str) -> str:
    return (
        f"az storage container immutability-policy {action} --subscription {settings.subscription_id}"
        f" --resource-group {shlex.quote(settings.resource_group)} --account-name {settings.storage_account}"
        f" --container-name {MANIFEST_CONTAINER} {options}"
    )


def judge_policy(container: object, policy: object) -> tuple[str, str]:
    """Return what is wrong with a container's policy, "" for nothing, and the policy in words. Pure.

    `container` and `policy` are the `properties` of both, as ARM shows them. A value in an undocumented form does not
    count as a policy.
    """
    versions = member(container, "immutableStorageWithVersioning")
    if isinstance(versions, Mapping) and (
        versions.get("enabled") is not False or versions.get("migrationState") not in (None, "")
    ):
        return "its retention policy is of blob versions: a blob can be replaced by a newer version", ""
    if member(container, "deleted") is True:
        return "the container is deleted", ""
    state, days = member(policy, "state"), member(policy, PERIOD)
    # Without a policy ARM shows a default with no days and Unlocked. A deleted policy has the state Deleted.
    if state not in ("Unlocked", "Locked") or isinstance(days, bool) or not isinstance(days, int) or days < 1:
        held = " (a legal hold is not one)" if member(container, "hasLegalHold") is True else ""
        shown = f"state {state}, {days} days" if isinstance(state, str) and state in POLICY_STATES else "none"
        return f"{NO_POLICY}: {shown}{held}", ""
    appends = [name for name in APPENDS if member(policy, name) not in (None, False)]
    if appends:
        return f"its retention policy has {appends[0]}", ""
    return "", f"{state.lower()}, {days} days"
