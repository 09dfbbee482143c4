"""What a run gives to its runbook: the way to Azure, the job's output and the operations log."""

from collections.abc import Callable
from dataclasses import dataclass

from runbook_lib.azure.session import AzureSession
from runbook_lib.operations_log.events import Entry
from runbook_lib.run.output import JobOutput


@dataclass(frozen=True, slots=True, kw_only=True)
class Context(AzureSession):
    """What a run gives to its runbook's functions.

    Attributes:
        output: The job's output.
        run_id: A UUID of this run alone.
        correlation_id: The id of the deployment that started the run.
        record: Writes an event to the operations log. It does nothing if the run only plans, because there is no log.
        deliver_log: Sends the events so far. Returns why ingestion did not take them, "" if it did, None if there is no
            log.
    """

    output: JobOutput
    run_id: str
    correlation_id: str
    record: Callable[[Entry], None]
    deliver_log: Callable[[], str | None]
