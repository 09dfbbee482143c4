"""Holding the lock of a deployment: one leased blob, or several in a fixed order.

1. The blobs are leased in the order given, and given back in reverse. Who cannot have the second gives the first back.
2. Each lease is renewed by a thread of its own. It ends by itself some 60 s after its holder has died.
3. A step begins only after the service has taken the step's name under each lease. A holder that has lost one, by the
   service's word or by its own clock, begins no further step.
4. Who takes a lock finds in the blob what the former holder wrote. Where that one did not end by itself, its jobs may
   still run: `former_jobs` names them, and the blob goes on naming them until they are known to have ended. Who dies
   before that leaves their name to the next.
"""

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

# Between two attempts to get a lock that somebody else holds.
POLL_SECONDS = 5.0
# Whoever waits is told so after so long: with the pause before it, every 15 s at the least.
TELL_SECONDS = 10.0
# The steps before those of the chain.
TAKING, FORMER_JOBS = "lock", "former jobs"

WriteLine = Callable[[str], None]


@dataclass(slots=True, kw_only=True)
class _Lease:
    """One place's lease. renewal: None before it is ours. former_jobs: what its former holder may have left."""

    place: LockPlace
    blob: LeasedBlob
    renewal: Renewal | None = None
    former_jobs: DeploymentJobs | None = None


@dataclass(slots=True, kw_only=True)
class DeploymentLock:
    """The lock of one deployment. Use `holding`, which gives it back.

    who: holds it, for people. jobs: those that the holder starts. report: told of waiting, and of what went wrong in
    giving back. lease_seconds: 15 to 60; only tests use less than LEASE_SECONDS.
    """

    who: str
    jobs: DeploymentJobs
    clock: Clock
    report: WriteLine
    lease_seconds: int = LEASE_SECONDS
    _leases: list[_Lease] = field(default_factory=list)
    _since: datetime | None = None
    _has_begun: bool = False

    def former_jobs(self) -> tuple[DeploymentJobs, ...]:
        """Return the deployments whose jobs may still run although they no longer hold the lock."""
        found = (lease.former_jobs for lease in self._leases)
        return tuple(dict.fromkeys(jobs for jobs in found if jobs is not None))

    def former_jobs_ended(self) -> None:
        """Take note that none of `former_jobs` runs any more."""
        for lease in self._leases:
            lease.former_jobs = None

    def begin(self, step: str) -> None:
        """Begin a step: each blob says so. step: small letters, digits, spaces and underscores.

        Raises RunbookError VD-LOCK-002 where a lease is lost, and azure.core's errors where the service does not
        confirm the step: it is not to begin then.
        """
        self.check()
        self._has_begun = True
        for lease in self._leases:
            self._write(lease, step)

    def check(self) -> None:
        """Raise RunbookError VD-LOCK-002 where a lease is lost, as far as is known without asking the service."""
        for lease in self._leases:
            why = lease.renewal.why_lost() if lease.renewal is not None else ""
            if why:
                raise deployment.LOCK_LOST.error(why, target=lease.place.name)

    def is_lost(self) -> bool:
        """Return whether a lease is lost, as `check` knows it."""
        return any(lease.renewal is not None and lease.renewal.why_lost() for lease in self._leases)

    def take(self, place: LockPlace, *, wait_seconds: float) -> None:
        """Get one place's lease, and say there who has it.

        Raises RunbookError VD-LOCK-001 where somebody else holds it, for longer than `wait_seconds`; -002; and
        azure.core's errors.
        """
        lease = _Lease(place=place, blob=LeasedBlob(place, lease_seconds=self.lease_seconds))
        # Before it is ours: where the answer is lost, or Ctrl-C comes now, it may be, and is given back.
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
        self._write(lease, TAKING)

    def give_back(self, *, ended: bool) -> None:
        """Give back every lease, the last first. ended: none of this deployment's jobs runs any more.

        A failure is reported and not raised: the lease ends by itself.
        """
        for lease in reversed(self._leases):
            try:
                self._give_back(lease, ended=ended)
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
                if not lease.renewal.why_lost() and (ended or not self._has_begun):
                    lease.blob.write(self._content(lease, "ended", ended=True))
        except LeaseLostError as error:
            self.report(f"WARNING: {lease.place.name} was lost before it was given back: {error}")
        finally:
            # Where it is lost, too: the service may still count it as ours.
            lease.blob.release()

    def _acquire(self, lease: _Lease, wait_seconds: float) -> float:
        """Return the monotonic time at which the request began that has got the lease."""
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
                self.report(f"waiting for {lease.place.name}, {_duration(waited)} of {_duration(wait_seconds)}: {who}")
            self.clock.sleep(min(POLL_SECONDS, wait_seconds - waited))
            self.check()

    def _holder_of(self, lease: _Lease) -> str:
        """Return who holds a lease that is not ours, as far as its blob tells."""
        try:
            found = contents.read_content(lease.blob.read())
        except NotALocksContentError as error:
            return f"held by somebody whose entry cannot be read: {error}"
        if found is None or found.ended:
            return "held by somebody who has just taken it and is about to say who it is"
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

    wait_seconds: how long to wait for each that somebody else holds, 0 for not at all.

    A block that ends by an exception, or by Ctrl-C, may leave jobs of this deployment behind: the blobs go on saying
    so. Raises what DeploymentLock.take raises.
    """
    ended = False
    try:
        for place in places:
            deployment_lock.take(place, wait_seconds=wait_seconds)
        yield
        ended = True
    finally:
        deployment_lock.give_back(ended=ended)


def _duration(seconds: float) -> str:
    whole = int(seconds)
    return f"{whole} s" if whole < 120 else f"{whole // 60} min {whole % 60:02d} s"
