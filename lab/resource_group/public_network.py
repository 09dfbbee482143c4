"""Access from the public network: the rules that ARM shows and changes, and the refusals of the data planes.

Faithful: `publicNetworkAccess` and the firewall's `defaultAction` of storage accounts, vaults and container registries,
with PATCH (storage, container registry) and PUT (vault) as the Azure CLI sends them; the refusals of each data plane.
Every client of the lab is in the public network. There are no rules for single addresses, and nobody reaches a private
endpoint. ARM itself and imports into a container registry are not refused (`networkRuleBypassOptions`). Left out: the
other changes that these requests can make; they are refused.

Sources: learn rest/api/storagerp, keyvault and containerregistry; key-vault/general/private-link-diagnostics;
storage/common/storage-network-security; the words of container registries in Azure/acr#633.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from aiohttp import web
from aiohttp.typedefs import Handler, Middleware

from lab.arm.access import split_path
from lab.arm.dispatch import Arm, ArmRefusal, Names, json_body, resource_not_found
from lab.arm.resources import Resource, of_provider
from lab.resource_group.resources import resource_id

BODY_FIELDS = {"properties", "tags", "location", "sku", "identity"}
# Returns the refusal of a service's data plane.
Refusal = Callable[[], web.Response]


@dataclass(frozen=True, slots=True, kw_only=True)
class Guarded:
    """A type of resource. rules: the property of its firewall. method: the one with which its provider changes it."""

    type: str
    rules: str
    method: str


STORAGE = Guarded(type="Microsoft.Storage/storageAccounts", rules="networkAcls", method="PATCH")
VAULT = Guarded(type="Microsoft.KeyVault/vaults", rules="networkAcls", method="PUT")
CONTAINER_REGISTRY = Guarded(type="Microsoft.ContainerRegistry/registries", rules="networkRuleSet", method="PATCH")


def register(arm: Arm, guarded: Guarded, api_versions: Sequence[str]) -> None:
    """Let ARM change the rules of resources of a type, at its service's api-versions."""

    async def change(request: web.Request, names: Names) -> web.Response:
        found = arm.managed.get("/" + "/".join(split_path(request)))
        if found is None:
            raise resource_not_found(guarded.type, names["name"], arm.home.resource_group)
        sent = await json_body(request, BODY_FIELDS)
        made = {**found, "properties": changed(found["properties"], sent.get("properties") or {}, guarded.rules)}
        arm.managed.add([made])
        return web.json_response(of_provider(made))

    namespace, _, kind = guarded.type.partition("/")
    arm.provider(namespace, f"{kind}/{{name}}", api_versions, {guarded.method: change})


def changed(properties: Mapping[str, Any], sent: Mapping[str, Any], rules: str) -> Mapping[str, Any]:
    """Return a resource's properties with its rules as they were sent; ArmRefusal 400 for another change. Pure."""
    made = dict(properties)
    for name, value in sent.items():
        if name in ("publicNetworkAccess", rules):
            made[name] = value
        elif value is not None and value != [] and value != properties.get(name):
            raise ArmRefusal(400, "InvalidRequestContent", f"The lab does not change '{name}' of a resource.")
    return made


def guard(
    arm: Arm, guarded: Guarded, name: str, refusal: Refusal, *, of_resource: Callable[[web.Request], bool] | None = None
) -> Middleware:
    """Return the check that stands before a data plane.

    name: the resource's name. of_resource: tells which requests belong to the resource; by default all do.
    """
    key = resource_id(arm.lab, guarded.type, name)

    @web.middleware
    async def before(request: web.Request, handler: Handler) -> web.StreamResponse:
        found = arm.managed.get(key)
        if found is not None and is_closed(found, guarded.rules) and (of_resource is None or of_resource(request)):
            return refusal()
        return await handler(request)

    return before


def is_closed(found: Resource, rules: str) -> bool:
    """Tell whether a resource keeps the public network out. Pure."""
    properties = found["properties"]
    denies = (properties.get(rules) or {}).get("defaultAction", "Allow") == "Deny"
    return denies or str(properties.get("publicNetworkAccess") or "Enabled").lower() != "enabled"
