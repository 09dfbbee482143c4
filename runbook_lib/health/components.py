"""A look at every registered component: by a probe where it can be probed, else as ARM shows it."""

import ssl
from collections.abc import Mapping
from typing import cast

from runbook_lib.component_registry.managed_resources import ManagedResources
from runbook_lib.component_registry.registered import RegisteredComponent
from runbook_lib.context import Context
from runbook_lib.health.probes.choice import probe_of, read_group
from runbook_lib.health.probes.connection import tls_context
from runbook_lib.health.probes.many import Probe, run_probes
from runbook_lib.health.rules import Observation, OwnHealth


def look_at_components(
    context: Context, components: Mapping[str, RegisteredComponent], known: Mapping[str, OwnHealth]
) -> dict[str, Observation]:
    """Return what is seen of each component, by target. known: the health that was recorded of each, by target."""
    managed = ManagedResources(client=context.clients.resources, settings=context.settings)
    group = read_group(managed, components.values(), context.output.warning)
    trust = _trust(context)
    given = {target: probe_of(component, group, trust) for target, component in components.items()}
    # Those that were ill begin first: one that hangs for its whole deadline holds the others up least at the start.
    asked = sorted(
        (target for target, each in given.items() if isinstance(each, Probe)),
        key=lambda target: (known[target].state == "healthy", target),
    )
    probes = [cast(Probe, given[target]) for target in asked]
    answers = run_probes(probes, clock=context.clock, on_progress=context.output.progress)
    return {
        **{target: each for target, each in given.items() if isinstance(each, Observation)},
        **dict(zip(asked, answers, strict=True)),
    }


def _trust(context: Context) -> ssl.SSLContext:
    """The same authorities that every other request of the run trusts."""
    import certifi

    found = context.clients.session.merge_environment_settings("https://", {}, None, None, None)["verify"]
    return tls_context(found if isinstance(found, str) else certifi.where())
