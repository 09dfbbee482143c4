"""Choose the probe of a component, and judge what ARM says about it.

A component is asked only at the address that its own resource names in ARM at this moment. The address in the component
registry must be the same. Otherwise the component is not asked.
"""

import ssl
from collections.abc import Callable, Collection, Iterable, Mapping
from dataclasses import dataclass, field, replace

from runbook_lib.component_registry.endpoints import endpoint_of
from runbook_lib.component_registry.managed_resources import DETAILED_TYPES, Availability, ManagedResources, Resource
from runbook_lib.component_registry.registered import RegisteredComponent
from runbook_lib.component_registry.schema import VANISHED
from runbook_lib.errors import RunbookError
from runbook_lib.health.probes.connection import connect
from runbook_lib.health.probes.http import DEFAULT_PATH, DEFAULT_STATUS, HttpTarget, look_http, target_of
from runbook_lib.health.probes.many import PROBE_SECONDS, Probe
from runbook_lib.health.rules import Observation
from runbook_lib.network.deadline import Deadline
from runbook_lib.release.manifest import MAX_PROBE_SECONDS

ASKED_KINDS = ("http", "tcp")
# ARM's state of a resource that is not being changed, "" if its type has no such state.
_AT_REST = ("succeeded", "")
_BROKEN = ("failed", "canceled")
_LEAVING = "deleting"


@dataclass(frozen=True, slots=True, kw_only=True)
class Group:
    """The managed resource group in ARM. All keys are resource ids in small letters.

    Attributes:
        provisioning: Every resource's provisioning state.
        availability: The availability of each resource whose platform Azure watches.
        endpoints: `https://host` of each resource that components are asked at.
    """

    provisioning: Mapping[str, str]
    availability: Mapping[str, Availability] = field(default_factory=dict)
    endpoints: Mapping[str, str] = field(default_factory=dict)


def read_group(
    managed: ManagedResources, components: Collection[RegisteredComponent], warn: Callable[[str], object]
) -> Group:
    """Read the managed resource group from ARM. The number of requests does not grow with the components.

    Resource health is a provider of its own, and a subscription may lack it. Then this warns, and only the provisioning
    states count. For everything else this raises the same as ManagedResources.
    """
    resources = {resource.resource_id.lower(): resource for resource in managed.all()}
    asked = {component.resource_id.lower() for component in components if component.health_kind in ASKED_KINDS}
    return Group(
        provisioning={key: resource.provisioning_state for key, resource in resources.items()},
        endpoints=_endpoints(managed, [resources[key] for key in asked if key in resources]),
        availability=_availability(managed, warn) if any(each.health_kind == "arm" for each in components) else {},
    )


def _availability(managed: ManagedResources, warn: Callable[[str], object]) -> Mapping[str, Availability]:
    from azure.core.exceptions import AzureError

    try:
        return managed.availability()
    except (AzureError, RunbookError) as error:
        warn(f"resource health cannot be read, only provisioning states count: {str(error).partition(chr(10))[0]}")
        return {}


def _endpoints(managed: ManagedResources, resources: Iterable[Resource]) -> dict[str, str]:
    by_type: dict[str, dict[str, str]] = {}
    for resource in resources:
        kind, name = resource.key
        by_type.setdefault(kind, {})[name] = resource.resource_id.lower()
    return {
        ids[name]: endpoint_of(kind, properties)
        for kind, ids in by_type.items()
        if kind in DETAILED_TYPES
        for name, properties in managed.properties_of(kind, ids).items()
    }


def probe_of(component: RegisteredComponent, group: Group, trust: ssl.SSLContext) -> Probe | Observation:
    """Return the probe of a component, or an observation if it needs no probe."""
    resource_id, kind = component.resource_id.lower(), component.health_kind
    if component.state == VANISHED:
        return Observation("unprobed", "no longer part of the release")
    if resource_id and resource_id not in group.provisioning:
        return Observation("down", "its resource is gone from the managed resource group")
    if kind in ASKED_KINDS:
        return _asked(component, group.endpoints.get(resource_id, ""), trust)
    if kind != "arm":
        return Observation("unprobed", "it has no probe")
    if not resource_id:
        return Observation("fails", "it has no resource that ARM could know")
    return judge_resource(group.provisioning[resource_id], group.availability.get(resource_id))


def _asked(component: RegisteredComponent, named: str, trust: ssl.SSLContext) -> Probe | Observation:
    """Return the probe of a component over the network. `named` is the address in its resource, "" for none."""
    target, own = target_of(component.endpoint), target_of(named)
    if target is None:
        return Observation("fails", "not asked: it has no address")
    if own is None or own.origin != target.origin:
        return Observation("fails", f"not asked: its resource does not name {target.origin} (see bootstrap_registry)")
    # Somebody else wrote any other value into the row, and it must not delay the check.
    given = component.health_timeout_seconds
    seconds = float(given) if 1 <= given <= MAX_PROBE_SECONDS else PROBE_SECONDS
    if component.health_kind == "tcp":
        return Probe(seconds=seconds, look=lambda deadline: look_tcp(target, deadline))
    wanted = replace(
        target,
        path=component.health_path or DEFAULT_PATH,
        expected_status=component.health_expected_status or DEFAULT_STATUS,
    )
    return Probe(seconds=seconds, look=lambda deadline: look_http(wanted, trust, deadline))


def look_tcp(target: HttpTarget, deadline: Deadline) -> Observation:
    """Return what a TCP connection shows. Raises the same as `connect`."""
    connect(target.host, target.port, deadline).close()
    return Observation("answers")


def judge_resource(provisioning_state: str, availability: Availability | None) -> Observation:
    """Return the observation of a resource from its provisioning state and its platform's availability. Pure."""
    state = provisioning_state.lower()
    if availability is not None and availability.state == "Unavailable":
        return Observation("down", f"Azure says that it is unavailable: {availability.summary}")
    if state == _LEAVING:
        return Observation("down", "it is being deleted")
    if state in _BROKEN:
        return Observation("fails", f"its provisioning state is {provisioning_state}")
    if availability is not None and availability.state == "Degraded":
        return Observation("impaired", f"Azure says that it is degraded: {availability.summary}")
    if state not in _AT_REST:
        return Observation("impaired", f"its provisioning state is {provisioning_state}")
    return Observation("answers")
