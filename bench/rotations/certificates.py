"""Measure the time and the requests of a certificate: the first one, a renewal, and a run that finds nothing due.

The count has no polls of jobs, because they depend on the jobs' duration. The time has no wait for the gateway and no
overlap, because nothing happens in them.
"""

import os
import time
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import timedelta

from bench.customer import Customer, customer, unwatched
from bench.figures import Figure
from bench.rotations.credentials import journal, kind_of
from publisher.certificates.plan import IssuanceRequest
from publisher.certificates.record import Issuances
from publisher.session import publisher_tables
from runbook_lib.basics.clock import SYSTEM_CLOCK, rfc3339
from runbook_lib.tls_certificate.rules import OVERLAP_SECONDS
from vibedata import lab_process
from vibedata.output import CommandError
from vibedata.progress import WriteLine
from vibedata.rotation.certificate import certificate_rotation
from vibedata.rotation.drive import drive

ARM_SECONDS, QUEUE_SECONDS = 0.15, 30.0
LATENCIES: tuple[Mapping[str, object], ...] = (
    {"service": "arm", "seconds": ARM_SECONDS},
    {"operation": "jobQueue", "seconds": QUEUE_SECONDS},
)
# How many phases are jobs, one after the other. A first certificate replaces no other one, so nothing is retired.
FIRST_JOBS, RENEWAL_JOBS = 3, 4
# A renewal waits before these phases: for the gateway, and for the end of the overlap.
WAITS = ("test", "retire")
PATH_AIM = 1.5


@dataclass(frozen=True, slots=True)
class Driven:
    """What runs have cost: seconds, and the number of requests for each side that called and each service."""

    seconds: float
    requests: Counter[str]

    def __add__(self, other: "Driven") -> "Driven":
        """Return the cost of both."""
        return Driven(self.seconds + other.seconds, self.requests + other.requests)


def measure(report: WriteLine, *, latencies: Sequence[Mapping[str, object]] = LATENCIES) -> list[Figure]:
    """Order a first certificate, do two runs that issue nothing, and renew the certificate, with latencies."""
    with customer(images=1, report=report) as one:
        for runbook in ("import_manifest", "import_images", "publish_runbooks"):
            one.run(runbook)
        for latency in latencies:
            one.slow_down(**latency)
        report("the first certificate")
        first = _driven(one, IssuanceRequest(until_installed=True))
        one.run("configure_gateway")
        first += _driven(one, IssuanceRequest())
        report("a look that asks for the renewal's window, and one with nothing due")
        asks, looks = _driven(one, IssuanceRequest()), _driven(one, IssuanceRequest())
        report("a renewal")
        renewal = _driven(one, IssuanceRequest(now=True))
        for _ in WAITS:
            lab_process.control(one.lab, "POST", "/gateway", body={"poll": True})
            _let_time_pass(one)
            renewal += _driven(one, IssuanceRequest())
    queue = sum(float(str(each["seconds"])) for each in latencies)
    return [
        *_issued("first certificate", first, FIRST_JOBS * queue),
        *_issued("certificate's renewal", renewal, RENEWAL_JOBS * queue),
        *_looked("asks for the renewal's window", asks),
        *_looked("has nothing due", looks),
    ]


def _driven(one: Customer, request: IssuanceRequest) -> Driven:
    before, started = len(journal(one)), time.monotonic()
    rotating = certificate_rotation(one.session, os.environ, request, unwatched())
    redactor = one.session.redactor
    outcome = drive(rotating, wait=False, report=lambda _line: None, redactor=redactor, clock=SYSTEM_CLOCK)
    seconds = time.monotonic() - started
    if outcome.failed is not None:
        raise CommandError(
            f"the issuance failed: {outcome.failed.error}", remedy="vibedata rotate-tls, in a lab of your own"
        )
    return Driven(seconds, Counter(kind for entry in journal(one)[before:] if (kind := kind_of(entry))))


def _let_time_pass(one: Customer) -> None:
    """Change the record as if the gateway had had its time, and the overlap were over."""
    settings = one.session.settings
    issuances = Issuances(publisher_tables(settings, one.session.clients, os.environ, SYSTEM_CLOCK))
    newest = issuances.newest(settings.instance_id)
    long_ago = rfc3339(SYSTEM_CLOCK.now() - timedelta(seconds=2 * OVERLAP_SECONDS))
    if newest is None or not issuances.change(replace(newest, installed_at=long_ago, retire_after=long_ago)):
        raise CommandError("the renewal is not recorded", remedy="vibedata rotate-tls, in a lab of your own")


def _issued(name: str, cost: Driven, path: float) -> list[Figure]:
    note = f"{cost.seconds:.0f} s over {path:.0f} s: each job waits {QUEUE_SECONDS:.0f} s in the queue"
    return [
        Figure(
            name=f"{name}, over the critical path",
            value=round(cost.seconds / path, 3),
            unit="",
            aim=PATH_AIM,
            note=note,
        ),
        Figure(name=f"{name}: requests", value=cost.requests.total(), unit="", aim=None, note=_told(cost)),
    ]


def _looked(name: str, cost: Driven) -> list[Figure]:
    return [
        Figure(name=f"a look that {name}", value=round(cost.seconds, 2), unit="s", aim=None, note="with latencies"),
        Figure(name=f"a look that {name}: requests", value=cost.requests.total(), unit="", aim=None, note=_told(cost)),
    ]


def _told(cost: Driven) -> str:
    return ", ".join(f"{kind} {count}" for kind, count in cost.requests.most_common())
