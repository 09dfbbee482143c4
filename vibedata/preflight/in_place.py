"""Every check that can be made before anything is published, by the login of whoever deploys."""

from collections.abc import Callable, Iterator, Sequence

from runbook_lib.azure.session import AzureSession
from runbook_lib.preflight.finding import Finding
from runbook_lib.preflight.service_checks import check_services
from vibedata.preflight.identity_checks import check_identity
from vibedata.preflight.network_checks import check_networks
from vibedata.preflight.provider_checks import check_providers
from vibedata.preflight.quota_checks import check_quotas

CHECKS: Sequence[Callable[[AzureSession], Iterator[Finding]]] = (
    check_networks,
    check_providers,
    check_quotas,
    check_identity,
)


def check_in_place(session: AzureSession) -> tuple[Finding, ...]:
    """Return what would make a deployment fail, and what is good, in the order of the table. It only reads.

    A refusal is unknown: whoever deploys needs fewer rights than the runbooks. Raises what no error of the catalogue
    names: a fault of ours.
    """
    return (
        *check_services(session, refused="unknown"),
        *(finding for check in CHECKS for finding in check(session)),
    )
