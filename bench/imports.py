"""Compare the time to import many images with the time that Azure itself needs."""

from datetime import datetime
from typing import Any

from bench.customer import JobRun, customer
from bench.figures import Figure
from vibedata.progress import WriteLine

IMAGES = 40
IMPORT_SECONDS = 6.0
ARM_SECONDS = 0.15
# No run can be faster. The imports are independent, and each is one call to ARM and its operation.
CRITICAL_PATH_SECONDS = ARM_SECONDS + IMPORT_SECONDS
AIM = 1.15


def measure(report: WriteLine, *, images: int = IMAGES) -> list[Figure]:
    """Import `images` images with latencies, and return the time over the critical path."""
    with customer(images=images, report=report) as one:
        one.run("import_manifest", release_tag="latest")
        one.slow_down(operation="importImage", seconds=IMPORT_SECONDS)
        one.slow_down(service="arm", seconds=ARM_SECONDS)
        report(f"{images} images: importing them, {IMPORT_SECONDS:.0f} s each")
        run = one.run("import_images")
    seconds = run.result["duration_ms"] / 1000
    return [
        Figure(
            name=f"import of {images} images, over the critical path",
            value=round(seconds / CRITICAL_PATH_SECONDS, 3),
            unit="",
            aim=AIM,
            note=f"{seconds:.2f} s from the runbook's start to its result, over one call to ARM of {ARM_SECONDS} s and "
            f"one import of {IMPORT_SECONDS:.0f} s: all {run.result['changed']} (of runbooks and packages, too) are "
            f"independent. With the interpreter's start it took {_job_seconds(run):.2f} s. {_story(run.requests)}",
        )
    ]


def _story(requests: list[dict[str, Any]]) -> str:
    """Return the times of the import's parts from the journal, in seconds after the job's first request."""
    started = requests[0]["at"]
    asked = [entry for entry in requests if entry["service"] == "arm" and entry["method"] == "POST"]
    accepted = max(entry["at"] + entry["seconds"] for entry in asked) - started
    seen = max(entry["at"] + entry["seconds"] for entry in requests if entry["method"] == "HEAD") - started
    return (
        f"After the first request: {asked[0]['at'] - started:.2f} s first import asked for, {accepted:.2f} s last one "
        f"accepted, {accepted + IMPORT_SECONDS:.2f} s last one due, {seen:.2f} s last one seen"
    )


def _job_seconds(run: JobRun) -> float:
    """Return the job's wall time, the interpreter's start and end included."""
    started, ended = (datetime.fromisoformat(run.figures[name]) for name in ("started", "ended"))
    return (ended - started).total_seconds()
