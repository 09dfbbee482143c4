"""A thread that renews one lease for as long as its holder lives, and knows when it is lost."""

from collections.abc import Callable
from threading import Event, Lock, Thread

from runbook_lib.basics.clock import Clock
from runbook_lib.deployment_lock._leased_blob import LeaseLostError
from runbook_lib.deployment_lock.lapse import LeaseTime


class Renewal:
    """The renewal of one lease; for use by many threads. Once lost, a lease stays lost.

    Parameters: renew, raises LeaseLostError, or anything else where the service has not confirmed it; time, of the
    lease as it was acquired; clock.
    """

    def __init__(self, *, renew: Callable[[], None], time: LeaseTime, clock: Clock) -> None:
        self._renew = renew
        self._time = time
        self._clock = clock
        self._lock = Lock()
        self._lost = ""
        self._failure = ""
        self._ended = Event()
        # A daemon: when the main thread dies, the lease is to end with it.
        self._thread = Thread(target=self._run, name="lease renewal", daemon=True)

    def start(self) -> None:
        """Begin to renew."""
        self._thread.start()

    def end(self) -> None:
        """Renew no more. A renewal that is under way ends by itself."""
        self._ended.set()

    def why_lost(self) -> str:
        """Return why the lease may be somebody else's by now, "" while it is ours."""
        with self._lock:
            if not self._lost and self._time.has_lapsed(self._clock.monotonic()):
                last = f"; the last attempt: {self._failure}" if self._failure else ""
                self._lost = f"no renewal was confirmed for {self._time.seconds:g} s{last}"
            return self._lost

    def lose(self, why: str) -> None:
        """Count the lease as lost: the service has said so."""
        with self._lock:
            self._lost = self._lost or why

    def _run(self) -> None:
        failed = False
        while not self._ended.wait(self._time.pause(failed=failed)) and not self.why_lost():
            started = self._clock.monotonic()
            try:
                self._renew()
            except LeaseLostError as error:
                self.lose(str(error))
            except Exception as error:  # noqa: BLE001 - whatever it is, the lease ends unless a later attempt succeeds
                failed = True
                with self._lock:
                    self._failure = f"{type(error).__name__}: {error}".partition("\n")[0]
            else:
                failed = False
                with self._lock:
                    self._time = LeaseTime(seconds=self._time.seconds, confirmed_at=started)
