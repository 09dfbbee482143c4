"""Look at the host of one instance: where its records lead, and which address its gateway has."""

from publisher.dns_zone.access import open_zone
from publisher.dns_zone.gateway_address import gateway_address
from publisher.dns_zone.host_actions import Host
from publisher.dns_zone.host_record import HostFacts
from publisher.dns_zone.place import DnsZone
from runbook_lib.azure.clients import AzureClients
from runbook_lib.azure.settings import Settings
from runbook_lib.basics.clock import Clock


def look_at_host(zone: DnsZone, settings: Settings, clients: AzureClients, clock: Clock) -> tuple[Host, HostFacts]:
    """Return the zone's hosts, and the facts about the host of the instance.

    Args:
        zone: The publisher's zone.
        settings: The settings of the instance.
        clients: The clients of the instance's Azure.
        clock: Gives the time.

    Raises:
        RunbookError: VD-DNS-001 if the host is not in the zone, VD-DNS-006 if the gateway's address cannot be used.
        azure.core's errors: ARM cannot be reached, fails, or refuses the login.
    """
    name = zone.relative(settings.public_host)
    host = Host(open_zone(zone, settings, clients, clock), clock)
    address = gateway_address(clients.resources, settings)
    return host, HostFacts(instance_id=settings.instance_id, name=name, address=address, found=host.found(name))
