"""Measure the sizes of the built runbooks, and the memory and processor time of the jobs that deploy a release."""

from collections.abc import Mapping

from bench.customer import JobRun, customer
from bench.figures import Figure
from oci.bundling.bundle import AIM_BYTES, CHAIN_AIM_BYTES, MAX_BYTES
from runbooks import deploy_instance
from vibedata.deployment.chain import CHAIN
from vibedata.progress import WriteLine

IMAGES = 40
JOBS = tuple(step.name for step in CHAIN if step.carried_out_by == "job")
KIB, MIB = 1024, 1024 * 1024
# Azure's limit of a sandbox's memory: automation-subscription-limits-faq.
MEMORY_LIMIT_MB, MEMORY_AIM_MB = 400, 100
FIRST_REQUEST_AIM_SECONDS = 0.6


def measure(report: WriteLine, *, images: int = IMAGES) -> list[Figure]:
    """Run the whole chain on a release of `images` images, then import_images again. Return all figures."""
    with customer(images=images, report=report) as one:
        sizes = {path.stem: path.stat().st_size for path in sorted((one.release / "runbooks").glob("*.py"))}
        report(f"{images} images: running the jobs")
        runs = {runbook: one.run(runbook) for runbook in JOBS}
        runs["import_images again"] = one.run("import_images")
    return [*_files(sizes), *_jobs(runs, images)]


def _files(sizes: Mapping[str, int]) -> list[Figure]:
    return [
        Figure(
            name=f"{name}.py",
            value=round(size / KIB, 1),
            unit="KiB",
            aim=(CHAIN_AIM_BYTES if name == deploy_instance.NAME else AIM_BYTES) // KIB,
            limit=MAX_BYTES // KIB,
            note="built file, the library vendored in",
        )
        for name, size in sizes.items()
    ]


def _jobs(runs: Mapping[str, JobRun], images: int) -> list[Figure]:
    figures = []
    for name, run in runs.items():
        figures.append(
            Figure(
                name=f"{name}: memory",
                value=round(run.figures["peak_memory_bytes"] / MIB, 1),
                unit="MB",
                aim=MEMORY_AIM_MB,
                limit=MEMORY_LIMIT_MB,
                note=f"the job's peak resident memory, its children's included; {images} images",
            )
        )
        figures.append(
            Figure(
                name=f"{name}: CPU to first request",
                value=run.figures["cpu_seconds_to_first_request"],
                unit="s",
                aim=FIRST_REQUEST_AIM_SECONDS,
                note="user and system time of the process, from its start, by the kernel's ticks of 10 ms",
            )
        )
    return figures
