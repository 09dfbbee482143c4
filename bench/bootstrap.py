"""Measure the time, requests and memory of bootstrap_registry and of a rerun, for small and large resource groups."""

from collections import Counter
from collections.abc import Sequence

from bench.customer import Customer, JobRun, customer
from bench.figures import Figure
from runbook_lib.component_registry.schema import TABLES
from vibedata import lab_process
from vibedata.progress import WriteLine

COUNTS = (60, 1000, 10_000)
# The round trips to the services from a sandbox in the same region.
ARM_SECONDS = 0.15
TABLE_SECONDS = 0.02
MIB = 1024 * 1024
MEMORY_AIM_MB, MEMORY_LIMIT_MB = 120, 400
# The requests of a rerun, divided by the entities. In a small group, the requests that every run makes exceed this.
SHARE_AIM = 1 / 50
SMALLEST_SHARE = 10_000


def measure(report: WriteLine, *, counts: Sequence[int] = COUNTS) -> list[Figure]:
    """Bootstrap groups with these numbers of resources, each twice."""
    figures: list[Figure] = []
    with customer(images=1, report=report) as one:
        for runbook in ("import_manifest", "import_images", "publish_runbooks"):
            one.run(runbook)
        one.slow_down(service="arm", seconds=ARM_SECONDS)
        one.slow_down(service="table", seconds=TABLE_SECONDS)
        for count in counts:
            resources = _grow(one, count)
            report(f"{resources} resources: bootstrapping, twice")
            first = one.run("bootstrap_registry")
            again = one.run("bootstrap_registry")
            figures += _figures(count, _entities(first), first, again)
    return figures


def _grow(one: Customer, count: int) -> int:
    """Add resources to the group until it has `count`, and delete the component registry."""
    there = int(lab_process.control(one.lab, "GET", "/resources")["count"])
    if count > there:
        body = {"count": count - there, "prefix": f"bench-{count}"}
        there = int(lab_process.control(one.lab, "POST", "/resources", body=body, seconds=60)["count"])
    for table in TABLES:
        one.session.clients.table_service.delete_table(table)
    return there


def _entities(run: JobRun) -> int:
    told = run.result["report"]
    return int(told["resources"]) + int(told["components"])


def _figures(count: int, entities: int, first: JobRun, again: JobRun) -> list[Figure]:
    name = f"bootstrap of {count} resources"
    writes = [entry for entry in again.requests if entry["service"] == "table" and entry["method"] != "GET"]
    latency = f"{entities} entities; ARM answers after {ARM_SECONDS} s, a table after {TABLE_SECONDS} s"
    share = round(len(again.requests) / entities, 4)
    return [
        Figure(name=f"{name}: time", value=_seconds(first), unit="s", aim=None, note=latency),
        Figure(name=f"{name}: requests", value=len(first.requests), unit="", aim=None, note=_kinds(first)),
        Figure(
            name=f"{name}: memory",
            value=round(max(run.figures["peak_memory_bytes"] for run in (first, again)) / MIB, 1),
            unit="MB",
            aim=MEMORY_AIM_MB,
            limit=MEMORY_LIMIT_MB,
            note="the larger peak of both runs",
        ),
        Figure(name=f"{name}: time of a rerun", value=_seconds(again), unit="s", aim=None, note=latency),
        Figure(
            name=f"{name}: requests of a rerun, for each entity",
            value=share,
            unit="",
            aim=SHARE_AIM if count >= SMALLEST_SHARE else None,
            note=f"{len(again.requests)} requests. {_kinds(again)}",
        ),
        Figure(name=f"{name}: writes of a rerun", value=len(writes), unit="", aim=0, note="to tables"),
    ]


def _seconds(run: JobRun) -> float:
    return round(int(run.result["duration_ms"]) / 1000, 2)


def _kinds(run: JobRun) -> str:
    counted = Counter(f"{entry['service']} {entry['method']}" for entry in run.requests)
    return ", ".join(f"{kind} {count}" for kind, count in counted.most_common())
