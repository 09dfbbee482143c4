"""Measure the time to publish all runbooks and all packages into an empty account. Compare it with Automation's limit.

This is done once with the combined wheel, and once with the single wheels, as if Automation refused the combined one at
once.
"""

import io
import math
import time
from collections.abc import Callable
from dataclasses import dataclass

from bench.customer import Customer, customer
from bench.figures import Figure
from oci.packages.combined_wheel import NAME
from runbook_lib.automation.account import ENVIRONMENT_PREFIX
from runbook_lib.release.model import ARTIFACT_CONTAINER
from runbook_lib.runbook import main
from runbooks import publish_runbooks
from vibedata import lab_process
from vibedata.output import CommandError

# Azure's window is 30 s, and an import of a wheel takes about as long (docs/azure-facts.md#python-and-its-limits). Here
# both are a fifth of that.
WINDOW_SECONDS = 6.0
IMPORT_SECONDS = 6.0
IMPORTS_IN_WINDOW = 5
ARM_SECONDS = 0.1
BLOB_SECONDS = 0.02
OPERATION_SECONDS = 0.8  # to replace or publish a draft; the service demands a poll after a second
POLL_SECONDS = 1.0
LATENCIES = (
    {"service": "arm", "seconds": ARM_SECONDS},
    {"service": "blob", "seconds": BLOB_SECONDS},
    {"service": "customer_registry", "seconds": BLOB_SECONDS},
    {"operation": "packageImport", "seconds": IMPORT_SECONDS},
    {"operation": "packageImportWindow", "seconds": WINDOW_SECONDS},
    {"operation": "runbook", "seconds": OPERATION_SECONDS},
)


@dataclass(frozen=True, slots=True, kw_only=True)
class _Run:
    seconds: float
    requests: int
    writes: int


def measure(report: Callable[[str], None]) -> list[Figure]:
    """Measure in a separate lab."""
    with customer(images=1, report=report) as made:
        for runbook in ("import_manifest", "import_images"):
            made.run(runbook)
        runbooks = len(list((made.release / "runbooks").glob("*.py")))
        _empty(made)
        for latency in LATENCIES:
            made.slow_down(**latency)
        report(f"publishing {runbooks} runbooks and one wheel")
        first = _publish(made)
        again = _publish(made)
        _empty(made)
        lab_process.control(made.lab, "POST", "/packages", body={"name": NAME, "state": "failed"})
        report(f"publishing {runbooks} runbooks and single wheels")
        single = _publish(made)
        packages = _empty(made) - 1
    what = f"{runbooks} runbooks, {packages} packages"
    ratio = first.seconds / single.seconds
    return [
        _over_critical_path("one wheel", first, imports=1, what=what),
        _over_critical_path("single wheels", single, imports=packages, what=what),
        Figure(
            name="publish: one wheel over single wheels",
            value=ratio,
            unit="",
            aim=0.4,
            note=f"{first.seconds:.1f} s and {single.seconds:.1f} s",
        ),
        Figure(
            name="publish: requests for each runbook and package",
            value=first.requests / (packages + runbooks),
            unit="",
            aim=15,
            note=f"{first.requests} for {what}; {single.requests} with single wheels",
        ),
        Figure(name="publish: requests of a rerun", value=again.requests, unit="", aim=50, note=what),
        Figure(name="publish: writes of a rerun", value=again.writes, unit="", aim=0, note=what),
    ]


def _over_critical_path(way: str, run: _Run, *, imports: int, what: str) -> Figure:
    # The time consists of all windows before the last one, the last import, and then creation, draft and publication of
    # a runbook.
    critical = (math.ceil(imports / IMPORTS_IN_WINDOW) - 1) * WINDOW_SECONDS + IMPORT_SECONDS + 2 * POLL_SECONDS
    name = f"publish: time over the critical path, {way}"
    return Figure(name=name, value=run.seconds / critical, unit="", aim=1.3, note=what)


def _empty(made: Customer) -> int:
    """Remove everything from the account, and return the number of packages that it had."""
    clients, settings = made.session.clients, made.session.settings
    at = (settings.resource_group, settings.automation_account)
    packages = 0
    for environment in list(clients.automation.runtime_environments.list_by_automation_account(*at)):
        name = str(environment.name)
        if name.startswith(ENVIRONMENT_PREFIX):
            packages += len(list(clients.automation.package.list_by_runtime_environment(*at, name)))
            clients.automation.runtime_environments.delete(*at, name)
    for runbook in list(clients.automation.runbook.list_by_automation_account(*at)):
        clients.automation.runbook.delete(*at, str(runbook.name))
    container = clients.blob_service.get_container_client(ARTIFACT_CONTAINER)
    for name in list(container.list_blob_names()):
        container.delete_blob(name)
    return packages


def _publish(made: Customer) -> _Run:
    """Run publish_runbooks in this process, because the empty account has no runbook for a job."""
    since = lab_process.control(made.lab, "GET", "/requests")["requests"][-1]["sequence"]
    output = io.BytesIO()
    started = time.monotonic()
    code = main(publish_runbooks.RUNBOOK, [], stream=output)
    seconds = time.monotonic() - started
    if code != 0:
        raise CommandError(output.getvalue().decode(), remedy="see the lines above")
    journal = lab_process.control(made.lab, "GET", f"/requests?since={since}", seconds=60)["requests"]
    own = [entry for entry in journal if not entry["client"].startswith("AzureAutomation")]
    writes = [entry for entry in own if entry["service"] in ("arm", "blob") and entry["method"] not in ("GET", "HEAD")]
    return _Run(seconds=seconds, requests=len(own), writes=len(writes))
