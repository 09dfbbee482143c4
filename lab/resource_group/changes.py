"""`/resources` of the control API: how tests and benchmarks change the managed resource group.

    GET  /resources   {"count", "page_size", "types": {type: count}}
    POST /resources   one of:
        {"count": 10000}                                     adds synthetic resources, of all SYNTHETIC_TYPES in turn;
                                                             "type" narrows it to one type, "prefix" names them
                                                             (PREFIX-00001 ...), "application" is the application of
                                                             lab/resource_group/application_endpoints.py at whose
                                                             address synthetic container apps answer (by default they
                                                             have an address at which nobody answers)
        {"delete": ["studio", "/subscriptions/..."]}         removes resources by name or id
        {"provisioningState": {"studio": "Failed"}}
        {"availabilityState": {"vibedata-kv": "Degraded"}}   what resource health says
        {"version": {"studio": "2026.10.0"}}                 the tag of a container app's image
        {"page_size": 5}                                     of the listing, if the client asks for no other size

A name that several resources have means all of them. A reset undoes everything.
"""

from collections import Counter
from collections.abc import Callable, Mapping
from typing import Any

from lab.arm.resources import PAGE_SIZE, ManagedResources, Resource
from lab.front.faults import InvalidFaultError
from lab.resource_group.applications import container_app
from lab.resource_group.resources import resource
from lab.shared import Lab

SYNTHETIC_TYPES = (
    "Microsoft.App/containerApps",
    "Microsoft.Compute/disks",
    "Microsoft.ManagedIdentity/userAssignedIdentities",
    "Microsoft.Network/networkInterfaces",
    "Microsoft.Network/privateEndpoints",
)
MAX_SYNTHETIC = 100_000
AVAILABILITY_STATES = ("Available", "Degraded", "Unavailable", "Unknown")
APP_STATES = ("InProgress", "Succeeded", "Failed", "Canceled", "Deleting")  # Microsoft.App 2025-01-01
NOBODY = "192.0.2.1"  # RFC 5737


def register(lab: Lab, managed: ManagedResources, addresses: Mapping[str, str]) -> None:
    """Add the control API's handlers; `addresses` are the applications' `127.0.0.1:PORT`."""

    async def view(_body: object) -> object:
        return _view(managed)

    async def change(body: object) -> object:
        _change(lab, managed, addresses, body)
        return _view(managed)

    lab.controls["GET", "/resources"] = view
    lab.controls["POST", "/resources"] = change


def _view(managed: ManagedResources) -> Mapping[str, object]:
    types = Counter(str(one["type"]) for _, one in managed.listing())
    return {"count": len(managed), "page_size": managed.page_size, "types": dict(sorted(types.items()))}


def _change(lab: Lab, managed: ManagedResources, addresses: Mapping[str, str], body: object) -> None:
    fields = body if isinstance(body, dict) else {}
    if "count" in fields and set(fields) <= {"count", "type", "prefix", "application"}:
        managed.add(_synthetic(lab, addresses, fields))
    elif set(fields) == {"delete"} and isinstance(fields["delete"], list):
        managed.remove([str(one["id"]) for name in fields["delete"] for one in _named(managed, name)])
    elif set(fields) == {"page_size"}:
        managed.page_size = _whole(fields["page_size"], "page_size", most=PAGE_SIZE)
    elif len(fields) == 1 and next(iter(fields)) in CHANGES and isinstance(next(iter(fields.values())), dict):
        ((kind, wanted),) = fields.items()
        for name, value in wanted.items():
            for one in _named(managed, name):
                CHANGES[kind](managed, one, str(value))
    else:
        known = ", ".join(["count (with type, prefix, application)", "delete", *CHANGES, "page_size"])
        raise InvalidFaultError(f"resources takes one of {known}")


def _provisioning_state(managed: ManagedResources, one: Resource, value: str) -> None:
    if one["type"] == "Microsoft.App/containerApps" and value not in APP_STATES:
        raise InvalidFaultError(f"a container app's provisioningState is one of {', '.join(APP_STATES)}, not {value!r}")
    managed.add([{**one, "properties": {**one["properties"], "provisioningState": value}}])


def _availability_state(managed: ManagedResources, one: Resource, value: str) -> None:
    if value not in AVAILABILITY_STATES:
        raise InvalidFaultError(f"availabilityState is {value!r}; it takes one of {', '.join(AVAILABILITY_STATES)}")
    managed.availability[str(one["id"]).lower()] = value


def _version(managed: ManagedResources, one: Resource, value: str) -> None:
    if one["type"] != "Microsoft.App/containerApps":
        raise InvalidFaultError(f"{one['name']} is a {one['type']}; only a container app has an image with a tag")
    template = one["properties"]["template"]
    containers = [
        {**container, "image": f"{str(container['image']).rpartition(':')[0]}:{value}"}
        for container in template["containers"]
    ]
    managed.add([{**one, "properties": {**one["properties"], "template": {**template, "containers": containers}}}])


CHANGES: Mapping[str, Callable[[ManagedResources, Resource, str], None]] = {
    "provisioningState": _provisioning_state,
    "availabilityState": _availability_state,
    "version": _version,
}


def _named(managed: ManagedResources, name: object) -> list[Resource]:
    found = managed.named(str(name))
    if not found:
        raise InvalidFaultError(f"there is no resource {name!r} in the managed resource group")
    return found


def _synthetic(lab: Lab, addresses: Mapping[str, str], fields: Mapping[str, Any]) -> list[Resource]:
    count = _whole(fields["count"], "count", most=MAX_SYNTHETIC)
    types = SYNTHETIC_TYPES if fields.get("type") is None else (str(fields["type"]),)
    if not set(types) <= set(SYNTHETIC_TYPES):
        raise InvalidFaultError(f"type is {types[0]!r}; it takes one of {', '.join(SYNTHETIC_TYPES)}")
    application = fields.get("application")
    if application is not None and application not in addresses:
        raise InvalidFaultError(f"there is no application {application!r}; there are {', '.join(addresses)}")
    host = NOBODY if application is None else addresses[application]
    prefix = str(fields.get("prefix") or "synthetic")
    return [_one(lab, types[number % len(types)], f"{prefix}-{number + 1:05}", host) for number in range(count)]


def _one(lab: Lab, resource_type: str, name: str, host: str) -> Resource:
    if resource_type == "Microsoft.App/containerApps":
        return container_app(lab, name, image=f"{lab.host('customer_registry')}/synthetic/{name}:1.0.0", fqdn=host)
    more = {"creationData": {"createOption": "Empty"}} if resource_type == "Microsoft.Compute/disks" else {}
    return resource(lab, resource_type, name, {"provisioningState": "Succeeded", **more})


def _whole(value: object, name: str, *, most: int) -> int:
    if isinstance(value, bool) or not isinstance(value, int) or not 1 <= value <= most:
        raise InvalidFaultError(f"{name} is {value!r}; it takes a whole number from 1 to {most}")
    return value
