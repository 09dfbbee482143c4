"""The step that gives the instance its first TLS certificate. `vibedata rotate-tls --due` tests it and renews it.

The step ends when the customer's vault has the certificate. A later step makes the gateway read it. Only then can a
handshake see it.
"""

from typing import TYPE_CHECKING

from publisher.certificates.plan import IssuanceRequest
from publisher.certificates.record import Issuance, Issuances
from publisher.dns_zone import place
from publisher.session import publisher_tables
from runbook_lib.basics.clock import SYSTEM_CLOCK
from runbook_lib.change import Plan
from vibedata.deployment.step import StepResult, stopwatch
from vibedata.deployment.work import DeploymentWork, ReleaseWork
from vibedata.rotation.certificate import certificate_rotation
from vibedata.rotation.drive import drive

if TYPE_CHECKING:
    from publisher.certificates.run import CertificateRun

NAME = "first_certificate"
RUNBOOK = "rotate_tls_certificate"
REQUEST = IssuanceRequest(until_installed=True)
# The publisher can order no certificate without these variables.
VARIABLES = (place.VARIABLE, "VIBEDATA_PUBLISHER_ACME_DIRECTORY")


def is_lacking(newest: Issuance | None) -> bool:
    """Return whether the instance has no certificate yet. newest: its last issuance, None for none. Pure.

    The deployment continues a first issuance that was interrupted. It leaves renewals alone.
    """
    return newest is None or (newest.open and not newest.known and not newest.reached("installed"))


def why_not_configured(work: ReleaseWork) -> str:
    """Return why no certificate can be ordered, "" if it can."""
    missing = [name for name in VARIABLES if not work.environ.get(name)]
    return f"not configured: the environment lacks {', '.join(missing)}" if missing else ""


def plan_certificate(work: ReleaseWork) -> Plan:
    """Return the changes of the whole first issuance, none if there is a certificate."""
    return _rotation(work).preview() if is_lacking(_newest(work)) else Plan()


def give_certificate(work: DeploymentWork) -> StepResult | None:
    """Order and install the first certificate.

    Returns:
        None if the instance has a certificate, or if none can be ordered. Then the deployment goes on without one.

    Raises:
        RunbookError: The same errors as of `certificate_rotation`.
    """
    why = why_not_configured(work)
    if why:
        work.report(f"{NAME}: {why}")
        return None
    if not is_lacking(_newest(work)):
        return None
    with stopwatch() as seconds:
        outcome = drive(
            _rotation(work),
            wait=False,
            report=lambda line: work.report(f"{NAME}: {line}"),
            redactor=work.session.redactor,
            clock=SYSTEM_CLOCK,
        )
    failed = outcome.failed
    if outcome.resume_at is not None:
        why = f": {outcome.why}" if outcome.why else ""
        work.report(f"{NAME}: `vibedata rotate-tls --due` goes on from {outcome.resume_at:%Y-%m-%d %H:%M} UTC{why}")
    return StepResult(
        name=NAME,
        status="failed" if failed else "succeeded",
        seconds=seconds(),
        changed=sum(each.outcome == "done" for each in outcome.results),
        error=failed.error.as_json() if failed and failed.error else None,
    )


def _newest(work: ReleaseWork) -> Issuance | None:
    session = work.session
    tables = publisher_tables(session.settings, session.clients, work.environ, SYSTEM_CLOCK)
    return Issuances(tables).newest(session.settings.instance_id)


def _rotation(work: ReleaseWork) -> "CertificateRun":
    return certificate_rotation(
        work.session, work.environ, REQUEST, work.view, correlation_id=work.deployment.correlation_id
    )
