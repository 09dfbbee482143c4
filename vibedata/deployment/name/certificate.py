"""The two steps of the instance's first TLS certificate. `vibedata rotate-tls --due` renews it.

The first step ends when the customer's vault has the certificate. A later step makes the gateway read it. Only then can
a handshake see it. The handshake is the second step. It comes after all other steps that may fail. So a name that the
world does not know yet delays nothing else.
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
TEST = "certificate_test"
INSTALLED, TESTED = IssuanceRequest(until_installed=True), IssuanceRequest()
# The publisher can order no certificate without these variables.
VARIABLES = (place.VARIABLE, "VIBEDATA_PUBLISHER_ACME_DIRECTORY")


def is_lacking(newest: Issuance | None) -> bool:
    """Return whether the instance has no certificate yet. newest: its last issuance, None for none. Pure.

    The deployment continues a first issuance that was interrupted. It leaves renewals alone.
    """
    return newest is None or (newest.open and not newest.known and not newest.reached("installed"))


def is_untested(newest: Issuance | None) -> bool:
    """Return whether the instance has its first certificate, and its issuance is not over. Pure."""
    return newest is not None and newest.open and not newest.known and newest.reached("installed")


def why_not_configured(work: ReleaseWork) -> str:
    """Return why no certificate can be ordered, "" if it can."""
    missing = [name for name in VARIABLES if not work.environ.get(name)]
    return f"not configured: the environment lacks {', '.join(missing)}" if missing else ""


def plan_certificate(work: ReleaseWork) -> Plan:
    """Return the changes until the first certificate is installed, none if there is a certificate."""
    return _rotation(work, INSTALLED).preview() if is_lacking(_newest(work)) else Plan()


def plan_test(work: ReleaseWork, *, follows: bool) -> Plan:
    """Return the changes after the first certificate is installed. follows: the step before brings the certificate."""
    newest = _newest(work)
    if not is_untested(newest) and not (follows and is_lacking(newest)):
        return Plan()
    # The former step makes the first of these changes. This one makes the rest.
    former = len(_rotation(work, INSTALLED).preview().changes)
    return Plan(changes=_rotation(work, TESTED).preview().changes[former:])


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
    return _driven(work, NAME, INSTALLED) if is_lacking(_newest(work)) else None


def test_certificate(work: DeploymentWork) -> StepResult | None:
    """See by a handshake that the gateway serves the first certificate, and end its issuance.

    Return None if the first certificate is tested, or if there is none. Raises what `certificate_rotation` does.
    """
    if why_not_configured(work) or not is_untested(_newest(work)):
        return None
    return _driven(work, TEST, TESTED)


def _driven(work: DeploymentWork, name: str, request: IssuanceRequest) -> StepResult:
    with stopwatch() as seconds:
        outcome = drive(
            _rotation(work, request),
            wait=False,
            report=lambda line: work.report(f"{name}: {line}"),
            redactor=work.session.redactor,
            clock=SYSTEM_CLOCK,
        )
    failed = outcome.failed
    if outcome.resume_at is not None:
        why = f": {outcome.why}" if outcome.why else ""
        work.report(f"{name}: `vibedata rotate-tls --due` goes on from {outcome.resume_at:%Y-%m-%d %H:%M} UTC{why}")
    return StepResult(
        name=name,
        status="failed" if failed else "succeeded",
        seconds=seconds(),
        changed=sum(each.outcome == "done" for each in outcome.results),
        error=failed.error.as_json() if failed and failed.error else None,
    )


def _newest(work: ReleaseWork) -> Issuance | None:
    session = work.session
    tables = publisher_tables(session.settings, session.clients, work.environ, SYSTEM_CLOCK)
    return Issuances(tables).newest(session.settings.instance_id)


def _rotation(work: ReleaseWork, request: IssuanceRequest) -> "CertificateRun":
    return certificate_rotation(
        work.session, work.environ, request, work.view, correlation_id=work.deployment.correlation_id
    )
