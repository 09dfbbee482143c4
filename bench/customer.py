"""A customer in a separate lab. The publisher has a release of some images, and the runbooks are published."""

import io
import json
import os
import sys
import tempfile
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, redirect_stdout
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from bench.images import push_images
from runbook_lib.azure.session import AzureSession
from scripts.demo.__main__ import PACKAGE_IMPORT_WINDOW_SECONDS
from vibedata import cli, lab_process
from vibedata.deployment.first_publication import FIRST_RUNBOOKS, FirstPublication
from vibedata.deployment.publication_step import publish
from vibedata.deployment.release_source import LayoutRelease
from vibedata.jobs.following import run_job
from vibedata.jobs.verdict import result_of
from vibedata.lab_process import RunningLab
from vibedata.output import CommandError
from vibedata.progress import WriteLine
from vibedata.progress_view.writer import View, view_of_lines
from vibedata.session import open_session

VERSION = "2026.11.0"


@dataclass(frozen=True, slots=True, kw_only=True)
class JobRun:
    """One job that succeeded.

    `result` is the runbook's own. `figures` are the lab's (GET /jobs). `requests` are the journal's entries of this
    job, in order.
    """

    result: Mapping[str, Any]
    figures: Mapping[str, Any]
    requests: list[dict[str, Any]]


@dataclass(frozen=True, slots=True, kw_only=True)
class Customer:
    """One customer. `release` is the folder of the build."""

    lab: RunningLab
    session: AzureSession
    release: Path

    def run(self, runbook: str, **parameters: object) -> JobRun:
        """Run a job to its end. Raises CommandError if the runbook failed."""
        job = run_job(self.session, runbook, parameters, unwatched().job(runbook))
        result = result_of(job)
        if result["status"] == "failed":
            raise CommandError(
                f"{runbook} failed: {result['error']}", remedy=f"vibedata invoke {runbook}, in a lab of your own"
            )
        jobs = lab_process.control(self.lab, "GET", "/jobs")["jobs"]
        requests = lab_process.control(self.lab, "GET", f"/requests?job_id={job.job_id}", seconds=60)["requests"]
        return JobRun(result=result, figures=next(each for each in jobs if each["id"] == job.job_id), requests=requests)

    def slow_down(self, **latency: object) -> None:
        """Set a latency: seconds, and service, method, path or operation."""
        lab_process.control(self.lab, "POST", "/latency", body=latency)


def unwatched() -> View:
    """Return a view that nobody watches."""
    return view_of_lines(lambda _line: None)


@contextmanager
def customer(*, images: int, report: WriteLine) -> Iterator[Customer]:
    """Start a lab in a new folder, with a release of `images` images. Always end it and delete the folder."""
    with tempfile.TemporaryDirectory(prefix="vibedata-bench-") as name:
        folder = Path(name)
        report(f"{images} images: starting a lab")
        before = dict(os.environ)
        try:
            lab = lab_process.start_detached(folder / "lab")
            os.environ.update(lab.environment)
            yield _prepared(lab, folder, images, report)
        finally:
            os.environ.clear()
            os.environ.update(before)
            lab_process.stop(folder / "lab")


def _prepared(lab: RunningLab, folder: Path, images: int, report: WriteLine) -> Customer:
    window = {"operation": "packageImportWindow", "seconds": PACKAGE_IMPORT_WINDOW_SECONDS}
    lab_process.control(lab, "POST", "/latency", body=window)
    report(f"{images} images: pushing them")
    blobs = folder / "blobs"
    blobs.mkdir()
    definition = {
        "version": VERSION,
        "channel": "stable",
        "valid_days": 365,
        "images": push_images(images, blobs),
        "components": [],
        "policies": {"networkRetryPolicies": {"max_retries": 3, "delay_seconds": 2}},
    }
    (folder / "release.json").write_text(json.dumps(definition))
    report(f"{images} images: building, pushing and publishing the release")
    release = folder / "release"
    vibedata("build", "--release", str(folder / "release.json"), "--out", str(release))
    vibedata("push", str(release))
    session = open_session()
    publication = FirstPublication(
        session=session,
        release=LayoutRelease(release, session=session),
        runbooks=FIRST_RUNBOOKS,
        warn=report,
    )
    step = publish(session, publication, unwatched())
    if step.status == "failed":
        raise CommandError(f"the runbooks could not be published: {step.error}", remedy="make demo")
    return Customer(lab=lab, session=session, release=release)


def vibedata(*arguments: str) -> None:
    """Run a command. If it fails, show its output."""
    printed = io.StringIO()
    with redirect_stdout(printed):
        code = cli.main(arguments)
    if code != 0:
        sys.stderr.write(printed.getvalue())
        raise CommandError(f"vibedata {arguments[0]} ended with {code}", remedy="see the lines above")
