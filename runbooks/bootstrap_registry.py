"""Record the parts of the managed application in the component registry.

It registers every resource of the managed resource group, and every component of the installed release with its
version, artifact, resource and endpoint. If a component has another version than the release says, that is drift: it is
recorded, and the run warns of it. If the group lacks a resource that the release names, that is an error, and nothing
is written. Rows of resources and components that are gone are marked.
"""

import hashlib
import sys
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from itertools import chain
from typing import Any

from runbook_lib.automation.access import AccountAccess
from runbook_lib.automation.texts import published_text
from runbook_lib.callbacks.delivery import Callbacks
from runbook_lib.change import Action, ActionKind, NoChange, Plan, Result
from runbook_lib.component_registry import schema as component_registry
from runbook_lib.component_registry.claims import RUNBOOKS, Claim, Found, claims, found
from runbook_lib.component_registry.creation import create_table, table_exists
from runbook_lib.component_registry.identity import Identity, identity_of, identity_row
from runbook_lib.component_registry.managed_resources import DETAILED_TYPES, ManagedResources, Resource
from runbook_lib.component_registry.policies import POLICIES
from runbook_lib.component_registry.rows import (
    GONE_COMPONENT,
    GONE_RESOURCE,
    component_row,
    gone,
    release_row,
    resource_rows,
    retry_policy_row,
    schema_row,
)
from runbook_lib.component_registry.schema import Batch, Key, Recorded, Row
from runbook_lib.component_registry.tables import ComponentTables
from runbook_lib.container_registry.reader import customer_reader
from runbook_lib.context import Context
from runbook_lib.errors import RunbookError
from runbook_lib.errors import component_registry as component_registry_errors
from runbook_lib.permissions.images import READ_IMAGES
from runbook_lib.permissions.storage import MAKE_TABLES, WRITE_TABLES
from runbook_lib.permissions.watching import READ_RESOURCES
from runbook_lib.release.installed import ReleaseParameters, installed_release
from runbook_lib.release.model import ReleaseManifest
from runbook_lib.rotation.credentials import FoundCredential, read_credentials, secret_rows
from runbook_lib.run.result import Report
from runbook_lib.runbook import Runbook, main
from runbook_lib.vault.credential_trouble import trouble_of
from runbook_lib.workers import side_by_side

# The texts of this many runbooks are read at once. Each has up to 1 MiB.
TEXTS_AT_ONCE = 4


@dataclass(frozen=True, kw_only=True)
class Facts:
    """What bootstrap_registry found.

    Attributes:
        manifest: The release manifest.
        release_digest: The manifest's digest.
        identity: The instance's identity, from the settings.
        resources: The resources of the group.
        components: Each component, with what is installed of it.
        credentials: The credentials in the vault.
        recorded: The recorded rows of each table that exists.
        tables: The component registry.
    """

    manifest: ReleaseManifest
    release_digest: str
    identity: Identity
    resources: Sequence[Resource]
    components: Sequence[tuple[Claim, Found]]
    credentials: Sequence[FoundCredential]
    recorded: Mapping[str, Mapping[Key, Recorded]]
    tables: ComponentTables = field(repr=False)

    @property
    def absent_tables(self) -> tuple[str, ...]:
        """The tables that do not exist yet."""
        return tuple(table for table in component_registry.TABLES if table not in self.recorded)

    @cached_property
    def wanted(self) -> Mapping[str, tuple[Row, ...]]:
        """The rows to write, by table. They are made once, only from the other facts."""
        return {table: tuple(self._to_write(table)) for table in component_registry.TABLES}

    @property
    def batches(self) -> Iterable[Batch]:
        """The rows to write, in batches."""
        return component_registry.batches(chain.from_iterable(self.wanted.values()))

    def _to_write(self, table: str) -> Iterator[Row]:
        recorded = self.recorded.get(table, {})
        kept: set[Key] = set()

        def rows() -> Iterator[Row]:
            for row in self._rows(table, recorded):
                kept.add(row.key)
                yield row

        yield from component_registry.changed(rows(), recorded)
        if table in GONE:
            yield from gone(table, recorded, kept, GONE[table])

    def _rows(self, table: str, recorded: Mapping[Key, Recorded]) -> Iterator[Row]:
        if table == component_registry.RESOURCES:
            yield from resource_rows(self.resources, recorded)
        elif table == component_registry.COMPONENTS:
            yield from (component_row(claim, there) for claim, there in self.components)
        elif table == component_registry.CREDENTIALS:
            yield from secret_rows(self.credentials)
        elif table == component_registry.RELEASES:
            yield release_row(self.manifest, self.release_digest)
        elif table == POLICIES:
            yield retry_policy_row(self.manifest)
        else:
            yield schema_row()
            yield identity_row(self.identity)


# The columns of a row that the release no longer wants. In other tables such a row does not change.
GONE: Mapping[str, Mapping[str, component_registry.Value]] = {
    component_registry.RESOURCES: GONE_RESOURCE,
    component_registry.COMPONENTS: GONE_COMPONENT,
    component_registry.RELEASES: {"state": component_registry.FORMER},
}


