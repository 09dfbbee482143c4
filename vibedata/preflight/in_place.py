"""Make every check that is possible before anything is published, with the login of the person who deploys."""

from collections.abc import Callable, Iterator, Mapping, Sequence

from runbook_lib.azure.session import AzureSession
from runbook_lib.preflight.finding import Finding
from runbook_lib.preflight.service_checks import check_services
from vibedata.preflight.identity_checks import check_identity
from vibedata.preflight.name_checks import check_name
from vibedata.preflight.network_checks import check_networks
from vibedata.preflight.provider_checks import check_providers
from vibedata.preflight.quota_checks import check_quotas

CHECKS: Sequence[Callable[[AzureSession], Iterator[Finding]]] = (
    check_networks,
    check_providers,
    check_quotas,
    check_identity,
)


def check_in_place(session: AzureSession, environ: Mapping[str, str]) -> tuple[Finding, ...]:
    """Return all findings, good and bad, in the order of the table. This only reads.

    environ: the environment variables. They have the publisher's settings.

    If Azure refuses to answer, the state is unknown, because the person who deploys needs fewer rights than the
    runbooks. An error that is not in the catalogue is a fault of this code. This function raises it.
    """
    return (
        *check_services(session, refused="unknown"),
        *(finding for check in CHECKS for finding in check(session)),
        *check_name(session, environ),
    )
