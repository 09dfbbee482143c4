"""What a run hands to its runbook: the way to Azure, and a voice."""

from collections.abc import Callable
from dataclasses import dataclass

from runbook_lib.azure.session import AzureSession
from runbook_lib.operations_log.events import Entry
from runbook_lib.run.output import JobOutput


@dataclass(frozen=True, slots=True, kw_only=True)
class Context(AzureSession):
    """What a run hands to its runbook's functions.

    run_id: a UUID of this run alone. correlation_id: of the deployment that started it. record: writes an event of what
    was observed, unless the run only plans and has no log. deliver_log: sends what the operations log has so far, and
    returns why ingestion did not take it: "" if it did, None if there is no log.
    """

    output: JobOutput
    run_id: str
    correlation_id: str
    record: Callable[[Entry], None]
    deliver_log: Callable[[], str | None]
