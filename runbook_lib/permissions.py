"""What the runbooks may have to do in Azure: the actions that their requests need, and the roles that give them.

Each runbook declares the permissions that it uses (`Runbook.permissions`). docs/permissions.md, the preflight's checks
and the template's role assignments are made from these declarations. A permission names every action that the requests
need, so that a run which has these actions and no others succeeds.

Sources: learn role-based-access-control/built-in-roles and resource-provider-operations.
"""

from dataclasses import dataclass
from typing import Literal

Resource = Literal[
    "managed resource group",
    "storage account",
    "Key Vault",
    "container registry",
    "Automation account",
    "data collection rule",
]

_CONTAINERS = "Microsoft.Storage/storageAccounts/blobServices/containers"
_TABLES = "Microsoft.Storage/storageAccounts/tableServices/tables"
_ACCOUNT = "Microsoft.Automation/automationAccounts"
_REGISTRY = "Microsoft.ContainerRegistry/registries"
_VAULT = "Microsoft.KeyVault/vaults"


@dataclass(frozen=True, slots=True, kw_only=True)
class Permission:
    """What a runbook may do to one kind of resource.

    Attributes:
        on: the resource at which the role is assigned.
        role: the built-in role that gives all actions.
        purpose: what the runbook does with it, for the page and for whoever assigns the role.
        actions: actions on the resource itself, as Azure names them.
        data_actions: actions on the resource's data.
    """

    on: Resource
    role: str
    purpose: str
    actions: tuple[str, ...] = ()
    data_actions: tuple[str, ...] = ()


WRITE_LOG = Permission(
    on="data collection rule",
    role="Monitoring Metrics Publisher",
    purpose="write events to the operations log",
    data_actions=("Microsoft.Insights/Telemetry/Write",),
)
USE_BLOBS = Permission(
    on="storage account",
    role="Storage Blob Data Contributor",
    purpose="read and write release manifests and artifacts; keep and deliver what waits in the spools",
    data_actions=(f"{_CONTAINERS}/blobs/read", f"{_CONTAINERS}/blobs/write", f"{_CONTAINERS}/blobs/delete"),
)
LINK_BLOBS = Permission(
    on="storage account",
    role="Storage Blob Data Contributor",
    purpose="make read-only links to packages, which the Automation account fetches",
    actions=("Microsoft.Storage/storageAccounts/blobServices/generateUserDelegationKey/action",),
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
    purpose="make and fill the tables of the component registry",
    actions=(f"{_TABLES}/read", f"{_TABLES}/write"),
    data_actions=(f"{_TABLES}/entities/read", f"{_TABLES}/entities/write"),
)
READ_SECRETS = Permission(
    on="Key Vault",
    role="Key Vault Secrets User",
    purpose="read the container registry token and the HMAC key; see states and dates of the credentials",
    data_actions=(f"{_VAULT}/secrets/getSecret/action", f"{_VAULT}/secrets/readMetadata/action"),
)
WRITE_SECRETS = Permission(
    on="Key Vault",
    role="Key Vault Secrets Officer",
    purpose="write, disable and recover the secrets of a credential",
    data_actions=(
        f"{_VAULT}/secrets/getSecret/action",
        f"{_VAULT}/secrets/readMetadata/action",
        f"{_VAULT}/secrets/setSecret/action",
        f"{_VAULT}/secrets/update/action",
        f"{_VAULT}/secrets/recover/action",
    ),
)
USE_WRAPPING_KEY = Permission(
    on="Key Vault",
    role="Key Vault Crypto Officer",
    purpose="make, read and recover the wrapping key; unwrap a credential in the vault",
    data_actions=(
        f"{_VAULT}/keys/read",
        f"{_VAULT}/keys/create/action",
        f"{_VAULT}/keys/update/action",
        f"{_VAULT}/keys/recover/action",
        f"{_VAULT}/keys/unwrap/action",
    ),
)
IMPORT_IMAGES = Permission(
    on="container registry",
    role="Container Registry Data Importer and Data Reader",
    purpose="import images and artifacts by digest; read their digests back",
    actions=(f"{_REGISTRY}/importImage/action",),
    data_actions=(f"{_REGISTRY}/repositories/content/read",),
)
READ_RETENTION = Permission(
    on="storage account",
    role="Reader",
    purpose="see the retention policy of the container with the release manifests",
    actions=(f"{_CONTAINERS}/read", f"{_CONTAINERS}/immutabilityPolicies/read"),
)
PUBLISH = Permission(
    on="Automation account",
    role="Automation Contributor",
    purpose="publish runbooks; make runtime environments and import packages into them",
    actions=(
        f"{_ACCOUNT}/read",
        f"{_ACCOUNT}/runbooks/read",
        f"{_ACCOUNT}/runbooks/write",
        f"{_ACCOUNT}/runbooks/content/read",
        f"{_ACCOUNT}/runbooks/draft/content/write",
        f"{_ACCOUNT}/runbooks/publish/action",
        f"{_ACCOUNT}/runbooks/operationResults/read",
        f"{_ACCOUNT}/runtimeEnvironments/read",
        f"{_ACCOUNT}/runtimeEnvironments/write",
        f"{_ACCOUNT}/runtimeEnvironments/packages/read",
        f"{_ACCOUNT}/runtimeEnvironments/packages/write",
        f"{_ACCOUNT}/runtimeEnvironments/packages/delete",
    ),
)
RUN_TRIALS = Permission(
    on="Automation account",
    role="Automation Contributor",
    purpose="start a trial job of each runbook and read its output",
    actions=(
        f"{_ACCOUNT}/read",
        f"{_ACCOUNT}/runbooks/read",
        f"{_ACCOUNT}/runbooks/content/read",
        f"{_ACCOUNT}/runtimeEnvironments/read",
        f"{_ACCOUNT}/runtimeEnvironments/packages/read",
        f"{_ACCOUNT}/jobs/read",
        f"{_ACCOUNT}/jobs/write",
        f"{_ACCOUNT}/jobs/output/read",
    ),
)
MAKE_SCHEDULES = Permission(
    on="Automation account",
    role="Automation Contributor",
    purpose="make the schedule that starts the next check, and link it",
    actions=(
        f"{_ACCOUNT}/schedules/read",
        f"{_ACCOUNT}/schedules/write",
        f"{_ACCOUNT}/jobSchedules/read",
        f"{_ACCOUNT}/jobSchedules/write",
    ),
)
READ_RESOURCES = Permission(
    on="managed resource group",
    role="Reader",
    purpose="list every resource; see the addresses and the health of the components",
    actions=("*/read",),
)
READ_ALERTS = Permission(
    on="managed resource group",
    role="Monitoring Reader",
    purpose="see alert rules, action groups and the health of resources",
    actions=("*/read",),
)
# What main itself does in every run: the log, the spools, the retry policy, and the keys of the spools.
EVERY_RUNBOOK = (WRITE_LOG, USE_BLOBS, READ_TABLES, READ_SECRETS)
