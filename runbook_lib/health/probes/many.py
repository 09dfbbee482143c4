"""Run probes of many components side by side. Each has a deadline, and all together have one. None can delay the run.

A probe is one attempt, and the network retry policy does not apply: three retries would hide the failures that a probe
looks for, and a hanging component would cost four deadlines. The rules decide that one failure is not an outage.
"""

import http.client
import socket
import ssl
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

from runbook_lib.basics.clock import Clock
from runbook_lib.health.probes.connection import AddressRefusedError
from runbook_lib.health.rules import Observation
from runbook_lib.network.deadline import Deadline
from runbook_lib.workers import Workers

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
    end = clock.monotonic() + all_seconds
    workers = Workers(lambda number: observe(probes[number], clock), count=len(probes), monotonic=clock.monotonic)
    workers.start(min(at_once, len(probes)))
    ended: dict[int, Observation] = {}
    while len(ended) < len(probes):
        # When each is to be left behind.
        until = {
            number: begun + probes[number].seconds + GRACE_SECONDS for number, begun in workers.in_flight().items()
        }
        # As long as nothing can be overdue.
        patience = min([*until.values(), end]) - clock.monotonic()
        arrived = workers.arrived(within=min(max(0.01, patience), GRACE_SECONDS))
        if arrived is not None:
            ended.setdefault(*arrived)
        now = clock.monotonic()
        for number, at in until.items():
            if at <= now and workers.leave_behind(number):
                ended.setdefault(number, _too_late(probes[number].seconds))
        if now >= end:
            ended |= dict.fromkeys(workers.take_waiting(), NOT_REACHED)
        on_progress(f"{len(ended)} of {len(probes)} components looked at")
    return [ended[number] for number in range(len(probes))]


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
        (http.client.HTTPException, lambda failed: f"its answer is not HTTP: {type(failed).__name__}"),
    )
    for kind, told in words:
        if isinstance(error, kind):
            return told(error)
    return f"the probe itself failed: {type(error).__name__}"


def _too_late(seconds: float) -> Observation:
    return Observation("fails", f"no whole answer within {seconds:g} s")
