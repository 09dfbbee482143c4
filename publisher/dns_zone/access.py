"""Open the publisher's zone. A command uses the login with which it works at an instance, or the shell's login."""

from collections.abc import Mapping

from publisher.dns_zone.place import DnsZone, dns_client, zone_of
from publisher.dns_zone.record_sets import RecordSets
from runbook_lib.azure.clients import AzureClients
from runbook_lib.azure.identity import credential_of
from runbook_lib.azure.settings import Settings, why_refused
from runbook_lib.basics.clock import Clock
from runbook_lib.errors import azure
from runbook_lib.network.http_session import new_session
from runbook_lib.network.retry import NetworkRetryPolicy

ARM_ENDPOINT = "VIBEDATA_ARM_ENDPOINT"


def open_zone(zone: DnsZone, customer: Settings, clients: AzureClients, clock: Clock) -> RecordSets:
    """Return the zone's record sets, under the same identity as `clients`.

    Args:
        zone: The zone.
        customer: The settings of the instance. Only the endpoint of ARM counts.
        clients: The clients of the instance's Azure.
        clock: Gives the time.
    """
    client = dns_client(
        zone,
        arm_endpoint=customer.arm_endpoint,
        credential=clients.credential,
        session=clients.session,
        retry_policy_source=NetworkRetryPolicy,
        clock=clock,
    )
    return RecordSets(zone, client)


def operator_zone(environ: Mapping[str, str], clock: Clock) -> RecordSets:
    """Return the record sets of the configured zone under the shell's login, without an instance's settings.

    Args:
        environ: The environment variables.
        clock: Gives the time.

    Raises:
        RunbookError: VD-SETTINGS-005 if VIBEDATA_PUBLISHER_DNS_ZONE is not set, VD-SETTINGS-002 if this variable or
            VIBEDATA_ARM_ENDPOINT is malformed, VD-IDENTITY-* if there is no login.
    """
    endpoint = environ.get(ARM_ENDPOINT, "")
    why = why_refused("arm_endpoint", endpoint) if endpoint else ""
    if why:
        raise azure.MALFORMED_SETTING.error(f"{why}; from the environment", target=ARM_ENDPOINT)
    zone = zone_of(environ)
    client = dns_client(
        zone,
        arm_endpoint=endpoint or None,
        credential=credential_of(environ.get("VIBEDATA_UAMI_CLIENT_ID", ""), environ, clock=clock),
        session=new_session(),
        retry_policy_source=NetworkRetryPolicy,
        clock=clock,
    )
    return RecordSets(zone, client)
