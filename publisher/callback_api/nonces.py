"""Used nonces, in table CallbackNonces of the publisher's storage. All processes share it, and it survives restarts.

Partition: the key's id; row: the nonce. A row is inserted and never replaced. So if several requests or processes
insert it at once, one succeeds. Later requests delete rows that are no longer needed, some at a time, and each process
goes on where it ended.
"""

from collections.abc import Callable, Iterator, Mapping, Sequence
from datetime import datetime, timezone
from threading import Lock
from typing import Any

from azure.core.exceptions import AzureError, ResourceNotFoundError
from azure.data.tables import TableServiceClient

from publisher.callback_api.outage import named_outage
from publisher.tables import insert_if_absent
from runbook_lib.basics.clock import Clock, rfc3339
from runbook_lib.errors import RunbookError

TABLE = "CallbackNonces"
# A sweep deletes old rows after this number of seconds, or after this number of used nonces. It may delete twice as
# many rows as that. So the sweeps keep up with any number of requests.
SWEEP_SECONDS = 60.0
SWEEP_NONCES = 500
SWEEP_ROWS = 2 * SWEEP_NONCES
# A request waits for the sweep. So after this time no further transaction begins. Later sweeps catch up with a slow
# table.
SWEEP_BUDGET_SECONDS = 1.0
# The most that a transaction holds (docs/azure-facts.md#table-storage).
BATCH_ROWS = 100


class CallbackNonces:
    """The table, as a runbook_lib.request_signing.verifier.NonceStore. Many threads may use it.

    `new_claim` returns a new unique text at each call.
    """

    def __init__(self, tables: TableServiceClient, *, new_claim: Callable[[], str], clock: Clock) -> None:
        self._tables = tables
        self._table = tables.get_table_client(TABLE)
        self._new_claim = new_claim
        self._clock = clock
        self._lock = Lock()
        self._sweeping = Lock()
        self._swept_at = clock.monotonic()
        self._spent = 0
        self._page: Any = None

    def spend(self, *, key_id: str, nonce: str, until: float) -> bool:
        """Return whether this is the nonce's first use with this key, and remember it. Raises UnavailableError.

        If an answer was lost and the insertion is tried again, the claim shows whether the row is our own.
        """
        claim = self._new_claim()
        columns = {"claim": claim, "until": rfc3339(datetime.fromtimestamp(until, tz=timezone.utc))}
        with named_outage("the nonces"):
            inserted = insert_if_absent(self._tables, TABLE, key_id, nonce, columns, repeatable=True)
            first = inserted or self._claimed(key_id, nonce, claim)
        if self._due():
            self._sweep()
        return first

    def _claimed(self, key_id: str, nonce: str, claim: str) -> bool:
        try:
            return bool(self._table.get_entity(key_id, nonce).get("claim") == claim)
        except ResourceNotFoundError:
            return False  # another request had inserted it

    def _due(self) -> bool:
        with self._lock:
            self._spent += 1
            due = self._spent >= SWEEP_NONCES or self._clock.monotonic() >= self._swept_at + SWEEP_SECONDS
            if due:
                self._spent, self._swept_at = 0, self._clock.monotonic()
            return due

    def _sweep(self) -> None:
        """Delete some rows that are no longer needed.

        If that fails or takes too long, the next sweep does it: no request depends on it.
        """
        if not self._sweeping.acquire(blocking=False):
            return
        until = self._clock.monotonic() + SWEEP_BUDGET_SECONDS
        try:
            pages: Any = self._table.query_entities(
                "until lt @now",
                parameters={"now": rfc3339(self._clock.now())},
                select=["PartitionKey", "RowKey"],
                results_per_page=SWEEP_ROWS,
            ).by_page(self._page)
            rows = list(next(pages, ()))
            for batch in _batches(rows):
                self._table.submit_transaction([("delete", dict(row)) for row in batch], repeatable=True)
                if self._clock.monotonic() > until:
                    return  # the next sweep reads the same page, which no longer has these rows
            self._page = pages.continuation_token
        except (AzureError, RunbookError):
            self._page = None
        finally:
            self._sweeping.release()


def _batches(rows: Sequence[Mapping[str, Any]]) -> Iterator[Sequence[Mapping[str, Any]]]:
    """Yield rows in groups for transactions: at most BATCH_ROWS rows of one partition."""
    for key_id in {str(row["PartitionKey"]) for row in rows}:
        of_key = [row for row in rows if row["PartitionKey"] == key_id]
        for start in range(0, len(of_key), BATCH_ROWS):
            yield of_key[start : start + BATCH_ROWS]
