"""The operations log of one run of a runbook."""

import io

from runbook_lib.azure.clients import AzureClients
from runbook_lib.azure.identity import credential
from runbook_lib.azure.settings import load
from runbook_lib.basics.clock import SYSTEM_CLOCK
from runbook_lib.basics.redaction import Redactor
from runbook_lib.network.retry import NetworkRetryPolicy
from runbook_lib.operations_log.delivery import OperationsLog
from runbook_lib.operations_log.events import Entry, RunIdentity
from runbook_lib.run.output import JobOutput
from tests.support.running_lab import LabUnderTest

CANARY = "canary-4e5f6a/log-secret"
INGESTION = {"service": "logs"}


class Run:
    """One run's log, as `main` makes it, and the output of its job."""

    def __init__(self, lab: LabUnderTest, run_id: str) -> None:
        settings = load({}, lab.env, None)
        self.clients = AzureClients(
            settings=settings,
            credential=credential(settings, lab.env),
            retry_policy_source=lambda: NetworkRetryPolicy(max_retries=1, delay_seconds=0.01),
            clock=SYSTEM_CLOCK,
        )
        redactor = Redactor()
        redactor.learn(CANARY)
        self._stream = io.BytesIO()
        self.log = OperationsLog(
            run=RunIdentity(run_id=run_id, correlation_id="c", runbook="sample", version="dev", started_by="a test"),
            dcr_id=settings.dcr_id,
            clients=self.clients,
            clock=SYSTEM_CLOCK,
            redactor=redactor,
            output=JobOutput(self._stream, redactor=redactor, clock=SYSTEM_CLOCK),
        )

    @property
    def printed(self) -> list[str]:
        return self._stream.getvalue().decode().splitlines()

    def whole(self, flushes: int = 1) -> "Run":
        """Record and flush two events, `flushes` times, and end the run."""
        for flush in range(flushes):
            for number in range(2):
                target = f"t{flush}-{number}"
                self.log.record(Entry(step="apply", outcome="done", target=target, message=f"with {CANARY}"))
            self.log.flush()
        self.log.record(Entry(step="run", action="finish", outcome="succeeded"))
        self.log.close()
        return self
