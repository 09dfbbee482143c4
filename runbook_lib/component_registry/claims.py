"""Find the resource and the installed version of each component of a release. Pure.

1. A component names its resource by type and name, compared without case. Without a resource name, its own name counts.
   Without a resource type it has no resource. But a component of type runbook without a resource type is the runbook of
   that name in the Automation account.
2. Every runbook that the release pins is a component, even if its components do not name it. A runbook that is not
   mandatory counts only if it is published.
3. No two components may have the same resource, and every resource must exist. The error names all that are missing.
4. The installed version depends on the kind:

   - a container app: the image that it runs. For the release's own digest or tag it is the component's version. For
     another tag or digest of the repository it is that one. An image of another repository is shown in full.
   - a runbook: the SHA-256 of its published text, compared with the release's.
   - anything else: the tag vibedata-version of the resource.

   If the version cannot be read, it is "", and this is not drift.
"""

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace
from typing import Any

from runbook_lib.basics.digest import DIGEST, digest_from_hex
from runbook_lib.basics.strict_json import member
from runbook_lib.component_registry.endpoints import CONTAINER_APPS, endpoint_of
from runbook_lib.component_registry.managed_resources import Resource
from runbook_lib.component_registry.schema import fit
from runbook_lib.errors import component_registry
from runbook_lib.release.model import Component, HealthProbe, Pin, ReleaseManifest, RunbookPin

RUNBOOKS = "Microsoft.Automation/automationAccounts/runbooks"

# Repository, tag and digest of an OCI distribution 1.1 reference, without the host. A host has a dot or a colon. The
# search ends at the first of these: otherwise a reference of many dots would take time in the square of its length.
_IMAGE = re.compile(
    r"((?P<host>[^/.:]*[.:][^/]*|localhost)/)?(?P<repository>[^:@]+)(:(?P<tag>[^:@/]+))?" rf"(@(?P<digest>{DIGEST}))?"
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Claim:
    """A component with the pin of its artifact and its resource, None if it has none."""

    component: Component
    pin: Pin | None
    resource: Resource | None


@dataclass(frozen=True, slots=True, kw_only=True)
class Found:
    """What is installed of a component. `version` is "" if it cannot be read. `drift` is "" if there is none."""

    endpoint: str
    version: str
    drift: str


def claims(manifest: ReleaseManifest, resources: Iterable[Resource], *, automation_account: str) -> tuple[Claim, ...]:
    """Return every component of the release with its resource.

    `resources` are all resources of the managed resource group, and `automation_account` is a name. Raises RunbookError
    VD-COMPONENT-002 (a resource is named twice) and VD-COMPONENT-001 (resources are missing). Each names all.
    """
    there = {resource.key: resource for resource in resources}
    pins: dict[str, Pin] = {pin.name: pin for pin in manifest.images}
    pins.update((pin.name, pin) for pin in manifest.runbooks)
    named = tuple(_with_resource(component, automation_account) for component in manifest.components)
    _check_once(named)
    every = (*named, *_unnamed_runbooks(manifest, named, there, automation_account))
    lacking = [component for component in every if component.resource_type and _key(component) not in there]
    if lacking:
        told = "; ".join(sorted(f"{each.resource_type} {each.resource_name} ({each.name})" for each in lacking))
        raise component_registry.RESOURCE_MISSING.error(
            f"{len(lacking)} of {len(every)}: {told}", target=manifest.version
        )
    return tuple(
        Claim(
            component=component,
            pin=pins[component.artifact] if component.artifact else None,
            resource=there[_key(component)] if component.resource_type else None,
        )
        for component in every
    )


def check_resources(manifest: ReleaseManifest) -> None:
    """Check that no two components of a release have the same resource. Raises RunbookError VD-COMPONENT-002."""
    # The account's name does not matter here: it is the same for all components of a customer.
    _check_once([_with_resource(component, "account") for component in manifest.components])


def _with_resource(component: Component, automation_account: str) -> Component:
    resource_type, name = component.resource_type, component.resource_name or component.name
    if component.type == "runbook" and resource_type is None:
        resource_type, name = RUNBOOKS, f"{automation_account}/{component.artifact or component.name}"
    return replace(component, resource_type=resource_type, resource_name=name if resource_type else None)


def _unnamed_runbooks(
    manifest: ReleaseManifest,
    named: Iterable[Component],
    there: Mapping[tuple[str, str], Resource],
    automation_account: str,
) -> Iterable[Component]:
    known = {_key(component) for component in named if component.resource_type}
    for pin in manifest.runbooks:
        component = _runbook(pin, manifest.version, automation_account)
        if _key(component) not in known and (pin.mandatory or _key(component) in there):
            yield component


def _runbook(pin: RunbookPin, version: str, automation_account: str) -> Component:
    return Component(
        name=pin.name,
        type="runbook",
        version=version,
        artifact=pin.name,
        resource_type=RUNBOOKS,
        resource_name=f"{automation_account}/{pin.name}",
        depends_on=(),
        health=HealthProbe(),
    )


def _key(component: Component) -> tuple[str, str]:
    return str(component.resource_type).lower(), str(component.resource_name).lower()


def _check_once(components: Iterable[Component]) -> None:
    by_resource: dict[tuple[str, str], list[Component]] = {}
    for component in components:
        if component.resource_type:
            by_resource.setdefault(_key(component), []).append(component)
    told = [
        f"{same[0].resource_type} {same[0].resource_name} is {' and '.join(component.name for component in same)}"
        for same in by_resource.values()
        if len(same) > 1
    ]
    if told:
        raise component_registry.RESOURCE_NAMED_TWICE.error("; ".join(told))


def found(claim: Claim, properties: Mapping[str, Any], script_sha256: str) -> Found:
    """Return what is installed of a component.

    Args:
        claim: The component with its pin and its resource.
        properties: The properties of its resource, {} if they were not read.
        script_sha256: The SHA-256 (hex) of a runbook's published text, "" if there is none.
    """
    if claim.resource is None:
        return Found(endpoint="", version="", drift="")
    wanted = claim.component.version
    version = fit(_version(claim, claim.resource, properties, script_sha256))
    drift = "" if version in ("", wanted) else fit(f"the release has {wanted}, {version} is there")
    return Found(endpoint=endpoint_of(claim.resource.type, properties), version=version, drift=drift)


def _version(claim: Claim, resource: Resource, properties: Mapping[str, Any], script_sha256: str) -> str:
    if isinstance(claim.pin, RunbookPin):
        same = script_sha256 == claim.pin.script_sha256
        return claim.component.version if same else digest_from_hex(script_sha256) if script_sha256 else ""
    if resource.type.lower() == CONTAINER_APPS:
        containers = member(properties, "template", "containers")
        images = [member(one, "image") for one in containers] if isinstance(containers, list) else []
        return _image_version(claim, [image for image in images if isinstance(image, str)])
    return resource.version


def _image_version(claim: Claim, images: list[str]) -> str:
    """Return a container app's version. It may run helpers, too: its own image is the one of the pinned repository."""
    if claim.pin is None or not images:
        return ""
    for image in images:
        parts = _IMAGE.fullmatch(image)
        if parts is not None and parts["repository"] == claim.pin.repository:
            if parts["digest"] == claim.pin.digest or (not parts["digest"] and parts["tag"] == claim.pin.tag):
                return claim.component.version
            return parts["digest"] or parts["tag"] or "latest"
    return images[0]
