"""A lab with a real release: built by `vibedata build`, pushed by `vibedata push`, and published as packages and
runbooks of the Automation account. Everything here runs as a job, in the sandbox, from the built files.
"""

import json
import subprocess
import sys
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import redirect_stdout
from dataclasses import dataclass, field
from io import BytesIO, TextIOWrapper
from itertools import count
from pathlib import Path
from typing import Any

import pytest
from azure.identity import ManagedIdentityCredential
from azure.keyvault.secrets import SecretClient

from runbook_lib.run.parameters import encode
from tests.support import running_lab
from tests.support.automation import TERMINAL, Automation, text_of
from tests.support.release_maker import RELEASE_REPOSITORY, ContainerRegistry, container_registry, push_images
from tests.support.running_lab import LabUnderTest
from vibedata import cli

ROOT = Path(__file__).resolve().parents[2]
IMAGES = 3
# A whole deployment takes half a minute, and about four times as long on a machine with four times as much to do.
WAIT_SECONDS = 300.0
# A job takes two seconds. Asking more often would cost more than it saves.
POLL_SECONDS = 0.15
SUMMARY_CHARACTERS = 500
TOKEN_SERVICES = ("identity", "entra")
# How a command's interpreter handles warnings. The publisher runs acme on a newer Python (pyproject.toml).
ACME_ON_PYTHON_3_10 = "ignore:Python 3.10 support will be dropped in the next release of acme:DeprecationWarning"
STRICT = ("-W", "error", "-W", ACME_ON_PYTHON_3_10)


@dataclass(frozen=True, slots=True, kw_only=True)
class Release:
    """One release at the publisher. `pins` has the digest of each `repository:tag` that import_images must import."""

    folder: Path
    version: str
    digest: str
    pins: Mapping[str, str]


@dataclass(frozen=True, slots=True, kw_only=True)
class EndedJob:
    """A job that has ended.

    `streams` has kind and whole text of each record. `requests` are the job's requests in the journal.
    """

    id: str
    status: str
    exception: str
    output: str
    streams: Sequence[tuple[str, str]]
    requests: Sequence[Mapping[str, Any]]

    @property
    def result(self) -> dict[str, Any]:
        """The JSON object of the last line."""
        result: dict[str, Any] = json.loads(self.output.strip().splitlines()[-1])
        return result

    @property
    def text(self) -> str:
        """All streams, for an assertion's message."""
        return "\n".join(f"{kind}: {text}" for kind, text in self.streams)

    @property
    def writes(self) -> list[str]:
        """Every request that is not a read, except requests for tokens."""
        return [f"{entry['service']} {entry['method']} {entry['path']}" for entry in self.requests if is_write(entry)]


def is_write(entry: Mapping[str, Any]) -> bool:
    """Whether a journal's entry is a request that changes something."""
    reads = entry["method"] in ("GET", "HEAD") or entry["service"] in TOKEN_SERVICES or "/oauth2/" in entry["path"]
    return not reads


