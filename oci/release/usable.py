"""Check that the runbooks can use a release, beyond the checks of the manifest's parser. Pure.

This module uses the runbooks' own functions, so that there is only one set of rules. Without these checks, customers
would find out that something cannot be probed or recorded, and the release would be signed already.
"""

from runbook_lib.basics.digest import digest_from_hex
from runbook_lib.component_registry import schema as component_registry
from runbook_lib.component_registry.claims import Claim, Found, check_resources
from runbook_lib.component_registry.endpoints import CONTAINER_APPS, SITES
from runbook_lib.component_registry.rows import component_row, release_row, retry_policy_row
from runbook_lib.errors import RunbookError, release
from runbook_lib.health.probes.choice import ASKED_KINDS
from runbook_lib.release.model import Component, ReleaseManifest

# The types of resources that name an address (runbook_lib.component_registry.endpoints).
_WITH_ADDRESS = (CONTAINER_APPS, SITES)


def check_usable(manifest: ReleaseManifest) -> None:
    """Do the checks that the parser of release manifests cannot do.

    Raises RunbookError VD-MANIFEST-005 (a probe that can never succeed, a field that the kind of probe does not use, a
    name that no resource of its type can have), VD-COMPONENT-002 (a resource is named twice), -004 (the component
    registry's tables cannot hold a row).
    """
    for component in manifest.components:
        _check_resource(component)
        _check_health(component)
    check_resources(manifest)
    _check_rows(manifest)


def _check_resource(component: Component) -> None:
    if component.resource_type is None:
        return
    types, names = component.resource_type.count("/"), (component.resource_name or component.name).split("/")
    if types != len(names):
        said = f"has {len(names)} for resource type {component.resource_type}, which takes {types}"
        raise _unusable(component, f"{said} (resource_name: one for each type, with / between)")


def _check_health(component: Component) -> None:
    health, kind = component.health, component.health.kind
    resource_type = (component.resource_type or "").lower()
    if kind in ASKED_KINDS and resource_type not in _WITH_ADDRESS:
        raise _unusable(component, f"has health kind {kind}, and a resource of no type with an address")
    if kind == "arm" and not resource_type and component.type != "runbook":
        raise _unusable(component, "has health kind arm, and no resource")
    if kind != "http" and (health.path is not None or health.expected_status is not None):
        raise _unusable(component, f"has a path or expected_status, which health kind {kind} does not use")


def _check_rows(manifest: ReleaseManifest) -> None:
    """Check that the release's rows fit into the tables. The values that come from the customer are left empty here."""
    nothing = Found(endpoint="", version="", drift="")
    claims = [Claim(component=component, pin=None, resource=None) for component in manifest.components]
    rows = [component_row(claim, nothing) for claim in claims]
    component_registry.batches([*rows, retry_policy_row(manifest), release_row(manifest, digest_from_hex("0" * 64))])


def _unusable(component: Component, what: str) -> RunbookError:
    return release.MANIFEST_CONTRADICTS_ITSELF.error(f"component {component.name} {what}")
