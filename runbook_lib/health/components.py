"""Look at every registered component: with a probe if it has one, or else in ARM."""

import ssl
from collections.abc import Mapping
from typing import cast

from runbook_lib.component_registry.managed_resources import ManagedResources
from runbook_lib.component_registry.registered import MAX_COMPONENTS, RegisteredComponent, ill_columns
from runbook_lib.component_registry.schema import COMPONENTS, OBSERVABILITY, SCHEMA, Entity
from runbook_lib.component_registry.tables import ComponentTables
from runbook_lib.context import Context
from runbook_lib.errors import component_registry
from runbook_lib.health.columns import target_of
from runbook_lib.health.probes.choice import probe_of, read_group
from runbook_lib.health.probes.connection import tls_context
from runbook_lib.health.probes.many import Probe, run_probes
from runbook_lib.health.rules import Observation, OwnHealth
from runbook_lib.network import trusted_authorities
from runbook_lib.network.listing import bounded

# Those of the installed release, and as many that former releases have left. Each may depend on all others: more would
# not fit into the memory of a job.
MAX_REGISTERED = 2 * MAX_COMPONENTS


def look_at_components(
    context: Context, components: Mapping[str, RegisteredComponent], known: Mapping[str, OwnHealth]
) -> dict[str, Observation]:
    """Return the observation of each component, by target. `known` has the recorded health of each, by target."""
    managed = ManagedResources(client=context.clients.resources, settings=context.settings)
    group = read_group(managed, components.values(), context.output.warning)
    trust = _trust(context)
    given = {target: probe_of(component, group, trust) for target, component in components.items()}
    # Begin with ill components: one that hangs for its whole deadline delays the others least at the start.
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


def registered(context: Context, tables: ComponentTables, *, may_lack: bool) -> dict[str, Entity]:
    """Return table Components. `may_lack` says that it may have no component yet.

    Raises VD-HEALTH-001, VD-STORAGE-005 past MAX_REGISTERED, and VD-COMPONENT-003 if a newer runbook has written it.
    """
    from azure.core.exceptions import ResourceNotFoundError

    tables.recorded(SCHEMA)
    rows = bounded(tables.entities(COMPONENTS), target=COMPONENTS, at_most=MAX_REGISTERED)
    try:
        entities = {target_of(entity): entity for entity in rows}
    except ResourceNotFoundError as error:
        if may_lack:
            return {}
        raise component_registry.NO_COMPONENT_REGISTERED.error("there is no table Components") from error
    ill = {target: columns for target, entity in entities.items() if (columns := ill_columns(entity))}
    if ill:
        target, columns = next(iter(ill.items()))
        context.output.warning(
            f"table {COMPONENTS} has {len(ill)} rows with malformed columns, such as {target}:"
            f" {', '.join(columns)}; these columns count as absent, and bootstrap_registry writes them anew"
        )
    if not may_lack and all(entity["PartitionKey"] == OBSERVABILITY for entity in entities.values()):
        raise component_registry.NO_COMPONENT_REGISTERED.error("table Components is empty")
    return entities


def _trust(context: Context) -> ssl.SSLContext:
    """Return a context with the same authorities that all other requests of the run trust."""
    return tls_context(trusted_authorities.place(context.clients.session))
