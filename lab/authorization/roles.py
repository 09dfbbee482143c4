"""The built-in roles that this product's pages name, with what each of them grants.

Faithful: the actions that this product's requests may need, as the role's definition lists them, with wildcards. Left
out: actions on things that the lab does not have (support tickets, deployments, alert processing).
Source: learn role-based-access-control/built-in-roles.
"""

from collections.abc import Mapping
from dataclasses import dataclass

_BLOBS = "Microsoft.Storage/storageAccounts/blobServices"
_TABLES = "Microsoft.Storage/storageAccounts/tableServices/tables"
_VAULT = "Microsoft.KeyVault/vaults"
_REGISTRY = "Microsoft.ContainerRegistry/registries"
_GROUP_READ = "Microsoft.Resources/subscriptions/resourceGroups/read"


@dataclass(frozen=True, slots=True, kw_only=True)
class Role:
    """A built-in role. An action may hold `*`, which stands for any characters. Actions are compared without case."""

    name: str
    actions: tuple[str, ...] = ()
    not_actions: tuple[str, ...] = ()
    data_actions: tuple[str, ...] = ()

    def definition(self) -> dict[str, object]:
        """Return the role's one permission, as ARM shows it."""
        return {
            "actions": list(self.actions),
            "notActions": list(self.not_actions),
            "dataActions": list(self.data_actions),
            "notDataActions": [],
        }


