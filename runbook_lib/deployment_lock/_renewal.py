"""A thread that renews one lease as long as its holder lives. It notices if the lease is lost."""

from collections.abc import Callable
from threading import Event, Lock, Thread

from runbook_lib.basics.clock import Clock
from runbook_lib.deployment_lock._leased_blob import LeaseLostError
from runbook_lib.deployment_lock.lapse import LeaseTime


class Renewal:
    """The renewal of one lease. Many threads may use it. A lost lease stays lost.

    Args:
        renew: Renews the lease. It raises LeaseLostError, or any other exception if the service has not confirmed it.
        time: The time of the lease when it was acquired.
        clock: Gives the time.
    """

    def __init__(self, *, renew: Callable[[], None], time: LeaseTime, clock: Clock) -> None:
        self._renew = renew
        self._time = time
        self._clock = clock
        self._lock = Lock()
        self._lost = ""
        self._failure = ""
        self._ended = Event()
        # This is a daemon thread. When the main thread dies, the lease must end, too.
        self._thread = Thread(target=self._run, name="lease renewal", daemon=True)

    def start(self) -> None:
        """Begin to renew."""
        self._thread.start()

    def end(self) -> None:
        """Stop renewing. If a renewal has begun, it ends by itself."""
        self._ended.set()

    def why_lost(self) -> str:
        """Return why somebody else may have the lease by now, "" as long as it is ours."""
        with self._lock:
            if not self._lost and self._time.has_lapsed(self._clock.monotonic()):
                last = f"; the last attempt: {self._failure}" if self._failure else ""
                self._lost = f"no renewal was confirmed for {self._time.seconds:g} s{last}"
            return self._lost

    def lose(self, why: str) -> None:
        """Count the lease as lost, because the service has said so."""
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
            except Exception as error:  # noqa: BLE001 - the lease then ends, unless a later attempt succeeds
                failed = True
                with self._lock:
                    self._failure = f"{type(error).__name__}: {error}".partition("\n")[0]
            else:
                failed = False
                with self._lock:
                    self._time = LeaseTime(seconds=self._time.seconds, confirmed_at=started)
