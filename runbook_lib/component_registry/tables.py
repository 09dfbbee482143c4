"""The component registry's tables, read and written: pages of 1,000, batches with ETags.

A batch is written on the condition that each entity is as it was seen. If another run was quicker, what is there now
is read again, and only what is still not as wanted is written: two runs that want the same leave one table. That makes
a batch safe to send twice, so that a throttled one, or one whose answer was lost, is sent again within the network
retry policy.
"""

from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import suppress
from datetime import datetime
from threading import Semaphore
from typing import TYPE_CHECKING, Any

from runbook_lib.basics.clock import Clock, rfc3339
from runbook_lib.component_registry.schema import (
    COLUMNS,
    SCHEMA,
    SCHEMA_KEY,
    VANISHED,
    Batch,
    Entity,
    Key,
    Recorded,
    Row,
    check_schema,
    digest_of,
    is_key,
)
from runbook_lib.errors import component_registry
from runbook_lib.network.listing import bounded
from runbook_lib.network.retry import Attempts, PolicySource

if TYPE_CHECKING:
    from azure.data.tables import TableServiceClient

PAGE_ROWS = 1000  # the most that a page holds (learn query-timeout-and-pagination)
# 4 x 100 entities in the 0.1 to 0.2 s that a batch takes: about what a partition serves, 2,000 a second
# (docs/azure-facts.md#table-storage). More would be throttled, and each costs memory.
BATCHES_AT_ONCE = 4
# So few entities are read one by one: a range between them could hold thousands that nobody asked for.
POINT_READS = 3
# How often another run may be quicker before this one gives up.
CONFLICTS = 10

# The entity has changed, exists already, or is gone.
_CONFLICT_STATUSES = frozenset({404, 409, 412})


class ComponentTables:
    """The tables; for use by many threads.

    Parameters: service; retry_policy, the network retry policy in force; clock; warn, told once of a table that holds
    what is nobody's. Raises azure.core's errors if the service cannot be reached, fails, throttles, or refuses the
    identity.
    """

    def __init__(
        self,
        service: "TableServiceClient",
        *,
        retry_policy: PolicySource,
        clock: Clock,
        warn: Callable[[str], object] = lambda _: None,
    ) -> None:
        self._service = service
        self._retry_policy = retry_policy
        self._clock = clock
        self._room = Semaphore(BATCHES_AT_ONCE)
        self._warn = warn
        self._told: set[str] = set()

    def exists(self, table: str) -> bool:
        """Tell whether there is a table of this name."""
        found = self._service.query_tables("TableName eq @name", parameters={"name": table})
        return any(True for _ in found)

    def create(self, table: str) -> None:
        """Create a table, unless it is there. Raises RunbookError VD-COMPONENT-007 (it cannot be made now)."""
        from azure.core.exceptions import HttpResponseError

        try:
            self._service.create_table(table)
        except HttpResponseError as error:
            if error.status_code == 409 and not self.exists(table):
                raise component_registry.TABLE_NOT_MADE.error(error.message.partition("\n")[0], target=table) from error
            if error.status_code != 409:
                raise

    def entities(self, table: str) -> Iterator[Mapping[str, Any]]:
        """Yield every entity of a table, page by page. Raises ResourceNotFoundError if there is no such table.

        One whose key no runbook makes is somebody else's: it is passed over, since the table sorts it in another way
        than the ranges that are read back here.
        """
        rows = self._service.get_table_client(table).list_entities(results_per_page=PAGE_ROWS)
        for entity in bounded(rows, target=table):
            if is_key(entity.get("PartitionKey")) and is_key(entity.get("RowKey")):
                yield entity
            elif table not in self._told:
                self._told.add(table)
                self._warn(f"table {table} has rows with keys that no runbook makes; they are passed over")

    def recorded(self, table: str) -> dict[Key, Recorded] | None:
        """Return what is recorded in a table, by key; None if there is no such table.

        Raises RunbookError VD-COMPONENT-003 if table Schema says that a newer runbook wrote all of them.
        """
        from azure.core.exceptions import ResourceNotFoundError

        found = {}
        try:
            for entity in self.entities(table):
                key = str(entity["PartitionKey"]), str(entity["RowKey"])
                if table == SCHEMA and key == SCHEMA_KEY:
                    check_schema(entity)
                found[key] = recorded_as(entity, COLUMNS[table])
        except ResourceNotFoundError:
            return None
        return found

    def read(self, batch: Batch) -> dict[str, Mapping[str, Any]]:
        """Return the entities of a batch's rows that there are, by row key."""
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
        return {str(entity["RowKey"]): entity for entity in between if entity["RowKey"] in names}

    def write(self, batch: Batch, seen: Mapping[Key, Recorded]) -> None:
        """Record a batch. seen: what was recorded when it was last looked at, of its table.

        Raises RunbookError VD-COMPONENT-006 if the entities never hold still.
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
                    # A whole request's failure was retried below; this is one within a batch's answer.
                    if status not in _CONFLICT_STATUSES and not (
                        type(error).__name__ == "TableTransactionError" and attempts.wait_after_status(status, {})
                    ):
                        raise
                entities = self._read(batch)
                rows = batch.unlike(entities)
                if not rows:
                    return
                seen = {(batch.partition, name): recorded_as(entity) for name, entity in entities.items()}


def recorded_as(entity: Entity, columns: Sequence[str] = ()) -> Recorded:
    """Return what `write` must know of a listed entity. columns: those that `Recorded.content` covers."""
    etag = str(entity.metadata["etag"])  # type: ignore[attr-defined]
    return Recorded(etag=etag, state=str(entity.get("state", "")), content=digest_of(entity, columns))


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
