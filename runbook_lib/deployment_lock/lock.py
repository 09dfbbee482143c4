"""Hold the lock of a deployment: one leased blob, or several in a fixed order.

1. The blobs are leased in the given order, and given back in reverse. If the second blob cannot be leased, the first
   one is given back.
2. A thread for each lease renews it. If the holder dies, the lease ends by itself after some 60 s.
3. A step begins only after the service has accepted the step's name under each lease. If a holder has lost a lease, by
   the service's answer or by its own clock, it begins no further step.
4. A new holder finds in the blob what the earlier holder wrote. If the earlier holder did not end normally, its jobs
   may still run. `former_jobs` names them, and the blob keeps naming them until they are known to have ended. So if the
   new holder dies before that, the next holder finds their names, too.
"""

import math
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from datetime import datetime

from runbook_lib.basics.clock import Clock
from runbook_lib.basics.visible_text import one_line
from runbook_lib.deployment_lock import content as contents
from runbook_lib.deployment_lock._leased_blob import LeasedBlob, LeaseLostError
from runbook_lib.deployment_lock._renewal import Renewal
from runbook_lib.deployment_lock.content import DeploymentJobs, LockContent, NotALocksContentError
from runbook_lib.deployment_lock.lapse import LEASE_SECONDS, LeaseTime
from runbook_lib.deployment_lock.place import LockPlace
from runbook_lib.errors import deployment
from runbook_lib.network.failures import as_runbook_error

# The seconds between two attempts to get a lock that somebody else holds.
POLL_SECONDS = 5.0
# While it waits, it reports after this time. Together with the pause before it, a line appears at least every 15 s.
TELL_SECONDS = 10.0
# The names of the steps before those of the chain.
TAKING, FORMER_JOBS = "lock", "former jobs"

WriteLine = Callable[[str], None]


@dataclass(slots=True, kw_only=True)
class _Lease:
    """The lease of one place.

    Attributes:
        place: The place.
        blob: The blob of the place.
        renewal: The thread that renews the lease, None before the lease is ours.
        is_read: Whether this holder has read what the earlier holder wrote. Before that, it must not write over it.
        former_jobs: The jobs that the earlier holder may have left.
    """

    place: LockPlace
    blob: LeasedBlob
    renewal: Renewal | None = None
    is_read: bool = False
    former_jobs: DeploymentJobs | None = None


