"""Which action a caller needs for a request: one pure function for each service.

Sources: for storage, learn rest/api/storageservices/authorize-with-azure-active-directory; for vaults,
key-vault/general/rbac-guide; for ARM, role-based-access-control/resource-provider-operations.
"""

from collections.abc import Mapping, Sequence

from lab.authorization.state import Action

_VERBS = {"GET": "read", "HEAD": "read", "PUT": "write", "PATCH": "write", "DELETE": "delete"}
# Parts of a resource that are read with GET, but by a right that is named an action (Microsoft.Automation).
_READ_BY_ACTION = frozenset({"runbookContent"})
_BLOBS = "Microsoft.Storage/storageAccounts/blobServices"
_TABLES = "Microsoft.Storage/storageAccounts/tableServices/tables"
_VAULT = "Microsoft.KeyVault/vaults"
# Operations on a key whose path and whose action have different names.
_KEY_ACTIONS = {"wrapkey": "wrap", "unwrapkey": "unwrap"}
TELEMETRY = "Microsoft.Insights/Telemetry/Write"


def of_arm(method: str, namespace: str, pattern: Sequence[str], scope: str) -> Action:
    """Return the action of a request to ARM.

    pattern: the resource type's pattern, in which types and `{names}` alternate. A last part that is not a name is an
    action, a part of the resource (`runbooks/{runbook}/publish`, `runbooks/{runbook}/content`), or a list.
    """
    kind = "/".join((namespace, *(part for part in pattern if not part.startswith("{"))))
    verb = "action" if pattern[-1] in _READ_BY_ACTION else _VERBS.get(method, "action")
    return Action(name=f"{kind}/{verb}", scope=scope, is_data=False)


def of_blob(method: str, path: str, query: Mapping[str, str], scope: str) -> Action:
    """Return the action of a request to the blob service.

    path: below the account, as `container/blob`. scope: the storage account's ARM id.
    """
    container, _, blob = path.partition("/")
    if query.get("comp") == "userdelegationkey":
        return Action(name=f"{_BLOBS}/generateUserDelegationKey/action", scope=scope, is_data=False)
    if blob or (container and query.get("comp") == "list"):
        return Action(name=f"{_BLOBS}/containers/blobs/{_VERBS.get(method, 'write')}", scope=scope, is_data=True)
    return Action(name=f"{_BLOBS}/containers/{_VERBS.get(method, 'write')}", scope=scope, is_data=False)


def of_table(method: str, path: str, scope: str) -> Action:
    """Return the action of a request to the table service. path: below the account."""
    if path.partition("(")[0] == "Tables":
        verb = {"POST": "write"}.get(method, _VERBS.get(method, "write"))
        return Action(name=f"{_TABLES}/{verb}", scope=scope, is_data=False)
    # A transaction may hold any change. Azure checks the right for each of them. The lab checks the right to write.
    verb = {"GET": "read", "DELETE": "delete"}.get(method, "write")
    return Action(name=f"{_TABLES}/entities/{verb}", scope=scope, is_data=True)


def of_vault(method: str, path: str, scope: str) -> Action:
    """Return the action of a request to a vault."""
    kind, *rest = path.strip("/").split("/")
    if kind in ("secrets", "deletedsecrets"):
        return Action(name=f"{_VAULT}/secrets/{_secret_action(method, kind, rest)}", scope=scope, is_data=True)
    if kind in ("certificates", "deletedcertificates"):
        return Action(
            name=f"{_VAULT}/certificates/{_certificate_action(method, kind, rest)}", scope=scope, is_data=True
        )
    return Action(name=f"{_VAULT}/keys/{_key_action(method, kind, rest)}", scope=scope, is_data=True)


def _secret_action(method: str, kind: str, rest: Sequence[str]) -> str:
    if kind == "deletedsecrets":
        return {"GET": "readMetadata/action", "DELETE": "purge/action"}.get(method, "recover/action")
    if method == "GET":
        lists = not rest or rest[-1] == "versions"
        return "readMetadata/action" if lists else "getSecret/action"
    return {"PUT": "setSecret/action", "DELETE": "delete"}.get(method, "update/action")


def _certificate_action(method: str, kind: str, rest: Sequence[str]) -> str:
    """A merge needs the right to create. Deleting an operation needs the right to update (learn, their pages)."""
    if kind == "deletedcertificates":
        return {"GET": "read", "DELETE": "purge/action"}.get(method, "recover/action")
    if method == "POST":
        return "import/action" if rest[-1] == "import" else "create/action"
    if method == "DELETE":
        return "update/action" if rest[-1] == "pending" and len(rest) > 1 else "delete"
    return "read" if method == "GET" else "update/action"


def _key_action(method: str, kind: str, rest: Sequence[str]) -> str:
    if kind == "deletedkeys":
        return {"GET": "read", "DELETE": "purge/action"}.get(method, "recover/action")
    if method == "POST":
        last = rest[-1].lower()
        return f"{_KEY_ACTIONS.get(last, last)}/action"
    return {"GET": "read", "PUT": "create/action", "DELETE": "delete"}.get(method, "update/action")
