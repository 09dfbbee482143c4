"""Read and write the component registry's tables: pages of 1,000, batches with ETags.

A batch is written on condition that no entity has changed since it was read. If another run was quicker, the entities
are read again, and only the rows that still differ are written. So two runs with the same aim give the same table, and
it is safe to send a batch twice. If a batch is throttled or its answer is lost, it is sent again within the network
retry policy.
"""

from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import suppress
from datetime import datetime
from threading import Semaphore
from typing import TYPE_CHECKING, Any

from runbook_lib.basics.clock import Clock, rfc3339
from runbook_lib.component_registry.identity import Identity, check_recorded
from runbook_lib.component_registry.schema import (
    COLUMNS,
    IDENTITY_KEY,
    SCHEMA,
    SCHEMA_KEY,
    VANISHED,
    Batch,
    Entity,
    Key,
    Recorded,
    Row,
    check_schema,
    digest_of_columns,
    is_key,
)
from runbook_lib.errors import component_registry
from runbook_lib.network.listing import bounded
from runbook_lib.network.retry import Attempts, PolicySource, Wait

if TYPE_CHECKING:
    from azure.data.tables import TableServiceClient

PAGE_ROWS = 1000  # the maximum of a page (learn query-timeout-and-pagination)
# 4 x 100 entities in the 0.1 to 0.2 s of a batch are about the 2,000 a second that a partition serves
# (docs/azure-facts.md#table-storage). More batches would be throttled, and each needs memory.
BATCHES_AT_ONCE = 4
# Up to this number of entities are read one by one, because a range between them could hold thousands of others.
POINT_READS = 3
# The run gives up after another run was quicker for this number of times.
CONFLICTS = 10

# The entity has changed, exists already, or is gone.
_CONFLICT_STATUSES = frozenset({404, 409, 412})