# By the GUID of the role's definition.
ROLES: Mapping[str, Role] = {
    "8e3af657-a8ff-443c-a75c-2fe8c4bcb635": Role(name="Owner", actions=("*",)),
    "b24988ac-6180-42a0-ab88-20f7382dd24c": Role(
        name="Contributor",
        actions=("*",),
        not_actions=(
            "Microsoft.Authorization/*/Delete",
            "Microsoft.Authorization/*/Write",
            "Microsoft.Authorization/elevateAccess/Action",
        ),
    ),
    "acdd72a7-3385-48ef-bd42-f606fba81ae7": Role(name="Reader", actions=("*/read",)),
    "f353d9bd-d4a6-484e-a77a-8050b599b867": Role(
        name="Automation Contributor",
        actions=(
            "Microsoft.Automation/automationAccounts/*",
            "Microsoft.Authorization/*/read",
            "Microsoft.Insights/ActionGroups/*",
            "Microsoft.Insights/ActivityLogAlerts/*",
            "Microsoft.Insights/MetricAlerts/*",
            "Microsoft.Insights/ScheduledQueryRules/*",
            "Microsoft.Insights/diagnosticSettings/*",
            "Microsoft.OperationalInsights/workspaces/sharedKeys/action",
            "Microsoft.Resources/deployments/*",
            _GROUP_READ,
        ),
    ),
    "577a9874-89fd-4f24-9dbd-b5034d0ad23a": Role(
        name="Container Registry Data Importer and Data Reader",
        actions=(f"{_REGISTRY}/importImage/action", f"{_REGISTRY}/read"),
        data_actions=(
            f"{_REGISTRY}/repositories/content/read",
            f"{_REGISTRY}/repositories/metadata/read",
        ),
    ),
    "7f951dda-4ed3-4680-a7ca-43fe172d538d": Role(name="AcrPull", actions=(f"{_REGISTRY}/pull/read",)),
    "8311e382-0749-4cb8-b61a-304f252e45ec": Role(
        name="AcrPush", actions=(f"{_REGISTRY}/pull/read", f"{_REGISTRY}/push/write")
    ),
    "14b46e9e-c2b7-41b4-b07b-48a6ebf60603": Role(
        name="Key Vault Crypto Officer",
        actions=(f"{_VAULT}/*/read",),
        data_actions=(f"{_VAULT}/keys/*", f"{_VAULT}/keyrotationpolicies/*"),
    ),
    "12338af0-0e69-4776-bea7-57ae8d297424": Role(
        name="Key Vault Crypto User",
        data_actions=(
            f"{_VAULT}/keys/read",
            f"{_VAULT}/keys/update/action",
            f"{_VAULT}/keys/backup/action",
            f"{_VAULT}/keys/encrypt/action",
            f"{_VAULT}/keys/decrypt/action",
            f"{_VAULT}/keys/wrap/action",
            f"{_VAULT}/keys/unwrap/action",
            f"{_VAULT}/keys/sign/action",
            f"{_VAULT}/keys/verify/action",
        ),
    ),
    "a4417e6f-fecd-4de8-b567-7b0420556985": Role(
        name="Key Vault Certificates Officer",
        actions=(f"{_VAULT}/*/read",),
        data_actions=(
            f"{_VAULT}/certificatecas/*",
            f"{_VAULT}/certificates/*",
            f"{_VAULT}/certificatecontacts/write",
        ),
    ),
    "b86a8fe4-44ce-4948-aee5-eccb2c155cd7": Role(
        name="Key Vault Secrets Officer", actions=(f"{_VAULT}/*/read",), data_actions=(f"{_VAULT}/secrets/*",)
    ),
    "4633458b-17de-408a-b874-0445c86b69e6": Role(
        name="Key Vault Secrets User",
        data_actions=(f"{_VAULT}/secrets/getSecret/action", f"{_VAULT}/secrets/readMetadata/action"),
    ),
    "f1a07417-d97a-45cb-824c-7a7467783830": Role(
        name="Managed Identity Operator",
        actions=(
            "Microsoft.ManagedIdentity/userAssignedIdentities/*/read",
            "Microsoft.ManagedIdentity/userAssignedIdentities/*/assign/action",
            "Microsoft.Authorization/*/read",
            _GROUP_READ,
        ),
    ),
    "4d97b98b-1d4f-4787-a291-c67834d212e7": Role(
        name="Network Contributor",
        actions=(
            "Microsoft.Network/*",
            "Microsoft.Authorization/*/read",
            "Microsoft.ResourceHealth/availabilityStatuses/read",
            _GROUP_READ,
        ),
    ),
    "73c42c96-874c-492b-b04d-ab87d138a893": Role(
        name="Log Analytics Reader", actions=("*/read", "Microsoft.OperationalInsights/workspaces/search/action")
    ),
    "3913510d-42f4-4e42-8a64-420c390055eb": Role(
        name="Monitoring Metrics Publisher",
        actions=("Microsoft.Insights/Register/Action", _GROUP_READ),
        data_actions=("Microsoft.Insights/Metrics/Write", "Microsoft.Insights/Telemetry/Write"),
    ),
    "43d0d8ad-25c7-4714-9337-8ba259a9fe05": Role(
        name="Monitoring Reader", actions=("*/read", "Microsoft.OperationalInsights/workspaces/search/action")
    ),
    "ba92f5b4-2d11-453d-a403-e96b0029c9fe": Role(
        name="Storage Blob Data Contributor",
        actions=(
            f"{_BLOBS}/containers/delete",
            f"{_BLOBS}/containers/read",
            f"{_BLOBS}/containers/write",
            f"{_BLOBS}/generateUserDelegationKey/action",
        ),
        data_actions=(
            f"{_BLOBS}/containers/blobs/delete",
            f"{_BLOBS}/containers/blobs/read",
            f"{_BLOBS}/containers/blobs/write",
            f"{_BLOBS}/containers/blobs/move/action",
            f"{_BLOBS}/containers/blobs/add/action",
        ),
    ),
    "2a2b9908-6ea1-4ae2-8e65-a410df84e7d1": Role(
        name="Storage Blob Data Reader",
        actions=(f"{_BLOBS}/containers/read", f"{_BLOBS}/generateUserDelegationKey/action"),
        data_actions=(f"{_BLOBS}/containers/blobs/read",),
    ),
    "0a9a7e1f-b9d0-4cc4-a60d-0319b160aaa3": Role(
        name="Storage Table Data Contributor",
        actions=(f"{_TABLES}/read", f"{_TABLES}/write", f"{_TABLES}/delete"),
        data_actions=(
            f"{_TABLES}/entities/read",
            f"{_TABLES}/entities/write",
            f"{_TABLES}/entities/delete",
            f"{_TABLES}/entities/add/action",
            f"{_TABLES}/entities/update/action",
        ),
    ),
    "76199698-9eea-4c19-bc75-cec21354c6b6": Role(
        name="Storage Table Data Reader", actions=(f"{_TABLES}/read",), data_actions=(f"{_TABLES}/entities/read",)
    ),
}