@dataclass(slots=True, kw_only=True)
class DeploymentLock:
    """The lock of one deployment. Use it through `holding`, which gives it back.

    Attributes:
        who: The holder's name for people.
        jobs: The jobs that the holder starts.
        clock: Gives the time.
        report: Gets a line about waiting, and about a failure to give the lock back.
        lease_seconds: The time of a lease, 15 to 60. Only tests use less than LEASE_SECONDS.
    """

    who: str
    jobs: DeploymentJobs
    clock: Clock
    report: WriteLine
    lease_seconds: int = LEASE_SECONDS
    _leases: list[_Lease] = field(default_factory=list)
    _since: datetime | None = None
    _has_begun: bool = False
    _jobs_go_on: bool = False

    def former_jobs(self) -> tuple[DeploymentJobs, ...]:
        """Return the earlier deployments whose jobs may still run."""
        found = (lease.former_jobs for lease in self._leases)
        return tuple(dict.fromkeys(jobs for jobs in found if jobs is not None))

    def former_jobs_ended(self) -> None:
        """Record that none of `former_jobs` runs any more."""
        for lease in self._leases:
            lease.former_jobs = None

    def jobs_go_on(self) -> None:
        """Record that a job of this deployment may still run after the deployment has ended.

        Then the blobs keep naming this deployment's jobs, and the next holder looks for them.
        """
        self._jobs_go_on = True

    def begin(self, step: str) -> None:
        """Begin a step, or a part of it, and write the step's name to each blob.

        `step` has small letters, digits, spaces and underscores.

        Raises RunbookError VD-LOCK-002 if a lease is lost, and azure.core's errors if the service does not confirm the
        step. Then the step must not begin.
        """
        self.check()
        self._has_begun = True
        for lease in self._leases:
            self._write(lease, step)

    def check(self) -> None:
        """Raise RunbookError VD-LOCK-002 if a lease is known to be lost. This does not ask the service."""
        for lease in self._leases:
            why = lease.renewal.why_lost() if lease.renewal is not None else ""
            if why:
                raise deployment.LOCK_LOST.error(why, target=lease.place.name)

    def is_lost(self) -> bool:
        """Return whether a lease is known to be lost, as `check` decides it."""
        return any(lease.renewal is not None and lease.renewal.why_lost() for lease in self._leases)

    def take(self, place: LockPlace, *, wait_seconds: float) -> None:
        """Get the lease of one place, and write there who holds it.

        Raises RunbookError VD-LOCK-001 if somebody else holds it for longer than `wait_seconds`, -002 if a lease is
        lost, and azure.core's errors.
        """
        lease = _Lease(place=place, blob=LeasedBlob(place, lease_seconds=self.lease_seconds))
        # Add it before the lease is ours. If the answer is lost, or Ctrl-C comes now, the lease may be ours and must be
        # given back.
        self._leases.append(lease)
        started = self._acquire(lease, wait_seconds)
        time = LeaseTime(seconds=self.lease_seconds, confirmed_at=started)
        lease.renewal = Renewal(renew=lease.blob.renew, time=time, clock=self.clock)
        lease.renewal.start()
        self._since = self._since or self.clock.now()
        try:
            left = contents.jobs_left(contents.read_content(lease.blob.read()))
            if left is not None and place.one_account:
                left = replace(self.jobs, correlation_id=left.correlation_id)
            lease.former_jobs = left
        except NotALocksContentError as error:
            self.report(f"WARNING: {deployment.LOCK_UNREADABLE.error(str(error), target=place.name)}")
        lease.is_read = True
        self._write(lease, TAKING)

    def give_back(self, *, ended: bool) -> None:
        """Give back every lease, the last one first. `ended` says that the deployment has ended normally.

        A failure is reported and not raised, because the lease ends by itself.
        """
        no_job_runs = not self._has_begun or (ended and not self._jobs_go_on)
        for lease in reversed(self._leases):
            try:
                self._give_back(lease, ended=no_job_runs)
            except Exception as error:
                named = as_runbook_error(error)
                if named is None:
                    raise
                words = f"{named.code}: {named.message}"
                self.report(
                    f"WARNING: {lease.place.name} was not given back; it is free within {self.lease_seconds} s: {words}"
                )
        self._leases.clear()

    def _give_back(self, lease: _Lease, *, ended: bool) -> None:
        try:
            if lease.renewal is not None:
                lease.renewal.end()
                if ended and lease.is_read and not lease.renewal.why_lost():
                    lease.blob.write(self._content(lease, "ended", ended=True))
        except LeaseLostError as error:
            self.report(f"WARNING: {lease.place.name} was lost before it was given back: {error}")
        finally:
            # Release it even if it seems to be lost, because the service may still count it as ours.
            lease.blob.release()

    def _acquire(self, lease: _Lease, wait_seconds: float) -> float:
        """Acquire the lease. Return the monotonic time when the successful request began."""
        began = self.clock.monotonic()
        told_at = began - TELL_SECONDS
        while True:
            started = self.clock.monotonic()
            if lease.blob.acquire():
                return started
            who = self._holder_of(lease)
            waited = self.clock.monotonic() - began
            if waited >= wait_seconds:
                detail = who if not wait_seconds else f"{who}; waited {_duration(waited)}"
                raise deployment.LOCK_HELD.error(detail, target=lease.place.name)
            if self.clock.monotonic() - told_at >= TELL_SECONDS:
                told_at = self.clock.monotonic()
                time = f"{_duration(waited)} of {_duration(math.ceil(wait_seconds))}"
                self.report(f"waiting for {lease.place.name}, {time}: {who}")
            self.clock.sleep(min(POLL_SECONDS, wait_seconds - waited))
            self.check()

    def _holder_of(self, lease: _Lease) -> str:
        """Return in words who holds the lease, as far as its blob says it."""
        try:
            found = contents.read_content(lease.blob.read())
        except NotALocksContentError as error:
            return f"held by somebody whose entry cannot be read: {error}"
        if found is None or found.ended:
            return "held by somebody who has just taken it and has not written a name yet"
        return contents.described(found, self.clock.now())

    def _write(self, lease: _Lease, step: str) -> None:
        try:
            lease.blob.write(self._content(lease, step, ended=False))
        except LeaseLostError as error:
            if lease.renewal is not None:
                lease.renewal.lose(str(error))
            raise deployment.LOCK_LOST.error(str(error), target=lease.place.name) from error

    def _content(self, lease: _Lease, step: str, *, ended: bool) -> bytes:
        now = self.clock.now()
        return contents.encoded(
            LockContent(
                who=one_line(self.who, contents.MAX_WHO_CHARACTERS // 2),
                jobs=self.jobs,
                since=self._since or now,
                step=step,
                step_since=now,
                ended=ended,
                former_jobs=lease.former_jobs,
            )
        )


@contextmanager
def holding(deployment_lock: DeploymentLock, places: Sequence[LockPlace], *, wait_seconds: float) -> Iterator[None]:
    """Hold the lock in all of `places` within the block.

    If the block ends with an exception or with Ctrl-C, or after `jobs_go_on`, jobs of this deployment may still run.
    The blobs keep saying so.

    Args:
        deployment_lock: The lock.
        places: The places, in the order in which they are taken.
        wait_seconds: How long to wait in all for places that somebody else holds, 0 for no wait.

    Raises:
        RunbookError: The errors of DeploymentLock.take.
    """
    ended = False
    began = deployment_lock.clock.monotonic()
    try:
        for place in places:
            passed = deployment_lock.clock.monotonic() - began
            deployment_lock.take(place, wait_seconds=max(wait_seconds - passed, 0.0))
        yield
        ended = True
    finally:
        deployment_lock.give_back(ended=ended)


def _duration(seconds: float) -> str:
    whole = int(seconds)
    return f"{whole} s" if whole < 120 else f"{whole // 60} min {whole % 60:02d} s"
