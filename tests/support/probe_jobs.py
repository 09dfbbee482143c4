"""Jobs of a small runbook that prints the same lines as a runbook of the suite, and clients that do not wait long."""

from collections.abc import Mapping

from runbook_lib.automation.account import AutomationAccount
from runbook_lib.azure.clients import AzureClients
from runbook_lib.azure.identity import credential
from runbook_lib.azure.settings import load
from runbook_lib.basics.clock import SYSTEM_CLOCK
from runbook_lib.network.retry import NetworkRetryPolicy
from tests.support.automation import RUNBOOK, Automation, wait_for

# The correlation id says how the job ends: "good", "bad", or "none" for no result.
PROBE = """
import base64, json, sys
given = json.loads(base64.urlsafe_b64decode(sys.argv[1] + "=" * (-len(sys.argv[1]) % 4)))
mode = "trial" if given.get("trial") else "plan" if given.get("plan_only") else "run"
print(f"NAME 2026.11.0: {mode}, started by {given.get('started_by')}, run r, correlation c")
how = given.get("correlation_id", "good")
if how == "none":
    sys.exit(1)
error = None
if how == "bad":
    error = {"code": "VD-PUBLISH-001", "message": "it broke", "cause": "a test", "remedy": "mend it", "retryable": True}
status = "failed" if error else "planned" if given.get("plan_only") else "succeeded"
print(json.dumps({
    "runbook": "NAME", "version": "2026.11.0", "status": status, "correlation_id": how, "run_id": "r",
    "changed": 2, "unchanged": 3, "changes": [], "error": error, "duration_ms": 5,
}))
sys.exit(1 if error else 0)
"""
LONG = "import time\nprint('begun', flush=True)\ntime.sleep(600)\n"


def probe(name: str = RUNBOOK) -> str:
    """Return the text of the runbook under a name."""
    return PROBE.replace("NAME", name)


def impatient_account(environ: Mapping[str, str]) -> AutomationAccount:
    """Return the account, with clients that repeat a failed request at once."""
    settings = load({}, environ, None)
    clients = AzureClients(
        settings=settings,
        credential=credential(settings, environ),
        retry_policy_source=lambda: NetworkRetryPolicy(delay_seconds=0.02),
        clock=SYSTEM_CLOCK,
    )
    return AutomationAccount(client=clients.automation, settings=settings)


def bring_to(account: Automation, job: str, status: str, exception: str = "") -> None:
    """Set a job's status."""
    account.lab.control("POST", "/jobs", {"id": job, "status": status, "exception": exception})


def running(account: Automation, *, name: str = RUNBOOK) -> str:
    """Start a long job. Return its id when it runs and has written a line."""
    job = account.start(name=name)
    wait_for(lambda: list(account.client.job_stream.list_by_job(*account.at, job)), bool)
    return job
