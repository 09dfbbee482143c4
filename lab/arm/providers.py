"""`/subscriptions/{id}/providers`: which resource types the lab serves, where, and with which api-versions.

Faithful: the shape of azure-mgmt-resource's Provider (2024-11-01); clients choose a type's api-version by it
(`az resource show`). Every namespace is registered until somebody calls `unregister`, and is registered again after
`register`. Both happen at once here; they take minutes in Azure. A PUT of a resource whose namespace is not registered
is refused (409 MissingSubscriptionRegistration). The list shows only the types that the lab serves.
Source: learn rest/api/resources, providers; azure-resource-manager/troubleshooting/error-register-resource-provider.
"""

from collections.abc import Callable, Iterable
from typing import Any

from aiohttp import web

from lab import snapshots
from lab.arm.access import split_path
from lab.arm.dispatch import Arm
from lab.arm.requests import ArmRefusal
from lab.arm.types import ResourceType


def register(arm: Arm, check: Callable[[web.Request], None]) -> None:
    """Serve the list of namespaces, and each by its name. `check` refuses api-versions that ARM does not have."""

    async def every(request: web.Request) -> web.Response:
        check(request)
        return web.json_response({"value": list(_providers(arm).values())})

    async def one(request: web.Request) -> web.Response:
        check(request)
        namespace = split_path(request)[3]
        found = _providers(arm).get(namespace.lower())
        if found is None:
            message = f"The resource namespace '{namespace}' is invalid."
            raise ArmRefusal(404, "InvalidResourceNamespace", message)
        return web.json_response(found)

    async def register_one(request: web.Request) -> web.Response:
        await one(request)  # refuses a name that is not a namespace
        arm.unregistered.discard(split_path(request)[3].lower())
        return await one(request)

    async def unregister_one(request: web.Request) -> web.Response:
        await one(request)
        arm.unregistered.add(split_path(request)[3].lower())
        return await one(request)

    async def reset() -> None:
        arm.unregistered.clear()

    arm.lab.on_reset.append(reset)
    arm.lab.on_keep.append(snapshots.of_content(arm.unregistered))
    arm.scoped(("providers",), {"GET": every})
    arm.scoped(("providers", "*"), {"GET": one})
    arm.scoped(("providers", "*", "register"), {"POST": register_one})
    arm.scoped(("providers", "*", "unregister"), {"POST": unregister_one})


def _providers(arm: Arm) -> dict[str, dict[str, Any]]:
    """Return the namespaces by their lower-cased name."""
    by_namespace: dict[str, list[ResourceType]] = {}
    for known in arm.types():
        by_namespace.setdefault(known.namespace.lower(), []).append(known)
    return {
        key: {
            "id": f"/subscriptions/{arm.home.subscription_id}/providers/{types[0].namespace}",
            "namespace": types[0].namespace,
            "registrationPolicy": "RegistrationRequired",
            "registrationState": "Unregistered" if key in arm.unregistered else "Registered",
            "resourceTypes": _types(types, arm.lab.names.location),
        }
        for key, types in sorted(by_namespace.items())
    }


def _types(types: Iterable[ResourceType], location: str) -> list[dict[str, Any]]:
    """Return the types with their api-versions, newest first.

    A pattern that does not end in a name is an action or a list, not a type."""
    versions: dict[str, set[str]] = {}
    names: dict[str, str] = {}
    for known in types:
        if known.pattern[-1].startswith("{") or len(known.pattern) == 1:
            versions.setdefault(known.type_name.lower(), set()).update(known.api_versions)
            names.setdefault(known.type_name.lower(), known.type_name)
    return [
        {
            "resourceType": names[key],
            "locations": [location],
            "apiVersions": sorted(found, reverse=True),
            "capabilities": "None",
        }
        for key, found in sorted(versions.items())
    ]
