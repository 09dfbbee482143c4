"""The report of an instance's health to the publisher. Pure.

It names only components of the release manifest, with the publisher's own names and versions. It has only their health
states: a reason may quote an address, or a text of a server of the customer.
"""

import re
from collections import Counter
from collections.abc import Iterable, Mapping

from runbook_lib.basics.clock import rfc3339
from runbook_lib.callbacks.payloads import COMPONENT_VERSION, ComponentHealth, HealthSummary
from runbook_lib.component_registry.schema import OBSERVABILITY, key_of
from runbook_lib.health.rules import Health
from runbook_lib.release.model import Component, ReleaseManifest
from runbook_lib.vault.credential_states import TLS_CERTIFICATE, CredentialState


def health_summary(
    healths: Mapping[str, Health],
    manifest: ReleaseManifest | None,
    credentials: Iterable[CredentialState],
    *,
    instance_id: str,
    at: str,
) -> HealthSummary:
    """Return the report.

    `healths` are by target (`type/name`). `manifest` is the installed release's: without one the report only counts the
    components. `at` is RFC 3339. Raises PayloadRefusedError if a field does not have its form.
    """
    named = {} if manifest is None else {f"{each.type}/{key_of(each.name)}": each for each in manifest.components}
    told = [_told(component, healths[target]) for target, component in sorted(named.items()) if target in healths]
    if manifest is None:
        states: list[str] = [health.state for target, health in healths.items() if not _watches(target)]
    else:
        states = [each.health for each in told]
    counted = Counter(states)
    ends = (each.expires for each in credentials if each.kind == TLS_CERTIFICATE)
    end = next(filter(None, ends), None)
    return HealthSummary(
        instance_id=instance_id,
        at=at,
        release_version="" if manifest is None else manifest.version,
        unknown=counted["unknown"],
        healthy=counted["healthy"],
        degraded=counted["degraded"],
        unhealthy=counted["unhealthy"],
        components=tuple(told),
        certificate_not_after=rfc3339(end) if end else "",
    )


def _told(component: Component, health: Health) -> ComponentHealth:
    version = component.version if re.fullmatch(COMPONENT_VERSION.pattern, component.version) else ""
    return ComponentHealth(name=component.name, type=component.type, version=version, health=health.state)


def _watches(target: str) -> bool:
    return target.startswith(f"{OBSERVABILITY}/")
