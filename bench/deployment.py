"""Measure a customer's first deployment with Azure's latencies, its requests, and a rerun that finds nothing to do."""

import math
import re
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from bench.figures import Figure
from bench.proofs.run import deploy, run
from bench.proofs.world import World, world
from oci.packages.lock import LOCK
from oci.packages.package_lock import parse
from vibedata.output import CommandError
from vibedata.progress import WriteLine

IMAGES = 40
ARM_SECONDS = 0.15
IMAGE_SECONDS = 6.0
PACKAGE_SECONDS = 60.0
WINDOW_SECONDS = 30.0
QUEUE_SECONDS = 30.0
LATENCIES: tuple[Mapping[str, object], ...] = (
    {"service": "arm", "seconds": ARM_SECONDS},
    {"operation": "importImage", "seconds": IMAGE_SECONDS},
    {"operation": "packageImport", "seconds": PACKAGE_SECONDS},
    {"operation": "packageImportWindow", "seconds": WINDOW_SECONDS},
    {"operation": "jobQueue", "seconds": QUEUE_SECONDS},
)
# import_manifest tags the release in three stages: its version, its signature, `latest`.
STAGES_OF_IMPORTS = {"import_manifest": 3, "import_images": 1}
JOB = re.compile(r"/jobs/([0-9a-f-]{36})\?")
PATH_AIM = 1.15
NFR_1_MINUTES = 30
SEQUENTIAL_AIM = 1 / 8
RERUN_AIM_SECONDS = 10


@dataclass(frozen=True, slots=True, kw_only=True)
class Deployment:
    """A deployment that succeeded: its wall time in seconds, its requests, and the runbooks of its jobs.

    `chain` are the runbooks that the command has started, in order. `trials` are those that jobs have started.
    """

    seconds: float
    requests: Sequence[Mapping[str, Any]]
    chain: Sequence[str]
    trials: Sequence[str]


def measure(
    report: WriteLine, *, images: int = IMAGES, latencies: Sequence[Mapping[str, object]] = LATENCIES
) -> list[Figure]:
    """Deploy `images` images with latencies to a customer that has nothing. Then deploy again without latencies."""
    with world(images=images) as made:
        report(f"{images} images: pushing a release")
        made.renew()
        for latency in latencies:
            made.lab.latency(**latency)
        report("the first deployment, with latencies")
        first = _deployed(made)
        made.lab.control("DELETE", "/latency")
        report("the same again, without latencies")
        again = _deployed(made)
    return _figures(first, again, images)


def _deployed(made: World) -> Deployment:
    started = time.monotonic()
    ran = run(made, deploy(made))
    seconds = time.monotonic() - started
    if ran.exit_code != 0:
        raise CommandError(f"the deployment failed: {ran.said}", remedy="vibedata deploy, in a lab of your own")
    names = {job["id"]: job["runbook"] for job in made.lab.control("GET", "/jobs")["jobs"]}
    starts = [entry for entry in ran.requests if entry["method"] == "PUT" and JOB.search(entry["path"])]
    jobs = [(entry["operator"], names[JOB.findall(entry["path"])[0]]) for entry in starts]
    return Deployment(
        seconds=seconds,
        requests=ran.requests,
        chain=[name for operator, name in jobs if operator],
        trials=[name for operator, name in jobs if not operator],
    )


def _figures(first: Deployment, again: Deployment, images: int) -> list[Figure]:
    """Return the figures of both deployments."""
    critical, sequential = critical_path_seconds(first), sequential_seconds(first)
    jobs = len(first.chain) + len(first.trials)
    latencies = (
        f"{images} images; ARM answers after {ARM_SECONDS} s, an image takes {IMAGE_SECONDS:.0f} s, the wheel "
        f"{PACKAGE_SECONDS:.0f} s, each of {jobs} jobs queues for {QUEUE_SECONDS:.0f} s"
    )
    return [
        Figure(
            name="first deployment, over the critical path",
            value=round(first.seconds / critical, 3),
            unit="",
            aim=PATH_AIM,
            note=f"{first.seconds:.0f} s over {critical:.0f} s of latencies that wait for one another. {latencies}",
        ),
        Figure(
            name="first deployment", value=round(first.seconds / 60, 2), unit="min", aim=NFR_1_MINUTES, note="NFR-1"
        ),
        Figure(
            name="first deployment, over one thing after the other",
            value=round(first.seconds / sequential, 3),
            unit="",
            aim=SEQUENTIAL_AIM,
            note=f"calculated from the same journal: {sequential / 60:.1f} min if each request, import, single wheel "
            "and job waited for the one before it",
        ),
        Figure(
            name="requests of a first deployment",
            value=len(first.requests),
            unit="",
            aim=None,
            note="of the command and its jobs",
        ),
        Figure(name="requests of a deployment's rerun", value=len(again.requests), unit="", aim=None, note="the same"),
        Figure(
            name="deployment with nothing to do",
            value=round(again.seconds, 1),
            unit="s",
            aim=RERUN_AIM_SECONDS,
            note=f"without latencies; jobs: {', '.join(again.chain)}; {len(again.trials)} trials",
        ),
    ]


def critical_path_seconds(deployment: Deployment) -> float:
    """Return the shortest possible time of a first deployment: only the latencies that must follow each other.

    These are the import of the wheel, and then each job of the chain after its time in the queue. Trials wait in the
    queue side by side.
    """
    queues = len(deployment.chain) + (1 if deployment.trials else 0)
    imports = sum(STAGES_OF_IMPORTS.get(name, 0) for name in deployment.chain)
    return PACKAGE_SECONDS + queues * (ARM_SECONDS + QUEUE_SECONDS) + imports * (ARM_SECONDS + IMAGE_SECONDS)


def sequential_seconds(deployment: Deployment) -> float:
    """Return the time of the same deployment if each thing waits for the one before it, with single wheels.

    The requests' own times contain ARM's latency. A process repeats some requests to find out whether a wait is over.
    The wait itself is counted, so such a request counts once.
    """
    imports = sum("/importImage?" in entry["path"] for entry in deployment.requests)
    wheels = len(parse(LOCK.read_text(encoding="utf-8")))
    jobs = len(deployment.chain) + len(deployment.trials)
    waits = imports * IMAGE_SECONDS + wheels * PACKAGE_SECONDS + jobs * QUEUE_SECONDS
    counted = {_what_is_asked(number, entry): entry for number, entry in enumerate(deployment.requests)}
    return math.fsum(entry["seconds"] or 0.0 for entry in counted.values()) + waits


def _what_is_asked(number: int, entry: Mapping[str, Any]) -> tuple[object, ...]:
    """Return a key that is equal for repeated requests of a process. `number` is the number of the request."""
    return (entry["job_id"], entry["path"]) if entry["method"] == "GET" else (number,)
