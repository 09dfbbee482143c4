"""The two steps of the instance's first TLS certificate. `vibedata rotate-tls --due` renews it.

The first step ends when the customer's vault has the certificate. A later step makes the gateway read it. Only then can
a handshake see it. The handshake is the second step. It comes after all other steps that may fail. So a name that the
world does not know yet delays nothing else.
"""

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from publisher.certificates.plan import IssuanceRequest, has_former
from publisher.certificates.record import Issuance, Issuances
from publisher.dns_zone import place
from publisher.session import publisher_tables
from runbook_lib.basics.clock import SYSTEM_CLOCK
from runbook_lib.change import Plan
from runbook_lib.network.failures import as_runbook_error
from runbook_lib.tls_certificate.vault import CertificateVault
from vibedata.deployment.step import StepResult, stopwatch
from vibedata.deployment.work import DeploymentWork, ReleaseWork
from vibedata.rotation.certificate import AUTHORITY_VARIABLE, certificate_rotation
from vibedata.rotation.drive import drive

if TYPE_CHECKING:
    from publisher.certificates.run import CertificateRun

NAME = "first_certificate"
TEST = "certificate_test"
# The step between the two. After it, the gateway reads the vault.
GATEWAY = "configure_gateway"
# The publisher can order no certificate without these variables.
VARIABLES = (place.VARIABLE, AUTHORITY_VARIABLE)


@dataclass(frozen=True, slots=True, kw_only=True)
class Seen:
    """What is known of an instance's certificate.

    Attributes:
        host: The instance's public name.
        newest: The instance's last issuance in the publisher's record, None for none.
        held: Whether the customer's vault has a certificate, None if the vault cannot be read from here.
    """

    host: str
    newest: Issuance | None
    held: bool | None

    @property
    def lost(self) -> bool:
        """Whether the vault has no certificate, whatever the record says. So it is after a new installation."""
        return self.newest is not None and self.held is False

    @property
    def lacking(self) -> bool:
        """Whether the instance has no certificate for its name yet.

        The deployment continues a first issuance that was interrupted. It leaves renewals alone.
        """
        newest = self.newest
        if newest is None or newest.host != self.host or self.lost:
            return True
        if not newest.open:
            return not newest.not_after
        return not newest.known and not newest.reached("installed")


def is_untested(newest: Issuance | None) -> bool:
    """Return whether the vault has its first certificate, and its issuance is not over. Pure."""
    return newest is not None and newest.open and newest.reached("installed") and not has_former(newest)


def why_not_configured(work: ReleaseWork) -> str:
    """Return why no certificate can be ordered, "" if it can."""
    missing = [name for name in VARIABLES if not work.environ.get(name)]
    return f"not configured: the environment lacks {', '.join(missing)}" if missing else ""


def plan_certificate(work: ReleaseWork) -> Plan:
    """Return the changes until the first certificate is installed, none if there is a certificate."""
    seen = _look(work)
    return _rotation(work, _installing(seen)).preview() if seen.lacking else Plan()


def plan_test(work: ReleaseWork, *, follows: bool) -> Plan:
    """Return the changes after the first certificate is installed. follows: the step before brings the certificate."""
    seen = _look(work)
    if not (follows and seen.lacking):
        return _rotation(work, _testing(work)).preview() if is_untested(seen.newest) and not seen.lost else Plan()
    # The former step makes the first of these changes. This one makes the rest.
    former = len(_rotation(work, _installing(seen)).preview().changes)
    return Plan(changes=_rotation(work, replace(_testing(work), lost=seen.lost)).preview().changes[former:])


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
    seen = _look(work)
    return _driven(work, NAME, _installing(seen)) if seen.lacking else None


def test_certificate(work: DeploymentWork) -> StepResult | None:
    """See by a handshake that the gateway serves the first certificate, and end its issuance.

    Return None if the first certificate is tested, or if there is none. Raises what `certificate_rotation` does.
    """
    if why_not_configured(work):
        return None
    seen = _look(work)
    return _driven(work, TEST, _testing(work)) if is_untested(seen.newest) and not seen.lost else None


def _installing(seen: Seen) -> IssuanceRequest:
    return IssuanceRequest(until_installed=True, lost=seen.lost)


def _testing(work: ReleaseWork) -> IssuanceRequest:
    return IssuanceRequest(configured=GATEWAY in work.chosen)


def _driven(work: DeploymentWork, name: str, request: IssuanceRequest) -> StepResult:
    with stopwatch() as seconds:
        outcome = drive(
            _rotation(work, request),
            wait=False,
            report=lambda line: work.report(f"{name}: {line}"),
            redactor=work.session.redactor,
            clock=SYSTEM_CLOCK,
            check=lambda: work.lock.begin(name),
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


def _look(work: ReleaseWork) -> Seen:
    """Return what the publisher's record and the customer's vault say.

    A person who starts a deployment needs no right on the customer's vault. If the vault cannot be read, the record
    decides.
    """
    session = work.session
    host = session.settings.public_host
    tables = publisher_tables(session.settings, session.clients, work.environ, SYSTEM_CLOCK)
    newest = Issuances(tables).newest(session.settings.instance_id)
    if newest is None:
        return Seen(host=host, newest=None, held=None)
    vault = CertificateVault(client=session.clients.certificates, clock=session.clock, host=host)
    try:
        held = vault.current() is not None
    except Exception as error:
        named = as_runbook_error(error)
        if named is None:
            raise
        work.report(f"{NAME}: the customer's certificate cannot be seen from here: {named.code}")
        return Seen(host=host, newest=newest, held=None)
    return Seen(host=host, newest=newest, held=held)


def _rotation(work: ReleaseWork, request: IssuanceRequest) -> "CertificateRun":
    return certificate_rotation(
        work.session, work.environ, request, work.view, correlation_id=work.deployment.correlation_id
    )
