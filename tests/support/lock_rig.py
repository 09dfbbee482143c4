"""Deployments that take the lock of a lab: in this process, or in a separate process that a test can kill.

As a process (`python -m tests.support.lock_rig SECONDS`, the length of a lease) it takes the lock for each line of its
input, prints `held` or the code of the refusal, and gives it back at the next line.
"""

import os
import subprocess
import sys
import uuid
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, replace
from typing import IO

from azure.storage.blob import BlobLeaseClient

from runbook_lib.azure.session import AzureSession
from runbook_lib.basics.clock import SYSTEM_CLOCK, Clock
from runbook_lib.deployment_lock.content import DeploymentJobs
from runbook_lib.deployment_lock.lapse import LEASE_SECONDS
from runbook_lib.deployment_lock.lock import DeploymentLock, WriteLine, holding
from runbook_lib.deployment_lock.place import LockPlace
from runbook_lib.errors import RunbookError
from runbook_lib.network.retry import NetworkRetryPolicy
from tests.support import running_lab
from tests.support.running_lab import LabUnderTest
from vibedata.deployment.lock import lock_places
from vibedata.session import open_session

# Azure's shortest lease.
SHORT_SECONDS = 15


def _silent(_line: str) -> None:
    """Show nothing, because nobody waits."""


def quick_session(environ: Mapping[str, str]) -> AzureSession:
    """Return a session that repeats a failed request at once."""
    return replace(open_session(environ), retry_policy=lambda: NetworkRetryPolicy(delay_seconds=0.02))


def deployment(
    environ: Mapping[str, str],
    *,
    who: str = "ada@desk",
    correlation_id: str = "",
    report: WriteLine = _silent,
    clock: Clock = SYSTEM_CLOCK,
    lease_seconds: int = LEASE_SECONDS,
) -> DeploymentLock:
    return DeploymentLock(
        who=who,
        jobs=DeploymentJobs(
            correlation_id=correlation_id or str(uuid.uuid4()),
            resource_group=environ["VIBEDATA_RESOURCE_GROUP"],
            automation_account=environ["VIBEDATA_AUTOMATION_ACCOUNT"],
        ),
        clock=clock,
        report=report,
        lease_seconds=lease_seconds,
    )


def places(environ: Mapping[str, str]) -> tuple[LockPlace, LockPlace]:
    return lock_places(quick_session(environ), environ)


def content(place: LockPlace) -> bytes:
    return place.blob_service.get_blob_client(place.container, place.blob).download_blob().readall()


def overwrite(place: LockPlace, content: bytes) -> None:
    """Write a lock's blob like anybody with rights on blobs, while nobody holds the lock."""
    place.blob_service.get_blob_client(place.container, place.blob).upload_blob(content, overwrite=True)


def lease_state(place: LockPlace) -> str:
    properties = place.blob_service.get_blob_client(place.container, place.blob).get_blob_properties()
    return str(properties.lease.state)


def break_lease(place: LockPlace) -> None:
    """End a holder's lease, as anybody with rights on blobs can."""
    BlobLeaseClient(place.blob_service.get_blob_client(place.container, place.blob)).break_lease(0)


@dataclass(frozen=True, slots=True, kw_only=True)
class Holder:
    """A deployment in a separate process."""

    process: "subprocess.Popen[str]"

    def begin_to_take(self) -> None:
        self._input.write("take\n")
        self._input.flush()

    def answer(self) -> str:
        """Return `held`, or the code of the refusal."""
        assert self.process.stdout is not None
        return self.process.stdout.readline().strip()

    def take(self) -> str:
        self.begin_to_take()
        return self.answer()

    def give_back(self) -> None:
        self._input.write("give back\n")
        self._input.flush()
        assert self.answer() == "given back"

    @property
    def _input(self) -> IO[str]:
        assert self.process.stdin is not None
        return self.process.stdin


@contextmanager
def holder(lab: LabUnderTest, *, lease_seconds: int = LEASE_SECONDS) -> Iterator[Holder]:
    """Yield a process that has loaded everything. It is killed at the end."""
    with subprocess.Popen(
        [sys.executable, "-m", "tests.support.lock_rig", str(lease_seconds)],
        env=running_lab.environment(lab),
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    ) as process:
        try:
            found = Holder(process=process)
            assert found.answer() == "ready"
            yield found
        finally:
            process.kill()


def _main() -> None:
    environ, lease_seconds = dict(os.environ), int(sys.argv[1])
    found = places(environ)
    _say("ready")
    while sys.stdin.readline():
        lock = deployment(environ, who=f"process {os.getpid()}", lease_seconds=lease_seconds)
        try:
            with holding(lock, found, wait_seconds=0):
                lock.begin("publish")
                _say("held")
                sys.stdin.readline()
        except RunbookError as error:
            _say(error.code)
        else:
            _say("given back")


def _say(word: str) -> None:
    sys.stdout.write(word + "\n")
    sys.stdout.flush()


if __name__ == "__main__":
    _main()
