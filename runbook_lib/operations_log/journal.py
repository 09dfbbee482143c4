"""What a run reports about itself, in the job's output and in the operations log."""

from typing import TYPE_CHECKING

from runbook_lib.azure.settings import Settings
from runbook_lib.basics.clock import Clock
from runbook_lib.basics.redaction import Redactor
from runbook_lib.change import Plan, Result
from runbook_lib.errors import RunbookError
from runbook_lib.operations_log.delivery import OperationsLog
from runbook_lib.operations_log.entries import finish_entry, planned_entry, result_entry, start_entry
from runbook_lib.operations_log.events import Entry, RunIdentity
from runbook_lib.run.output import JobOutput
from runbook_lib.run.result import RunResult

if TYPE_CHECKING:
    from runbook_lib.azure.clients import AzureClients


class Journal:
    """Writes one run's reports. Without an open log, as in a run that only plans, only the output gets them.

    `redactor` masks the secrets in the log.
    """

    def __init__(self, *, output: JobOutput, redactor: Redactor) -> None:
        self._output = output
        self._redactor = redactor
        self._log: OperationsLog | None = None

    def open_log(self, run: RunIdentity, *, settings: Settings, clients: "AzureClients", clock: Clock) -> None:
        """Begin the operations log with the event that the run has started."""
        self._log = OperationsLog(
            run=run,
            dcr_id=settings.dcr_id,
            clients=clients,
            clock=clock,
            redactor=self._redactor,
            output=self._output,
        )
        self._log.record(start_entry(run))

    def record(self, entry: Entry) -> None:
        """Write an entry."""
        if self._log is not None:
            self._log.record(entry)

    def flush(self) -> None:
        """Send what was written."""
        if self._log is not None:
            self._log.flush()

    def deliver(self) -> str | None:
        """Send what was written. Return why ingestion did not take it: "" if it did, None if there is no log."""
        return None if self._log is None else self._log.deliver()

    def show_plan(self, plan: Plan) -> None:
        """Show the changes of a run that only plans."""
        for change in plan.changes:
            before = "nothing" if change.before is None else change.before
            self._output.info(f"would {change.action} {change.target}: {before} -> {change.after}")
        for item in plan.unchanged:
            self._output.info(f"leaves {item.target}: {item.why}")

    def write_plan_ahead(self, plan: Plan) -> None:
        """Log the plan before the first change, so that the log has it even if the job is killed."""
        for change in plan.changes:
            self.record(planned_entry(change))
        self.flush()

    def tell_result(self, result: Result) -> None:
        """Report a change's result."""
        self.record(result_entry(result))
        for change in result.instead:
            self.record(planned_entry(change))
        what = f"{result.change.action} {result.change.target}"
        if result.error is not None and not result.instead:
            self._output.error(f"{what}: {result.error.code}: {result.error.message}")
        else:
            self._output.verbose(f"{what}: {result.outcome}, {result.duration_ms} ms")

    def tell_failure(self, error: RunbookError) -> None:
        """Report why the run fails."""
        self._output.error(str(error))
        self._output.told(error)

    def warn_of(self, what: str, trouble: RunbookError | None) -> None:
        """Warn of `trouble` if there is any, and if its cause was not shown already."""
        if trouble is not None and not self._output.was_told(trouble):
            self._output.warning(f"{what}: {trouble.code}: {trouble.message}")
            self._output.told(trouble)

    def finish(self, result: RunResult) -> None:
        """Report the run's result and close the log."""
        if self._log is not None:
            self._log.record(finish_entry(self._log.run, result))
            self._log.close()
        outcomes = [item.outcome for item in result.results]
        self._output.info(
            f"{result.status}: {result.changed} changed, {result.unchanged} already right, "
            f"{outcomes.count('failed')} failed, {outcomes.count('skipped')} skipped, {result.duration_ms / 1000:.1f} s"
        )
