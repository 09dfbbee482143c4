"""The permissions that runbooks need in the storage account."""

from runbook_lib.permissions.model import Permission

_CONTAINERS = "Microsoft.Storage/storageAccounts/blobServices/containers"
_TABLES = "Microsoft.Storage/storageAccounts/tableServices/tables"

USE_BLOBS = Permission(
    on="storage account",
    role="Storage Blob Data Contributor",
    purpose="read and write release manifests and artifacts; keep and deliver the events and reports in the spools",
    data_actions=(f"{_CONTAINERS}/blobs/read", f"{_CONTAINERS}/blobs/write", f"{_CONTAINERS}/blobs/delete"),
)
LINK_BLOBS = Permission(
    on="storage account",
    role="Storage Blob Data Contributor",
    purpose="make read-only links to packages, which the Automation account fetches",
    actions=("Microsoft.Storage/storageAccounts/blobServices/generateUserDelegationKey/action",),
)
READ_RETENTION = Permission(
    on="storage account",
    role="Reader",
    purpose="see the retention policy of the container with the release manifests",
    actions=(f"{_CONTAINERS}/read", f"{_CONTAINERS}/immutabilityPolicies/read"),
)
READ_TABLES = Permission(
    on="storage account",
    role="Storage Table Data Reader",
    purpose="read the retry policy and the installed release",
    data_actions=(f"{_TABLES}/entities/read",),
)
WRITE_TABLES = Permission(
    on="storage account",
    role="Storage Table Data Contributor",
    purpose="read and write rows of the component registry",
    data_actions=(f"{_TABLES}/entities/read", f"{_TABLES}/entities/write"),
)
MAKE_TABLES = Permission(
    on="storage account",
    role="Storage Table Data Contributor",
    purpose="make the tables of the component registry",
    actions=(f"{_TABLES}/read", f"{_TABLES}/write"),
)
