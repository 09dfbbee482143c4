"""ARM's view of the storage accounts, of the blob containers and of their immutability policies.

lab/resource_group/public_network.py has the account's network rules.

Faithful: GET, PUT and DELETE of a container (one with a policy can be deleted only if it is empty, and only here).
GET, PUT, DELETE, lock and extend of its policy with ETags (If-Match is optional only with PUT). A container without a
policy answers with the default, 0 days and Unlocked. Read-only fields in a body are ignored. Left out: listing
containers, the 30 seconds for which a deleted container's name stays taken, leases, legal holds, public access (the
account has none).
A container that is made with version-level immutability says so, and its policy is made by the same calls.
Source: Microsoft.Storage 2023-05-01, BlobContainers; lab/storage/immutability.py names the sources of the rules.
"""

import contextlib
from collections.abc import Iterator, Mapping
from datetime import datetime, timezone
from email.utils import parsedate_to_datetime
from typing import Any

from aiohttp import web

from lab.arm.access import ARM_AUDIENCES
from lab.arm.dispatch import Arm, ArmRefusal, Names, json_body, only_fields, resource_not_found
from lab.resource_group.resources import resource
from lab.shared import Lab
from lab.storage import azurite
from lab.storage.immutability import Immutability, Policy, PolicyRefusedError, Update

API_VERSIONS = ("2022-09-01", "2023-01-01", "2023-04-01", "2023-05-01", "2024-01-01")
TYPE = "Microsoft.Storage/storageAccounts/blobServices/containers"
ACCOUNT_TYPE = "Microsoft.Storage/storageAccounts"
ACCOUNT_API_VERSIONS = ("2026-04-01", "2025-08-01", "2025-06-01", "2025-01-01", "2024-01-01", "2023-05-01")
RESOURCE_FIELDS = {"properties", "id", "name", "type", "etag"}
PERIOD = "immutabilityPeriodSinceCreationInDays"
VERSION_LEVEL = "immutableStorageWithVersioning"
APPENDS = ("allowProtectedAppendWrites", "allowProtectedAppendWritesAll")


def register(arm: Arm, policies: Immutability) -> None:
    """Serve containers and their `policies`."""
    handlers = _Containers(arm.lab, policies)
    container = "storageAccounts/{account}/blobServices/{service}/containers/{container}"
    policy = container + "/immutabilityPolicies/{policy}"
    for pattern, answers in (
        (container, {"GET": handlers.get, "PUT": handlers.put, "DELETE": handlers.delete}),
        (policy, {"GET": handlers.get_policy, "PUT": handlers.put_policy, "DELETE": handlers.delete_policy}),
        (policy + "/lock", {"POST": handlers.lock_policy}),
        (policy + "/extend", {"POST": handlers.extend_policy}),
    ):
        arm.provider("Microsoft.Storage", pattern, API_VERSIONS, answers)


def register_account(arm: Arm, name: str, addresses: Mapping[str, str]) -> None:
    """Add a storage account. addresses: by the kind of data. lab/resource_group/provider.py answers GET."""
    properties = {
        "provisioningState": "Succeeded",
        "primaryEndpoints": {kind: f"{address}/{name}" for kind, address in addresses.items()},
        "allowSharedKeyAccess": False,
        "minimumTlsVersion": "TLS1_2",
        "supportsHttpsTrafficOnly": True,
        "publicNetworkAccess": "Enabled",
        "networkAcls": {"bypass": "AzureServices", "virtualNetworkRules": [], "ipRules": [], "defaultAction": "Allow"},
        "encryption": {
            "keySource": "Microsoft.Storage",
            "services": {kind: {"enabled": True, "keyType": "Account"} for kind in ("blob", "file")},
        },
    }
    redundant = {"name": "Standard_ZRS", "tier": "Standard"}
    arm.deployed(
        lambda: [resource(arm.lab, ACCOUNT_TYPE, name, properties, group=arm.home.id, kind="StorageV2", sku=redundant)]
    )


