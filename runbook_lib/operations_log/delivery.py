"""Deliver the operations log to its table. If that fails, keep it in blob storage, or else write it to the output.

A failure here never fails the runbook and never loses an event. Delivery is at least once: if the answer to an upload
is lost, the events may be in the table already, and they are sent again. Ingestion cannot say what it has, and a query
sees new rows only minutes later, so readers drop copies by EventId. The suite avoids further copies: a lease prevents
two runs from delivering the same blob at once, and the SDK does not split an upload again.

A run delivers only blobs that the suite wrote (runbook_lib.spool.container). If there is no key to prove new blobs, the
events go to the job's output.
"""

import json
from collections.abc import Iterator, MutableMapping, Sequence
from dataclasses import replace
from threading import Lock
from typing import Any

from runbook_lib.azure.clients import AzureClients
from runbook_lib.basics import strict_json
from runbook_lib.basics.clock import Clock, rfc3339
from runbook_lib.basics.redaction import Redactor
from runbook_lib.errors import ErrorEntry
from runbook_lib.errors import run as run_errors
from runbook_lib.network.failures import as_runbook_error
from runbook_lib.operations_log.events import Entry, Event, RunIdentity, canonical_json, make_event
from runbook_lib.run.output import JobOutput
from runbook_lib.spool.container import BLOBS_PER_RUN, SECONDS_PER_RUN, NotAuthenticError, Spool, Spooled, Strangers
from runbook_lib.spool.keys import spool_keys

STREAM = "Custom-VibeData_Operations_CL"
SPOOL_CONTAINER = "operations-spool"
# The limit of one upload and of one blob. Azure takes 1 MB, and the SDK's own sizing ignores separators
# (docs/azure-facts.md#log-analytics).
CHUNK_BYTES = 900_000
# How many blobs that were set aside one run tries again, after all others. It takes those that waited longest.
SET_ASIDE_PER_RUN = 5
# Azure's longest lease that ends by itself.
SPOOL_LEASE_SECONDS = 60
# The reasons why a blob waits, as codes of errors.
_NOT_TAKEN, _REFUSED = run_errors.EVENTS_NOT_DELIVERED.code, run_errors.STORED_EVENTS_NOT_DELIVERED.code
# Ingestion's statuses for bad content. A later attempt would not help.
_CONTENT_REFUSED = (400, 413)
# The run, and the first event's number in it. A blob holds one flush of one run.
_STEM = r"[A-Za-z0-9-]{1,64}/[0-9]{8,12}"


class _RefusedError(Exception):
    """A blob's content is bad. A later attempt would not help."""


def log_spool(clients: AzureClients, redactor: Redactor, clock: Clock) -> Spool:
    """Return the spool in which events wait."""
    keys = spool_keys(clients, redactor, clock)
    return Spool(clients=clients, keys=keys, container=SPOOL_CONTAINER, stems=_STEM, max_bytes=CHUNK_BYTES)


