"""Measure the time of a health check while some components hang. It should be little more than one probe's deadline."""

import hashlib
import io
import json
import os
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from azure.data.tables import TableServiceClient

from bench.figures import Figure
from runbook_lib.azure.session import AzureSession
from runbook_lib.basics.clock import SYSTEM_CLOCK
from runbook_lib.component_registry.creation import create_table
from runbook_lib.component_registry.managed_resources import ManagedResources, Resource
from runbook_lib.component_registry.policies import POLICIES
from runbook_lib.component_registry.schema import COMPONENTS, REGISTERED, Row, batches
from runbook_lib.component_registry.tables import ComponentTables
from runbook_lib.health.probes.many import PROBE_SECONDS
from runbook_lib.network.retry import NetworkRetryPolicy
from runbook_lib.runbook import main
from runbooks import check_health
from vibedata import lab_process
from vibedata.lab_process import RunningLab
from vibedata.output import CommandError
from vibedata.progress import WriteLine
from vibedata.session import open_session

COUNTS = (30, 1000)
HANGING_SHARE = 0.01
AIM = 1.3
CONTAINER_APPS = "Microsoft.App/containerApps"
# The lab's applications that answer for the synthetic container apps.
WELL, HANGING = "scheduler", "studio"


def measure(report: WriteLine, *, counts: tuple[int, ...] = COUNTS) -> list[Figure]:
    """Check these numbers of components twice. 1 % of them hang, and the first check does not know which."""
    figures = []
    for count in counts:
        with _lab(count, report) as (lab, session):
            hanging = max(1, round(count * HANGING_SHARE))
            _register(lab, session, count, hanging)
            for when in ("first check", "next check"):
                report(f"{count} components: {when}")
                seconds = _check(count, hanging)
                figures.append(
                    Figure(
                        name=f"health of {count} components, {when}",
                        value=round(seconds / PROBE_SECONDS, 2),
                        unit="",
                        aim=AIM,
                        note=f"wall time of the whole run, {seconds:.1f} s, over one probe's deadline,"
                        f" {PROBE_SECONDS:g} s; {hanging} of them hang",
                    )
                )
    return figures


@contextmanager
def _lab(count: int, report: WriteLine) -> Iterator[tuple[RunningLab, AzureSession]]:
    with tempfile.TemporaryDirectory(prefix="vibedata-bench-") as name:
        report(f"{count} components: starting a lab")
        before = dict(os.environ)
        try:
            lab = lab_process.start_detached(Path(name))
            os.environ.update(lab.environment)
            yield lab, open_session()
        finally:
            os.environ.clear()
            os.environ.update(before)
            lab_process.stop(Path(name))


def _register(lab: RunningLab, session: AzureSession, count: int, hanging: int) -> None:
    """Make the container apps, and record them as a bootstrap does. Hanging ones are spread among the others."""
    for prefix, number, application in (("well", count - hanging, WELL), ("hanging", hanging, HANGING)):
        apps = {"count": number, "type": CONTAINER_APPS, "prefix": prefix, "application": application}
        lab_process.control(lab, "POST", "/resources", body=apps)
    lab_process.control(lab, "POST", "/applications", body={"name": HANGING, "mode": "hang"})
    urls = {each["name"]: each["url"] for each in lab_process.control(lab, "GET", "/applications")["applications"]}
    found = ManagedResources(client=session.clients.resources, settings=session.settings).all()
    made = [resource for resource in found if resource.name.startswith(("well-", "hanging-"))]
    rows = [_row(resource, urls[HANGING if resource.name.startswith("hanging") else WELL]) for resource in made]
    _write(session.clients.table_service, rows)


def _row(resource: Resource, endpoint: str) -> Row:
    return Row(
        table=COMPONENTS,
        partition="application",
        # Hashed names spread the hanging ones among the others.
        name=hashlib.sha256(resource.name.encode()).hexdigest(),
        columns={
            "resourceId": resource.resource_id,
            "endpoint": endpoint,
            "state": REGISTERED,
            "healthKind": "http",
            "healthPath": "/healthz",
        },
    )


def _write(service: TableServiceClient, rows: list[Row]) -> None:
    tables = ComponentTables(service, retry_policy=NetworkRetryPolicy, clock=SYSTEM_CLOCK)
    for table in (COMPONENTS, POLICIES):
        create_table(service, table)
    for batch in batches(rows):
        tables.write(batch, {})


def _check(count: int, hanging: int) -> float:
    """Return the seconds of a run that sees the expected health."""
    output = io.BytesIO()
    code = main(check_health.RUNBOOK, [], stream=output)
    result = json.loads(output.getvalue().splitlines()[-1])
    if code != 0 or (result["report"]["healthy"], result["report"]["degraded"]) != (count - hanging, hanging):
        raise CommandError(output.getvalue().decode(), remedy="see the lines above")
    return float(result["duration_ms"]) / 1000