class ComponentTables:
    """The tables. Many threads may use them.

    Args:
        service: The client of table storage.
        retry_policy: Returns the network retry policy in force.
        clock: Gives the time.
        warn: Called once for each table that holds rows that the suite did not write.
        identity: The instance that the tables must belong to, if they record one. None if somebody has compared it
            before and the row is not written here.

    Raises:
        azure.core's errors: The service cannot be reached, fails, throttles, or refuses the login.
    """

    def __init__(
        self,
        service: "TableServiceClient",
        *,
        retry_policy: PolicySource,
        clock: Clock,
        warn: Callable[[str], object] = lambda _: None,
        identity: Identity | None = None,
    ) -> None:
        self._service = service
        self._retry_policy = retry_policy
        self._clock = clock
        self._room = Semaphore(BATCHES_AT_ONCE)
        self._warn = warn
        self._identity = identity
        self._told: set[str] = set()

    def entities(self, table: str) -> Iterator[Mapping[str, Any]]:
        """Yield every entity of a table, page by page. Raises ResourceNotFoundError if there is no such table.

        If no runbook makes such a key, somebody else has written the entity. It is ignored, because the table sorts it
        in another order than the ranges that are read back here.
        """
        rows = self._service.get_table_client(table).list_entities(results_per_page=PAGE_ROWS)
        for entity in bounded(rows, target=table):
            if is_key(entity.get("PartitionKey")) and is_key(entity.get("RowKey")):
                yield entity
            elif table not in self._told:
                self._told.add(table)
                self._warn(f"table {table} has rows with keys that no runbook makes; they are ignored")

    def recorded(self, table: str) -> dict[Key, Recorded] | None:
        """Return the recorded rows of a table by key, None if there is no such table.

        Raises RunbookError VD-COMPONENT-003 if table Schema says that a newer runbook wrote the tables, and -008, -009
        if it says that they belong to another instance.
        """
        from azure.core.exceptions import ResourceNotFoundError

        found = {}
        try:
            for entity in self.entities(table):
                key = str(entity["PartitionKey"]), str(entity["RowKey"])
                if table == SCHEMA and key == SCHEMA_KEY:
                    check_schema(entity)
                self._check_owner(table, key, entity)
                found[key] = recorded_as(entity, COLUMNS[table])
        except ResourceNotFoundError:
            return None
        return found

    def _check_owner(self, table: str, key: Key, entity: Entity) -> None:
        if self._identity is not None and table == SCHEMA and key == IDENTITY_KEY:
            check_recorded(entity, self._identity)

    def read(self, batch: Batch) -> dict[str, Mapping[str, Any]]:
        """Return the existing entities of a batch's rows, by row key."""
        with self._room:
            return self._read(batch)

    def _read(self, batch: Batch) -> dict[str, Mapping[str, Any]]:
        from azure.core.exceptions import ResourceNotFoundError

        client = self._service.get_table_client(batch.table)
        names = {row.name for row in batch.rows}
        found: dict[str, Mapping[str, Any]] = {}
        if len(names) <= POINT_READS:
            for name in names:
                with suppress(ResourceNotFoundError):
                    found[name] = client.get_entity(batch.partition, name)
            return found
        between = client.query_entities(
            "PartitionKey eq @partition and RowKey ge @first and RowKey le @last",
            parameters={"partition": batch.partition, "first": min(names), "last": max(names)},
            results_per_page=PAGE_ROWS,
        )
        listed = bounded(between, target=batch.table)
        return {str(entity["RowKey"]): entity for entity in listed if entity["RowKey"] in names}

    def write(self, batch: Batch, seen: Mapping[Key, Recorded]) -> None:
        """Record a batch. `seen` are the rows of its table as they were last read.

        Raises RunbookError VD-COMPONENT-006 if the entities keep changing, and -008, -009 if a runbook of another
        instance has recorded its identity first.
        """
        from azure.core.exceptions import HttpResponseError

        client = self._service.get_table_client(batch.table)
        rows = batch.rows
        attempts = Attempts(self._retry_policy(), method="POST", repeatable=True, clock=self._clock)
        conflicts = 0
        with self._room:
            while True:
                attempts.next_timeouts()
                try:
                    client.submit_transaction(_operations(rows, seen, self._clock.now()), repeatable=True)
                    return
                except HttpResponseError as error:
                    status = error.status_code or 0
                    conflicts += status in _CONFLICT_STATUSES
                    if conflicts > CONFLICTS:
                        raise component_registry.TABLES_KEEP_CHANGING.error(target=batch.target) from error
                    # The transport has retried failures of the whole request. This failure is inside the batch's
                    # answer.
                    if status not in _CONFLICT_STATUSES and not (
                        type(error).__name__ == "TableTransactionError"
                        and isinstance(attempts.wait_after_status(status, {}), Wait)
                    ):
                        raise
                entities = self._read(batch)
                for name, entity in entities.items():
                    self._check_owner(batch.table, (batch.partition, name), entity)
                rows = batch.unlike(entities)
                if not rows:
                    return
                seen = {(batch.partition, name): recorded_as(entity) for name, entity in entities.items()}


def recorded_as(entity: Entity, columns: Sequence[str] = ()) -> Recorded:
    """Return what `write` must know of a listed entity. `columns` are those that `Recorded.content` covers."""
    etag = str(entity.metadata["etag"])  # type: ignore[attr-defined]
    return Recorded(etag=etag, state=str(entity.get("state", "")), content=digest_of_columns(entity, columns))


def _operations(rows: Sequence[Row], seen: Mapping[Key, Recorded], now: datetime) -> Iterator[Any]:
    """Yield the operations of a transaction: an insert, or a merge on condition of the ETag."""
    from azure.core import MatchConditions
    from azure.data.tables import UpdateMode

    written = rfc3339(now)
    for row in rows:
        known = seen.get(row.key)
        entity = {"PartitionKey": row.partition, "RowKey": row.name, **row.columns, "updatedAt": written}
        if known is None:
            if not row.marks_gone:
                yield "create", {**entity, **row.at_first, "registeredAt": written}
            continue
        if known.state == VANISHED and not row.marks_gone:
            entity |= row.at_first
        condition = {"mode": UpdateMode.MERGE, "etag": known.etag, "match_condition": MatchConditions.IfNotModified}
        yield "update", entity, condition
