"""Run probes of many components side by side. Each has a deadline, and all together have one. None can delay the run.

A probe is one attempt, and the network retry policy does not apply: three retries would hide the failures that a probe
looks for, and a hanging component would cost four deadlines. The rules decide that one failure is not an outage.
"""

import http.client
import socket
import ssl
from collections import deque
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from queue import Empty, SimpleQueue
from threading import Lock, Thread
from typing import Any

from runbook_lib.basics.clock import Clock
from runbook_lib.health.probes.connection import AddressRefusedError
from runbook_lib.health.rules import Observation
from runbook_lib.network.deadline import Deadline

# All jobs of a sandbox together have 1,000 sockets (docs/azure-facts.md#python-and-its-limits).
PROBES_AT_ONCE = 64
# The deadline of a probe if the release manifest does not say it.
PROBE_SECONDS = 10.0
# No probe begins after this. A thousand components that all hang for PROBE_SECONDS take 160 s.
ALL_SECONDS = 600.0
# A probe that does not end within this time after its deadline (a name that never resolves) is abandoned.
GRACE_SECONDS = 0.5

NOT_REACHED = Observation("not_reached", f"not looked at: the check ended after {ALL_SECONDS:g} s")


@dataclass(frozen=True, slots=True, kw_only=True)
class Probe:
    """One probe. `seconds` is its deadline. `look` raises OSError or http.client.HTTPException for a failure."""

    seconds: float
    look: Callable[[Deadline], Observation]


def run_probes(
    probes: Sequence[Probe],
    *,
    clock: Clock,
    on_progress: Callable[[str], None],
    at_once: int = PROBES_AT_ONCE,
    all_seconds: float = ALL_SECONDS,
) -> list[Observation]:
    """Return the observation of each probe, in the given order. They also begin in this order.

    It ends at the latest `all_seconds` and one probe's deadline after its beginning. It calls `on_progress` now and
    then.
    """
    return _Run(probes, clock, all_seconds).observations(at_once, on_progress)


class _Run:
    """Running probes. Workers are daemon threads: an abandoned one must not keep the process alive."""

    def __init__(self, probes: Sequence[Probe], clock: Clock, all_seconds: float) -> None:
        self._probes = probes
        self._clock = clock
        self._end = clock.monotonic() + all_seconds
        self._waiting = deque(range(len(probes)))
        # Index -> when the probe is abandoned.
        self._in_flight: dict[int, float] = {}
        self._lock = Lock()
        self._arrived: SimpleQueue[tuple[int, Observation]] = SimpleQueue()

    def observations(self, at_once: int, on_progress: Callable[[str], None]) -> list[Observation]:
        ended: dict[int, Observation] = {}
        for _ in range(min(at_once, len(self._probes))):
            self._start_worker()
        while len(ended) < len(self._probes):
            try:
                index, seen = self._arrived.get(timeout=self._patience())
            except Empty:
                pass
            else:
                ended.setdefault(index, seen)
            for index in self._overdue():
                ended.setdefault(index, _too_late(self._probes[index].seconds))
                self._start_worker()
            if self._clock.monotonic() >= self._end:
                ended |= dict.fromkeys(self._take_waiting(), NOT_REACHED)
            on_progress(f"{len(ended)} of {len(self._probes)} components looked at")
        return [ended[index] for index in range(len(self._probes))]

    def _start_worker(self) -> None:
        Thread(target=self._work_off, daemon=True).start()

    def _patience(self) -> float:
        """Return the seconds until a probe can be overdue."""
        with self._lock:
            until = min([*self._in_flight.values(), self._end])
        return min(max(0.01, until - self._clock.monotonic()), GRACE_SECONDS)

    def _overdue(self) -> list[int]:
        now = self._clock.monotonic()
        with self._lock:
            late = [index for index, until in self._in_flight.items() if until <= now]
            for index in late:
                del self._in_flight[index]
        return late

    def _take_waiting(self) -> list[int]:
        with self._lock:
            taken = list(self._waiting)
            self._waiting.clear()
        return taken

    def _work_off(self) -> None:
        while True:
            with self._lock:
                if not self._waiting:
                    return
                index = self._waiting.popleft()
                probe = self._probes[index]
                self._in_flight[index] = self._clock.monotonic() + probe.seconds + GRACE_SECONDS
            seen = observe(probe, self._clock)
            with self._lock:
                left_behind = self._in_flight.pop(index, None) is None
            if left_behind:
                return  # another worker has replaced this one
            self._arrived.put((index, seen))


def observe(probe: Probe, clock: Clock) -> Observation:
    """Return the observation of a probe. Any failure is an observation, too."""
    try:
        return probe.look(Deadline(clock, probe.seconds))
    except TimeoutError:
        return _too_late(probe.seconds)
    except Exception as error:  # noqa: BLE001 - in a worker's thread; without an observation the run would wait
        return Observation("fails", _words(error))


def _words(error: Exception) -> str:
    """Return what went wrong. The more special kinds come first."""
    words: tuple[tuple[type[Exception], Callable[[Any], str]], ...] = (
        (AddressRefusedError, lambda refused: f"not asked: {refused}, which is no address of an application"),
        (ssl.SSLCertVerificationError, lambda refused: f"its certificate is not accepted: {refused.verify_message}"),
        (ssl.SSLError, lambda failed: f"no TLS: {failed.reason or type(failed).__name__}"),
        (socket.gaierror, lambda failed: f"its name does not resolve: {failed.strerror}"),
        (ConnectionRefusedError, lambda _: "refuses the connection"),
        (OSError, lambda failed: f"the connection broke: {type(failed).__name__}"),
        (http.client.IncompleteRead, lambda _: "its answer is cut short"),
        (http.client.HTTPException, lambda failed: f"answers what is no HTTP: {type(failed).__name__}"),
    )
    for kind, told in words:
        if isinstance(error, kind):
            return told(error)
    return f"the probe itself failed: {type(error).__name__}"


def _too_late(seconds: float) -> Observation:
    return Observation("fails", f"no whole answer within {seconds:g} s")
