"""Nonces that have been used, in table CallbackNonces of the publisher's storage: for all processes, over restarts.

Partition: the key's id; row: the nonce. A row is inserted and never replaced, so that of any number that try at once
one succeeds, whichever process they are in. Rows that have had their time are deleted by whoever spends a nonce a
while later: some at a time, going on where the process left off.
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
# Rows are looked for that have had their time after so many seconds, or so many nonces spent, whichever comes first;
# at most twice as many are deleted then, so that this keeps up with any number of requests.
SWEEP_SECONDS = 60.0
SWEEP_NONCES = 500
SWEEP_ROWS = 2 * SWEEP_NONCES
# A request's answer waits meanwhile: after so many seconds no further transaction is begun. Later sweeps catch up with
# a slow table.
SWEEP_BUDGET_SECONDS = 1.0
# The most that a transaction holds (docs/azure-facts.md#table-storage).
BATCH_ROWS = 100


class CallbackNonces:
    """The table, as runbook_lib.request_signing.verifier.NonceStore; for use by many threads.

    Parameters: tables; new_claim, a text that was never returned before; clock.
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
        """Tell whether this is the nonce's first use with this key, and remember it until then; UnavailableError.

        The claim tells our own row from another's, where an answer was lost and the insertion was tried again.
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
            return False  # it was there when we inserted ours

    def _due(self) -> bool:
        with self._lock:
            self._spent += 1
            due = self._spent >= SWEEP_NONCES or self._clock.monotonic() >= self._swept_at + SWEEP_SECONDS
            if due:
                self._spent, self._swept_at = 0, self._clock.monotonic()
            return due

    def _sweep(self) -> None:
        """Delete some rows that have had their time.

        What fails, or takes too long, is left to the next sweep: no request depends on it.
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
                    return  # the next sweep takes up the same page, which has lost these
            self._page = pages.continuation_token
        except (AzureError, RunbookError):
            self._page = None
        finally:
            self._sweeping.release()


def _batches(rows: Sequence[Mapping[str, Any]]) -> Iterator[Sequence[Mapping[str, Any]]]:
    """Yield rows as transactions take them: so many, of one partition."""
    for key_id in {str(row["PartitionKey"]) for row in rows}:
        of_key = [row for row in rows if row["PartitionKey"] == key_id]
        for start in range(0, len(of_key), BATCH_ROWS):
            yield of_key[start : start + BATCH_ROWS]
