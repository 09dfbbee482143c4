"""Read the last reports of an instance from table InstanceReports: its health, and how a step of a deployment ended.

The callback API verifies each report before it keeps it. But others may write to the table, too. So a report counts
only if runbook_lib.callbacks.payloads can parse it, and if it names the instance of its partition.
"""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import TYPE_CHECKING, Any, TypeVar

from publisher.callback_api.reports import TABLE, content_of
from runbook_lib.basics.clock import from_rfc3339, rfc3339
from runbook_lib.callbacks.payloads import (
    DeploymentProgress,
    HealthSummary,
    Payload,
    PayloadRefusedError,
    Ping,
    parse,
)
from runbook_lib.network.listing import bounded

if TYPE_CHECKING:
    from azure.data.tables import TableServiceClient

# Reports that waited in a spool arrive together, in any order. So of all reports that came within this time before the
# last one, the newest by the instance's own clock counts.
TOGETHER = timedelta(hours=1)
# The maximum difference between two clocks of the publisher.
SKEW = timedelta(minutes=5)

WANTED = (HealthSummary.kind, DeploymentProgress.kind)

P = TypeVar("P", bound=Payload)


@dataclass(frozen=True, slots=True, kw_only=True)
class Reported:
    """The last report of each kind, None if there is none."""

    health: HealthSummary | None
    deployment: DeploymentProgress | None


def last_reports(tables: "TableServiceClient", instance_id: str, now: datetime) -> Reported:
    """Return the last reports of an instance.

    Args:
        tables: The publisher's tables.
        instance_id: The instance.
        now: The present time (aware). Reports that seem to come later do not count.

    Raises:
        RunbookError: VD-STORAGE-005.
        azure.core's errors: The table cannot be read.
    """
    received = _received(tables, instance_id, now)
    return Reported(
        health=_last(tables, instance_id, HealthSummary, received.get(HealthSummary.kind)),
        deployment=_last(tables, instance_id, DeploymentProgress, received.get(DeploymentProgress.kind)),
    )


def _received(tables: "TableServiceClient", instance_id: str, now: datetime) -> dict[str, datetime]:
    """Return when the last report of each kind was received, by kind.

    The keys of reports are not in the order of time. So this looks at all rows, without their content.
    """
    rows = tables.get_table_client(TABLE).query_entities(
        "PartitionKey eq @partition and kind ne @ping",
        parameters={"partition": instance_id, "ping": Ping.kind},
        select=["kind", "receivedAt"],
    )
    last: dict[str, datetime] = {}
    for row in _there(rows):
        kind, moment = str(row.get("kind")), _time(row.get("receivedAt"))
        if kind not in WANTED or moment is None or moment > now + SKEW:
            # The callback API writes no time in the future: such a row is foreign, and it would hide the real rows
            continue
        if kind not in last or moment > last[kind]:
            last[kind] = moment
    return last


def _last(tables: "TableServiceClient", instance_id: str, kind: type[P], received: datetime | None) -> P | None:
    if received is None:
        return None
    rows = tables.get_table_client(TABLE).query_entities(
        "PartitionKey eq @partition and kind eq @kind and receivedAt ge @since",
        parameters={"partition": instance_id, "kind": kind.kind, "since": rfc3339(received - TOGETHER)},
    )
    found = [
        (_dated(report, moment), report)
        for row in _there(rows)
        # The table compares texts. So it also gives rows that _received left out. They do not count.
        if (moment := _time(row.get("receivedAt"))) is not None
        and moment <= received
        and (report := _report(row, kind, instance_id)) is not None
    ]
    return max(found, key=lambda each: each[0], default=(received, None))[1]


def _dated(report: Payload, received: datetime) -> datetime:
    """Return the time of a report. This time is never later than the receipt, even if the instance says so."""
    return min(from_rfc3339(report.at), received)


def _there(rows: Any) -> Any:
    from azure.core.exceptions import ResourceNotFoundError

    try:
        yield from bounded(rows, target=f"table {TABLE}")
    except ResourceNotFoundError:
        return


def _report(row: Mapping[str, Any], kind: type[P], instance_id: str) -> P | None:
    """Return the report in a row, None if the row has none."""
    try:
        report = parse(kind.kind, content_of(row))
    except PayloadRefusedError:
        return None
    if not isinstance(report, kind) or report.instance_id != instance_id or not all(map(_time, _times(report))):
        return None
    return report


def _times(report: Payload) -> Iterator[str]:
    """Yield the times in a report. Each has the form of a time, but there may be no such day."""
    yield report.at
    if isinstance(report, HealthSummary) and report.certificate_not_after:
        yield report.certificate_not_after


def _time(value: object) -> datetime | None:
    """Return a time of the suite's form, None for anything else."""
    try:
        moment = from_rfc3339(value) if isinstance(value, str) else None
    except ValueError:
        return None
    return moment if moment is not None and moment.tzinfo is not None else None