def observe(context: Context, parameters: ReleaseParameters) -> Facts:
    """Read the release, the managed resource group, the vault's properties, and the component registry."""
    identity = identity_of(context.settings)
    tables = ComponentTables(
        context.clients.table_service,
        retry_policy=context.retry_policy,
        clock=context.clock,
        warn=context.output.warning,
        identity=identity,
    )
    # First: if a newer runbook has written the tables, this run must end.
    recorded = {table: tables.recorded(table) for table in component_registry.TABLES}
    installed = installed_release(context, customer_reader(context), parameters.release_version)
    manifest = installed.manifest
    managed = ManagedResources(client=context.clients.resources, settings=context.settings)
    resources = managed.all()
    claimed = claims(manifest, resources, automation_account=context.settings.automation_account)
    facts = Facts(
        manifest=manifest,
        release_digest=installed.id.digest,
        identity=identity,
        resources=resources,
        components=_found(context, managed, claimed),
        credentials=read_credentials(context.clients.secrets, context.clock.now()),
        recorded={table: rows for table, rows in recorded.items() if rows is not None},
        tables=tables,
    )
    for warning in _warnings(context, facts):
        context.output.warning(f"{warning.code}: {warning.message}")
    return facts


def _found(context: Context, managed: ManagedResources, claimed: Sequence[Claim]) -> tuple[tuple[Claim, Found], ...]:
    """Find the installed version of each component, from one listing for each type and one text for each runbook."""
    names: dict[str, set[str]] = {}
    for claim in claimed:
        if claim.resource is not None:
            kind, name = claim.resource.key
            names.setdefault(kind, set()).add(name)
    properties = {
        (kind, name): shown
        for kind in DETAILED_TYPES
        if kind in names
        for name, shown in managed.properties_of(kind, names[kind]).items()
    }
    texts = _texts(context, names.get(RUNBOOKS.lower(), set()))
    return tuple(
        (claim, found(claim, properties.get(key, {}), texts.get(key[1], "") if key[0] == RUNBOOKS.lower() else ""))
        for claim in claimed
        for key in [claim.resource.key if claim.resource else ("", "")]
    )


def _texts(context: Context, names: set[str]) -> dict[str, str]:
    """Return the SHA-256 (hex) of the published texts, by resource name, without runbooks that were never published."""
    if not names:
        return {}
    account = AccountAccess(client=context.clients.automation, settings=context.settings)

    def sha256(name: str) -> str:
        text = published_text(account, name.rpartition("/")[2])
        return "" if text is None else hashlib.sha256(text).hexdigest()

    return dict(zip(names, side_by_side(sha256, names, at_once=TEXTS_AT_ONCE), strict=True))


def _warnings(context: Context, facts: Facts) -> Iterator[RunbookError]:
    for claim, there in facts.components:
        if there.drift:
            yield component_registry_errors.COMPONENT_DRIFTS.error(there.drift, target=claim.component.name)
    for credential in facts.credentials:
        trouble = trouble_of(context.clients.secrets, credential.state)
        if trouble is not None:
            yield trouble


CREATE: ActionKind[str] = ActionKind("create", stage=1)
# Write the schema first: an older runbook must refuse before the tables have anything of a newer schema.
RECORD_SCHEMA: ActionKind[Batch] = ActionKind("record", stage=2)
RECORD: ActionKind[Batch] = ActionKind("record", stage=3)


def plan(facts: Facts) -> Plan:
    """Create the absent tables, record the schema, then write the rows that differ, in batches side by side."""
    made = [CREATE.change(table, f"table {table}", None, "there") for table in facts.absent_tables]
    written = [_kind(batch).change(batch, batch.target, _before(facts, batch), batch.wanted) for batch in facts.batches]
    equal = (NoChange(table, "no row differs") for table, rows in facts.wanted.items() if not rows)
    return Plan(changes=(*made, *written), unchanged=tuple(equal))


def _kind(batch: Batch) -> ActionKind[Batch]:
    return RECORD_SCHEMA if batch.table == component_registry.SCHEMA else RECORD


def _before(facts: Facts, batch: Batch) -> str | None:
    recorded = facts.recorded.get(batch.table, {})
    known = sum(row.key in recorded for row in batch.rows)
    return f"{known} rows" if known else None


def actions(context: Context, facts: Facts) -> Sequence[Action[Any]]:
    """Create a table, or record a batch."""
    tables, service = facts.tables, context.clients.table_service

    def record(batch: Batch) -> None:
        tables.write(batch, facts.recorded.get(batch.table, {}))

    def recorded(batch: Batch) -> str | None:
        return batch.seen(tables.read(batch))

    return (
        Action(
            CREATE,
            make=lambda table: create_table(service, table),
            see=lambda table: "there" if table_exists(service, table) else None,
        ),
        Action(RECORD_SCHEMA, make=record, see=recorded),
        Action(RECORD, make=record, see=recorded),
    )


def report(facts: Facts, results: Sequence[Result]) -> Report:  # noqa: ARG001 - a runbook's signature
    """Return counts, and the names of components that drift or are gone, and of credentials."""
    gone = [
        row for rows in facts.wanted.values() for row in rows if row.columns.get("state") == component_registry.VANISHED
    ]
    return {
        "release": facts.manifest.version,
        "resources": len(facts.resources),
        "components": len(facts.components),
        "drift": [f"{claim.component.name}: {there.drift}" for claim, there in facts.components if there.drift],
        "vanished": [f"{row.table} {row.partition} {row.name}" for row in gone],
        "credentials": [f"{each.state.id}: {each.state.state}" for each in facts.credentials],
    }


RUNBOOK = Runbook(
    name="bootstrap_registry",
    summary="record resources, components, release, policies and credentials' states",
    parameters=ReleaseParameters,
    observe=observe,
    plan=plan,
    actions=actions,
    report=report,
    callbacks=Callbacks(release_version=lambda facts: facts.manifest.version),
    permissions=(MAKE_TABLES, READ_IMAGES, READ_RESOURCES, WRITE_TABLES),
)

if __name__ == "__main__":
    sys.exit(main(RUNBOOK))