class _Containers:
    """The handlers."""

    def __init__(self, lab: Lab, policies: Immutability) -> None:
        self._lab = lab
        self._policies = policies

    async def get(self, _request: web.Request, names: Names) -> web.Response:
        """Return a container."""
        return web.json_response(await self._container(names))

    async def put(self, request: web.Request, names: Names) -> web.Response:
        """Create a container, unless it exists."""
        body = await json_body(request, RESOURCE_FIELDS)
        properties = only_fields(body.get("properties", {}), {"publicAccess", VERSION_LEVEL}, "properties")
        versions = only_fields(properties.get(VERSION_LEVEL, {}), {"enabled"}, VERSION_LEVEL)
        if properties.get("publicAccess", "None") != "None":
            message = "Public access is not permitted on this storage account."
            raise ArmRefusal(409, "PublicAccessNotPermitted", message)
        _check_defaults(self._lab, names)
        async with self._lab.upstream.put(self._url(names), headers=self._headers()) as answer:
            if answer.status not in (201, 409):
                message = f"The container name '{names['container']}' is not valid."
                raise ArmRefusal(400, "ContainerNameInvalid", message)
            status = 201 if answer.status == 201 else 200
        if status == 201 and _flag(versions, "enabled"):
            self._policies.version_level[names["container"]] = self._lab.clock.now()
        return web.json_response(await self._container(names), status=status)

    async def delete(self, _request: web.Request, names: Names) -> web.Response:
        """Delete a container and its policy; 409 if the policy protects blobs in it."""
        container = names["container"]
        _check_defaults(self._lab, names)
        if container in self._policies.policies and await self._has_blobs(names):
            message = (
                f"The storage account container '{container}' is protected from deletion due to ImmutabilityPolicy."
            )
            raise ArmRefusal(409, "ContainerProtectedFromDeletion", message)
        async with self._lab.upstream.delete(self._url(names), headers=self._headers()) as answer:
            if answer.status not in (202, 404):
                raise ArmRefusal(409, "ContainerOperationFailure", "There is currently a lease on the container.")
            status = 200 if answer.status == 202 else 204
        self._policies.policies.pop(container, None)
        self._policies.version_level.pop(container, None)
        return web.Response(status=status)

    async def get_policy(self, _request: web.Request, names: Names) -> web.Response:
        """Return a container's policy, or the default."""
        await self._properties(names)
        return self._policy(names, self._policies.policies.get(names["container"]))

    async def put_policy(self, request: web.Request, names: Names) -> web.Response:
        """Create or change an unlocked policy."""
        body = await json_body(request, RESOURCE_FIELDS)
        properties = only_fields(body.get("properties", {}), {PERIOD, *APPENDS, "state"}, "properties")
        await self._properties(names)
        with _refusing():
            policy = self._policies.put(
                names["container"],
                days=_days(properties),
                appends=(_flag(properties, APPENDS[0]), _flag(properties, APPENDS[1])),
                if_match=request.headers.get("If-Match"),
                at=self._lab.clock.now(),
                by=self._caller(request),
            )
        return self._policy(names, policy)

    async def delete_policy(self, request: web.Request, names: Names) -> web.Response:
        """Delete an unlocked policy. The answer's state is `Deleted`."""
        await self._properties(names)
        with _refusing():
            etag = self._policies.delete(names["container"], if_match=_if_match(request))
        return self._policy(names, None, deleted=etag)

    async def lock_policy(self, request: web.Request, names: Names) -> web.Response:
        """Lock the policy for good."""
        await self._properties(names)
        at, by = self._lab.clock.now(), self._caller(request)
        with _refusing():
            policy = self._policies.lock(names["container"], if_match=_if_match(request), at=at, by=by)
        return self._policy(names, policy)

    async def extend_policy(self, request: web.Request, names: Names) -> web.Response:
        """Extend a locked policy's retention."""
        body = await json_body(request, RESOURCE_FIELDS)
        properties = only_fields(body.get("properties", {}), {PERIOD, *APPENDS, "state"}, "properties")
        await self._properties(names)
        with _refusing():
            policy = self._policies.extend(
                names["container"],
                days=_days(properties),
                if_match=_if_match(request),
                at=self._lab.clock.now(),
                by=self._caller(request),
            )
        return self._policy(names, policy)

    async def _container(self, names: Names) -> dict[str, Any]:
        received = await self._properties(names)
        policy = self._policies.policies.get(names["container"])
        modified = parsedate_to_datetime(received["Last-Modified"])
        properties: dict[str, Any] = {
            "publicAccess": "None",
            "leaseStatus": received["x-ms-lease-status"].capitalize(),
            "leaseState": received["x-ms-lease-state"].capitalize(),
            "lastModifiedTime": f"{modified:%Y-%m-%dT%H:%M:%SZ}",
            "hasImmutabilityPolicy": policy is not None,
            "hasLegalHold": False,
        }
        since = self._policies.version_level.get(names["container"])
        if since is not None:
            enabled_at = datetime.fromtimestamp(since, timezone.utc)
            properties[VERSION_LEVEL] = {"enabled": True, "timeStamp": f"{enabled_at:%Y-%m-%dT%H:%M:%SZ}"}
        if policy is not None:
            history = [_update(self._lab, update) for update in policy.history]
            properties["immutabilityPolicy"] = {
                "etag": policy.etag,
                "properties": _shown(policy),
                "updateHistory": history,
            }
        return {
            "id": self._id(names),
            "name": names["container"],
            "type": TYPE,
            "etag": received["ETag"],
            "properties": properties,
        }

    def _policy(self, names: Names, policy: Policy | None, *, deleted: str = "") -> web.Response:
        """Answer with a policy, with the default (None), or with a deleted one, whose ETag is `deleted`."""
        etag = policy.etag if policy else deleted
        body = {
            "id": f"{self._id(names)}/immutabilityPolicies/default",
            "name": "default",
            "type": f"{TYPE}/immutabilityPolicies",
            "etag": etag,
            "properties": {**_shown(policy), **({"state": "Deleted"} if deleted else {})},
        }
        return web.json_response(body, headers={"ETag": etag} if etag else {})

    async def _has_blobs(self, names: Names) -> bool:
        url = f"{self._url(names)}&comp=list&maxresults=1"
        async with self._lab.upstream.get(url, headers=self._headers()) as answer:
            return b"<Blob>" in await answer.read()

    async def _properties(self, names: Names) -> Mapping[str, str]:
        """Return the headers of the container; 404 if there is none."""
        _check_defaults(self._lab, names)
        async with self._lab.upstream.head(self._url(names), headers=self._headers()) as answer:
            if answer.status != 200:
                raise ArmRefusal(404, "ContainerNotFound", "The specified container does not exist.")
            return answer.headers.copy()

    def _url(self, names: Names) -> str:
        account = self._lab.names.storage_account
        return f"{self._lab.real_urls['blob']}/{account}/{names['container']}?restype=container"

    def _headers(self) -> dict[str, str]:
        names = self._lab.names
        token = azurite.token(self._lab.tokens, names.operator_principal_id, names.operator_client_id)
        return {"Authorization": f"Bearer {token}", "x-ms-version": azurite.BLOB_API_VERSION}

    def _id(self, names: Names) -> str:
        account = f"{self._lab.names.resource_group_id}/providers/Microsoft.Storage/storageAccounts/{names['account']}"
        return f"{account}/blobServices/default/containers/{names['container']}"

    def _caller(self, request: web.Request) -> str:
        # ARM has accepted the token.
        token = request.headers["Authorization"].partition(" ")[2].strip()
        return str(self._lab.tokens.verify(token, ARM_AUDIENCES)["oid"])


