"""Measure the requests and the time of a rotation: the first key, the next key, and the token.

The count has no polls of jobs, because they depend on the jobs' duration. The time has no overlap and no grace, because
nothing happens in them.
"""

import os
import time
from collections import Counter
from collections.abc import Mapping, Sequence
from typing import Any

from bench.customer import Customer, customer, unwatched
from bench.figures import Figure
from publisher.rotation.acr_token import Facts as TokenFacts
from publisher.rotation.acr_token_credential import acr_token_rotation_run
from publisher.rotation.hmac_key import Facts as KeyFacts
from publisher.rotation.hmac_key_credential import hmac_key_rotation
from publisher.rotation.plan import RotationRequest
from publisher.rotation.run import RotationRun
from publisher.session import publisher_clients, publisher_tables, subscription_clients, token_resource
from runbook_lib.basics.clock import SYSTEM_CLOCK
from vibedata import lab_process
from vibedata.output import CommandError
from vibedata.progress import WriteLine
from vibedata.rotation.command import jobs_of
from vibedata.rotation.drive import Rotating, drive

# Five phases of some 25 requests each, with tokens and the log, and some 40 requests of the publisher's own.
AIM = 200
REQUEST = RotationRequest(overlap_seconds=0)


def measure(report: WriteLine) -> list[Figure]:
    """Rotate the key twice and the token once, and return requests and seconds of each."""
    with customer(images=1, report=report) as one:
        for runbook in ("import_manifest", "import_images", "publish_runbooks"):
            one.run(runbook)
        figures = []
        for name, rotating in (
            ("first key", _key(one)),
            ("next key", _key(one)),
            ("token", _token(one)),
        ):
            report(f"rotating: {name}")
            figures += _measured(name, one, rotating)
    return figures


def _measured(name: str, one: Customer, rotating: Rotating) -> list[Figure]:
    before = len(journal(one))
    started = time.monotonic()
    outcome = drive(rotating, wait=True, report=lambda _line: None, redactor=one.session.redactor, clock=SYSTEM_CLOCK)
    seconds = time.monotonic() - started
    failed = outcome.failed
    if failed is not None:
        raise CommandError(f"the rotation failed: {failed.error}", remedy="vibedata rotate-hmac, in a lab of your own")
    counted = Counter(kind for entry in journal(one)[before:] if (kind := kind_of(entry)))
    note = ", ".join(f"{kind} {count}" for kind, count in counted.most_common())
    return [
        Figure(name=f"rotation, {name}: requests", value=sum(counted.values()), unit="", aim=AIM, note=note),
        Figure(name=f"rotation, {name}: time", value=round(seconds, 2), unit="s", aim=None, note="five jobs"),
    ]


def kind_of(entry: Mapping[str, Any]) -> str:
    """Return which side called which service, "" for a poll of a job and for requests of the callback API itself."""
    if entry["job_id"] is None and entry["service"] == "arm" and entry["method"] == "GET" and "/jobs/" in entry["path"]:
        return ""
    who = "job" if entry["job_id"] else "publisher"
    return f"{who}: {entry['service']}"


def journal(one: Customer) -> Sequence[Mapping[str, Any]]:
    """Return all requests that the lab has recorded."""
    requests: list[Mapping[str, Any]] = lab_process.control(one.lab, "GET", "/requests", seconds=60)["requests"]
    return requests


def _key(one: Customer) -> RotationRun[KeyFacts]:
    return hmac_key_rotation(
        instance_id=one.session.settings.instance_id,
        request=REQUEST,
        clients=publisher_clients(one.session.settings, one.session.clients, os.environ, SYSTEM_CLOCK),
        run_runbook=jobs_of(one.session, unwatched()),
        redactor=one.session.redactor,
        clock=SYSTEM_CLOCK,
        grace_seconds=0.0,
    )


def _token(one: Customer) -> RotationRun[TokenFacts]:
    token = token_resource(os.environ)
    settings, clients = one.session.settings, one.session.clients
    return acr_token_rotation_run(
        instance_id=settings.instance_id,
        request=REQUEST,
        tables=publisher_tables(settings, clients, os.environ, SYSTEM_CLOCK),
        subscription=subscription_clients(settings, clients, token.subscription_id, SYSTEM_CLOCK),
        token=token,
        run_runbook=jobs_of(one.session, unwatched()),
        redactor=one.session.redactor,
        clock=SYSTEM_CLOCK,
    )