@dataclass(frozen=True, slots=True, kw_only=True)
class Deployed:
    """The lab, the tests' folder, and the customer's Automation account."""

    lab: LabUnderTest
    folder: Path
    automation: Automation
    versions: Iterator[int] = field(default_factory=lambda: count(0))

    @property
    def publisher(self) -> ContainerRegistry:
        return container_registry(self.lab, "publisher")

    @property
    def customer(self) -> ContainerRegistry:
        return container_registry(self.lab, "customer")

    def purge_secret(self, name: str) -> None:
        """Remove a secret of the customer's vault for good, as the runbooks' identity."""
        env = self.lab.env
        with (
            ManagedIdentityCredential(client_id=env["VIBEDATA_UAMI_CLIENT_ID"]) as credential,
            SecretClient(env["VIBEDATA_KEY_VAULT_ENDPOINT"], credential) as secrets,
        ):
            secrets.begin_delete_secret(name).wait()
            secrets.purge_deleted_secret(name)

    def vibedata(self, *arguments: str, environ: Mapping[str, str] = {}) -> "subprocess.CompletedProcess[str]":
        """Run the command as a user does, in a separate process that is pointed at the lab.

        environ: variables that replace those of the lab.
        """
        return subprocess.run(
            [sys.executable, *STRICT, "-m", "vibedata.cli", *arguments],
            cwd=ROOT,
            env={**running_lab.environment(self.lab), **environ},
            capture_output=True,
            text=True,
            check=False,
            timeout=WAIT_SECONDS,
        )

    def vibedata_json(self, *arguments: str, code: int = 0) -> dict[str, Any]:
        """Run the command and return its JSON. It must end with exit code `code`."""
        done = self.vibedata(*arguments, "--output", "json")
        assert done.returncode == code, done.stdout + done.stderr
        result: dict[str, Any] = json.loads(done.stdout)
        return result

    def vibedata_here(self, *arguments: str) -> dict[str, Any]:
        """Run a command in this process and return its JSON. It must end with exit code 0.

        This is for the preparations of a test. The start of a process takes longer than a push, and each process reads
        the library's sources again for its build.
        """
        told = TextIOWrapper(BytesIO(), encoding="utf-8")
        with pytest.MonkeyPatch.context() as patch, redirect_stdout(told):
            running_lab.point_at(self.lab, patch)
            code = cli.main([*arguments, "--output", "json"])
        told.seek(0)
        text = told.read()
        assert code == 0, text
        result: dict[str, Any] = json.loads(text)
        return result

    def release(self) -> Release:
        """Build and push a release that is newer than all earlier ones. The customer has no part of it yet."""
        release = self.build()
        assert self.vibedata_here("push", str(release.folder))["status"] == "succeeded"
        return release

    def build(self) -> Release:
        """Build a release that is newer than all earlier ones. The publisher has only its images."""
        version = f"2026.11.{next(self.versions)}"
        images = push_images(self.publisher, IMAGES, version=version)
        definition = self.folder / "release.json"
        definition.write_text(json.dumps(_definition(version, images)))
        folder = self.folder / version
        built = self.vibedata_here("build", "--release", str(definition), "--out", str(folder))
        pins = {name: digest for name, digest in built["artifacts"].items() if not name.startswith(RELEASE_REPOSITORY)}
        pins |= {f"{image['repository']}:{image['tag']}": image["digest"] for image in images}
        return Release(folder=folder, version=version, digest=built["manifest_digest"], pins=pins)

    def start(self, runbook: str, **parameters: object) -> str:
        """Start a job and return its id."""
        return self.automation.start({"parameters": encode(parameters)}, name=runbook)

    def wait(self, job_id: str) -> EndedJob:
        """Return a job when it has ended."""
        deadline = time.monotonic() + WAIT_SECONDS
        while self.record(job_id)["status"] not in TERMINAL:
            assert time.monotonic() < deadline, self.record(job_id)
            time.sleep(POLL_SECONDS)
        ended = self.automation.ended(job_id)
        streams = self.automation.client.job_stream
        records = []
        for listed in streams.list_by_job(*self.automation.at, job_id):
            record = listed.properties
            assert record is not None
            text = str(record.summary)
            if len(text) >= SUMMARY_CHARACTERS:  # it may be only the beginning; ARM limits the number of reads
                whole = streams.get(*self.automation.at, job_id, str(record.job_stream_id)).properties
                assert whole is not None
                text = str(whole.stream_text)
            records.append((text_of(record.stream_type), text))
        return EndedJob(
            id=job_id,
            status=text_of(ended.status),
            exception=ended.exception or "",
            output=self.automation.output(job_id),
            streams=records,
            requests=self.lab.journal(job_id=job_id),
        )

    def run(self, runbook: str, **parameters: object) -> EndedJob:
        """Run a runbook as a job, to its end."""
        return self.wait(self.start(runbook, **parameters))

    def succeed(self, runbook: str, **parameters: object) -> EndedJob:
        """Run a runbook. It must succeed."""
        job = self.run(runbook, **parameters)
        assert job.status == "Completed", f"{job.exception}\n{job.text}"
        return job

    def last_request(self) -> int:
        """Return the sequence number of the journal's last entry."""
        return self.lab.last_request()

    def record(self, job_id: str) -> dict[str, Any]:
        """Return the control API's record of a job."""
        jobs: list[dict[str, Any]] = self.lab.control("GET", "/jobs")["jobs"]
        return next(job for job in jobs if job["id"] == job_id)

    def installed(self, release: Release) -> dict[str, str | None]:
        """Return the digests of the customer's tags of the release's artifacts."""
        tags = [name.rpartition(":") for name in wanted(release)]
        return {f"{repository}:{tag}": self.customer.digest(repository, tag) for repository, _, tag in tags}


def wanted(release: Release) -> dict[str, str]:
    """Return the digests that the customer's tags of a release must have after both runbooks have run."""
    manifest = {f"{RELEASE_REPOSITORY}:{tag}": release.digest for tag in (release.version, "latest")}
    return {**manifest, **release.pins}


def _definition(version: str, images: list[dict[str, Any]]) -> dict[str, Any]:
    return {
        "version": version,
        "channel": "stable",
        "valid_days": 365,
        "images": images,
        "components": [],
        "policies": {"networkRetryPolicies": {"max_retries": 3, "delay_seconds": 2}},
    }