def _check_defaults(lab: Lab, names: Names) -> None:
    """Refuse other names: an account has only the default blob service, a container only the default policy."""
    if names["service"] != "default" or names.get("policy", "default") != "default":
        name = f"{names['account']}/{names['service']}/{names['container']}/{names.get('policy', '')}".rstrip("/")
        raise resource_not_found(TYPE, name, lab.names.resource_group)


def _if_match(request: web.Request) -> str:
    etag = request.headers.get("If-Match")
    if etag is None:
        raise ArmRefusal(400, "MissingRequiredHeader", "The required header If-Match is missing.")
    return etag


def _days(properties: Mapping[str, Any]) -> int:
    days = properties.get(PERIOD)
    if isinstance(days, bool) or not isinstance(days, int):
        raise ArmRefusal(400, "InvalidRequestPropertyValue", f"The property {PERIOD} takes a whole number of days.")
    return days


def _flag(properties: Mapping[str, Any], name: str) -> bool:
    value = properties.get(name, False)
    if not isinstance(value, bool):
        raise ArmRefusal(400, "InvalidRequestPropertyValue", f"The property {name} takes true or false.")
    return value


@contextlib.contextmanager
def _refusing() -> Iterator[None]:
    """Turn a refusal of the policy's rules into ARM's refusal."""
    try:
        yield
    except PolicyRefusedError as error:
        raise ArmRefusal(error.status, error.code, str(error)) from error


def _shown(policy: Policy | None) -> dict[str, Any]:
    if policy is None:
        return {PERIOD: 0, "state": "Unlocked"}
    shown: dict[str, Any] = {PERIOD: policy.days, "state": policy.state}
    appends = (policy.allow_appends, policy.allow_appends_all)
    shown.update({name: True for name, on in zip(APPENDS, appends, strict=True) if on})
    return shown


def _update(lab: Lab, update: Update) -> dict[str, Any]:
    return {
        "update": update.kind,
        PERIOD: update.days,
        "timestamp": datetime.fromtimestamp(update.at, timezone.utc).isoformat().replace("+00:00", "Z"),
        "objectIdentifier": update.object_id,
        "tenantId": lab.names.tenant_id,
    }
