"""Look at the host of one instance: where it leads, and where its gateway is."""

from publisher.dns_zone.access import open_zone
from publisher.dns_zone.gateway_address import gateway_address
from publisher.dns_zone.host_actions import Host
from publisher.dns_zone.host_record import HostFacts
from publisher.dns_zone.place import DnsZone
from runbook_lib.azure.clients import AzureClients
from runbook_lib.azure.settings import Settings
from runbook_lib.basics.clock import Clock


def look_at_host(zone: DnsZone, settings: Settings, clients: AzureClients, clock: Clock) -> tuple[Host, HostFacts]:
    """Return the way to the zone's hosts, and what is known of the one of `settings`.

    clients: of the instance's Azure. Raises RunbookError VD-DNS-001, -006, and azure.core's errors.
    """
    name = zone.relative(settings.public_host)
    host = Host(open_zone(zone, settings, clients, clock), clock)
    address = gateway_address(clients.resources, settings)
    return host, HostFacts(instance_id=settings.instance_id, name=name, address=address, found=host.found(name))
