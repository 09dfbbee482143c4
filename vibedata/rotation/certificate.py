"""One run of `vibedata rotate-tls` for an instance: how its parts are made from the environment, and its result."""

import os
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from publisher.certificates.attempts import Attempts
from publisher.certificates.plan import IssuanceRequest
from publisher.certificates.record import Issuance, Issuances
from publisher.dns_zone.place import dns_client, zone_of
from publisher.dns_zone.record_sets import RecordSets
from publisher.rotation.customer_phases import RunRunbook
from publisher.rotation.driven import Random
from publisher.session import publisher_clients, setting
from runbook_lib.azure.clients import AzureClients
from runbook_lib.azure.session import AzureSession
from runbook_lib.basics.clock import SYSTEM_CLOCK, Clock, rfc3339
from runbook_lib.basics.forms import URL
from runbook_lib.network.retry import NetworkRetryPolicy
from vibedata.progress_view.writer import View
from vibedata.rotation.command import jobs_of
from vibedata.rotation.drive import DriveOutcome

if TYPE_CHECKING:
    from publisher.certificates.run import CertificateRun

AUTHORITY_VARIABLE = "VIBEDATA_PUBLISHER_ACME_DIRECTORY"


def certificate_rotation(
    session: AzureSession,
    environ: Mapping[str, str],
    request: IssuanceRequest,
    view: View,
    *,
    correlation_id: str = "",
) -> "CertificateRun":
    """Return one run for the session's instance.

    Args:
        session: The access to the instance.
        environ: The environment variables.
        request: The operator's request.
        view: Shows the jobs.
        correlation_id: See vibedata.rotation.command.jobs_of.

    Raises:
        RunbookError: VD-SETTINGS-005 or VD-SETTINGS-002 if a setting of the publisher is missing or malformed.
    """
    return certificate_run(
        instance_id=session.settings.instance_id,
        host=session.settings.public_host,
        request=request,
        clients=publisher_clients(session.settings, session.clients, environ, SYSTEM_CLOCK),
        arm_endpoint=session.settings.arm_endpoint,
        environ=environ,
        run_runbook=jobs_of(session, view, correlation_id=correlation_id),
        clock=SYSTEM_CLOCK,
    )


def certificate_run(
    *,
    instance_id: str,
    host: str,
    request: IssuanceRequest,
    clients: AzureClients,
    arm_endpoint: str,
    environ: Mapping[str, str],
    run_runbook: RunRunbook,
    clock: Clock,
    random: Random = os.urandom,
) -> "CertificateRun":
    """Return one run for one instance.

    Args:
        instance_id: The instance.
        host: The instance's public name.
        request: The operator's request.
        clients: Clients of the publisher's vault and tables.
        arm_endpoint: The endpoint of ARM.
        environ: The environment variables. They name the publisher's zone and the authority.
        run_runbook: Runs a phase at the customer's.
        clock: Gives the time.
        random: Returns random bytes.

    Raises:
        RunbookError: The same errors as of `certificate_rotation`.
    """
    # certbot's client takes a quarter of a second to import. Only a run that needs it does so.
    from publisher.certificates.account import account_key
    from publisher.certificates.authority import Authority
    from publisher.certificates.challenge import Dns01
    from publisher.certificates.run import CertificateRun

    zone = zone_of(environ)
    client = dns_client(
        zone,
        arm_endpoint=arm_endpoint,
        credential=clients.credential,
        session=clients.session,
        retry_policy_source=NetworkRetryPolicy,
        clock=clock,
    )
    authority = Authority(
        directory=setting(environ, "acme_directory", URL),
        key=lambda: account_key(clients),
        session=clients.session,
        policy=NetworkRetryPolicy,
        clock=clock,
    )
    return CertificateRun(
        instance_id=instance_id,
        host=host,
        request=request,
        issuances=Issuances(clients.table_service),
        attempts=Attempts(clients.table_service, zone.name, authority.host),
        authority=authority,
        challenge=Dns01(RecordSets(zone, client), clock, instance_id=instance_id),
        run_runbook=run_runbook,
        clock=clock,
        random=random,
    )


def result_json(newest: Issuance | None, outcome: DriveOutcome) -> dict[str, Any]:
    """Return a run's result for programs."""
    failed = outcome.failed
    if failed and newest and not newest.open:
        newest = None  # an earlier run began this issuance, and this run has begun none
    return {
        "status": "failed" if failed else "waiting" if outcome.resume_at else "succeeded",
        "host": newest.host if newest else None,
        "rotation_id": newest.rotation_id if newest else None,
        "state": newest.customer if newest else None,
        "not_after": (newest.not_after or None) if newest else None,
        "renewal_due": rfc3339(newest.due) if newest and newest.due else None,
        "changed": sum(each.outcome == "done" for each in outcome.results),
        "changes": [{**each.change.as_json(), "outcome": each.outcome} for each in outcome.results],
        "next": rfc3339(outcome.resume_at) if outcome.resume_at else None,
        "why": outcome.why or None,
        "error": failed.error.as_json() if failed and failed.error else None,
    }


def result_text(result: Mapping[str, Any], resume: str) -> str:
    """Return a run's result for people. resume: the command line that continues an open rotation."""
    if result["rotation_id"] is None:
        return "Nothing was begun. Correct the cause, then run the same command again."
    lines = [f"{result['host']}: the certificate is {result['state']} at the customer's."]
    if result["state"] == "none":
        lines = [f"{result['host']}: the customer's vault has made no signing request yet."]
    if result["not_after"]:
        lines.append(f"It is valid until {result['not_after']}; its renewal is due at {result['renewal_due']}.")
    if result["status"] == "failed":
        lines.append(f"It is not finished. `{resume}` goes on where this run ended.")
    elif result["next"]:
        why = f" ({result['why']})" if result["why"] else ""
        lines.append(f"There is nothing to do before {result['next']}{why}. `vibedata rotate-tls --due` goes on then.")
    return "\n".join(lines)