class OperationsLog:
    """The operations log of one run. Any thread may call `record`, but only one thread may call the other methods.

    `dcr_id` is the immutable id of the data collection rule. `redactor` masks every text before it is hashed. `output`
    gets warnings, and the events that nothing else takes.
    """

    def __init__(
        self,
        *,
        run: RunIdentity,
        dcr_id: str,
        clients: AzureClients,
        clock: Clock,
        redactor: Redactor,
        output: JobOutput,
    ) -> None:
        self.run = run
        self._dcr_id = dcr_id
        self._clients = clients
        self._clock = clock
        self._redactor = redactor
        self._output = output
        self._lock = Lock()
        self._sequence = 0
        self._previous = ""
        self._pending: list[Event] = []
        # Why ingestion took no events, "" while it does. After its first failure, later flushes of this run go straight
        # to the spool, so that the run does not wait for the same outage again and again.
        self._ingestion_failure = ""
        self._spool = log_spool(clients, redactor, clock)
        self._spool_visited = False
        self._spooled: list[Spooled] = []
        self._warned: set[ErrorEntry] = set()

    def record(self, entry: Entry) -> None:
        """Add an event to the run's chain. `flush` delivers it."""
        with self._lock:
            event = make_event(
                self.run,
                _redacted(entry, self._redactor),
                at=self._clock.now(),
                sequence=self._sequence,
                previous=self._previous,
            )
            self._sequence += 1
            self._previous = event["EventId"]
            self._pending.append(event)

    def flush(self) -> None:
        """Deliver the recorded events. The first call of a run delivers the spool of former runs before them."""
        if not self._spool_visited:
            self._spool_visited = True
            self._deliver_former_runs()
        with self._lock:
            events, self._pending = self._pending, []
        for chunk in chunks(events):
            self._deliver(chunk)

    def deliver(self) -> str:
        """Flush, and return why ingestion does not take this run's events; "" if it does."""
        self.flush()
        return self._ingestion_failure

    def close(self) -> None:
        """Flush for the last time. Try ingestion once more if it was down. Warn if only the output has events."""
        self._ingestion_failure = ""
        self.flush()
        for blob in self._spooled:
            if self._ingestion_failure:
                break
            self._deliver_blob(blob)
        if self._pending:
            self._output.warning(
                str(run_errors.EVENTS_NOT_STORED.error(f"{len(self._pending)} events found no room here"))
            )

    def _deliver(self, events: list[Event]) -> None:
        if not self._ingestion_failure:
            try:
                self._upload(events)
            except Exception as error:  # noqa: BLE001 - the log's failure never fails the runbook; a warning names it
                self._ingestion_failure = _story(error)
                self._warn(run_errors.EVENTS_NOT_DELIVERED, error)
            else:
                return
        try:
            stem, content = f"{self.run.run_id}/{events[0]['Sequence']:08d}", canonical_json(events)
            self._spooled.append(self._spool.put(stem, content, why=_NOT_TAKEN))
        except Exception as error:  # noqa: BLE001 - as above
            self._warn(run_errors.EVENTS_NOT_STORED, error)
            for event in events:
                if not self._output.info(f"operations log: {canonical_json(event).decode()}"):
                    self._pending.append(event)

    def _upload(self, events: list[Event]) -> None:
        """Send one chunk. Raises azure.core's errors."""
        rows: list[MutableMapping[str, Any]] = [*events]
        # Repeatable (runbook_lib.network.sdk_retry): a second copy is dropped by its EventId.
        self._clients.logs_ingestion.upload(rule_id=self._dcr_id, stream_name=STREAM, logs=rows, repeatable=True)

    def _deliver_former_runs(self) -> None:
        started = self._clock.monotonic()
        try:
            waiting, strangers = self._spool.waiting()
        except Exception as error:  # noqa: BLE001 - as in _deliver
            self._warn(run_errors.STORED_EVENTS_NOT_DELIVERED, error)
            return
        try:
            self._spool.tell_once(strangers, self._tell)
        except Exception as error:  # noqa: BLE001 - as in _deliver
            self._warn(run_errors.STORED_EVENTS_NOT_DELIVERED, error)
        fresh = [blob for blob in waiting if not blob.refused_at]
        for blob in (fresh + waiting[len(fresh) :][:SET_ASIDE_PER_RUN])[:BLOBS_PER_RUN]:
            if self._ingestion_failure or self._clock.monotonic() - started > SECONDS_PER_RUN:
                return
            self._deliver_blob(blob)

    def _tell(self, strangers: Strangers) -> None:
        """Warn of blobs that strangers have put into the spool."""
        self._output.warning(str(run_errors.STORED_EVENTS_NOT_DELIVERED.error(str(strangers), target=SPOOL_CONTAINER)))

    def _deliver_blob(self, blob: Spooled) -> None:
        """Deliver one blob and delete it. If that fails, it stays for the next run."""
        from azure.core.exceptions import ResourceExistsError, ResourceNotFoundError

        client = self._spool.client(blob)
        try:
            if blob.held_for_ever:
                self._spool.free(blob)  # no run of the suite takes such a lease
            lease = client.acquire_lease(SPOOL_LEASE_SECONDS)
        except (ResourceNotFoundError, ResourceExistsError):
            return  # Another run has delivered it, or is about to.
        except Exception as error:  # noqa: BLE001 - as in _deliver
            self._warn(run_errors.STORED_EVENTS_NOT_DELIVERED, error, blob.name)
            return
        try:
            try:
                content = self._spool.read(blob)
                if content is not None:
                    self._upload_spooled(content)
            except (NotAuthenticError, _RefusedError):
                self._spool.set_aside(blob, rfc3339(self._clock.now()), why=_REFUSED, lease=lease.id)
                raise
            self._spool.remove(blob, lease=lease.id)
        except Exception as error:  # noqa: BLE001 - as in _deliver
            if not (blob.refused_at and isinstance(error, (NotAuthenticError, _RefusedError))):  # an earlier run warned
                self._warn(
                    run_errors.EVENTS_NOT_DELIVERED
                    if self._ingestion_failure
                    else run_errors.STORED_EVENTS_NOT_DELIVERED,
                    error,
                    blob.name,
                )
            try:
                lease.release()
            except Exception as unreleased:  # noqa: BLE001 - as in _deliver; it ends by itself
                self._warn(run_errors.STORED_EVENTS_NOT_DELIVERED, unreleased, blob.name)

    def _upload_spooled(self, content: bytes) -> None:
        """Send a blob's events. Raises _RefusedError if its content is bad, and azure.core's errors."""
        from azure.core.exceptions import HttpResponseError

        events = _events_of(content)
        try:
            self._upload(events)
        except Exception as error:
            if isinstance(error, HttpResponseError) and error.status_code in _CONTENT_REFUSED:
                raise _RefusedError(_story(error)) from error
            self._ingestion_failure = _story(error)
            raise

    def _warn(self, entry: ErrorEntry, error: Exception, target: str = "") -> None:
        """Warn of a failure, once for each kind."""
        if entry not in self._warned:
            self._warned.add(entry)
            told, named = entry.error(_story(error), target=target), as_runbook_error(error)
            told.origin = told.origin if named is None else named.origin
            self._output.warn_of(told)


def _story(error: Exception) -> str:
    named = as_runbook_error(error)
    if named is not None:
        return f"{named.code}: {named.message}"
    return f"{type(error).__name__}: {str(error).partition(chr(10))[0]}"


def chunks(events: Sequence[Event]) -> Iterator[list[Event]]:
    """Yield the events in lists of at most CHUNK_BYTES each in the SDK's form, `json.dumps` of the list."""
    chunk: list[Event] = []
    size = 2
    for event in events:
        length = len(json.dumps(event)) + 2
        if chunk and size + length > CHUNK_BYTES:
            yield chunk
            chunk, size = [], 2
        chunk.append(event)
        size += length
    if chunk:
        yield chunk


def _events_of(content: bytes) -> list[Event]:
    """Return a blob's events. Raises _RefusedError if it holds none."""
    try:
        events = strict_json.loads(content)
    except strict_json.NotStrictJsonError as error:
        raise _RefusedError(f"the content is no list of events: {error}") from error
    if not isinstance(events, list) or not all(isinstance(event, dict) for event in events):
        raise _RefusedError("the content is no list of events")
    return events


def _redacted(entry: Entry, redactor: Redactor) -> Entry:
    details = {
        name: redactor.redact(value) if isinstance(value, str) else value
        for name, value in (entry.details or {}).items()
    }
    return replace(
        entry,
        action=redactor.redact(entry.action),
        target=redactor.redact(entry.target),
        message=redactor.redact(entry.message),
        details=details,
    )
