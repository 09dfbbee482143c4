"""The demo's end: a browser opens the instance by its name.

The browser trusts only the root of the lab's certificate authority. The zone's name servers must answer with the
gateway's public address. Instead of this address the browser connects to the lab's listener.
"""

import http.client
import os
import socket
import ssl

from publisher.dns_zone.access import open_zone
from publisher.dns_zone.name_servers import look
from publisher.dns_zone.naming import look_at_host
from publisher.dns_zone.place import zone_of
from runbook_lib.azure.session import AzureSession
from runbook_lib.basics.clock import SYSTEM_CLOCK
from vibedata.output import CommandError

SECONDS = 30.0
# The lab's firewall policy lets the first address in. The second address is on no list.
LET_IN, STRANGER = "127.0.0.1", "127.0.0.2"
FORBIDDEN = 403


def open_by_name(session: AzureSession) -> str:
    """Open the instance from an allowed address, and from another one. Return a line about the result.

    Raises:
        CommandError: The name leads elsewhere, or an answer has the wrong status.
        ssl.SSLError: A browser would refuse the certificate.
    """
    host, zone = session.settings.public_host, zone_of(os.environ)
    _, facts = look_at_host(zone, session.settings, session.clients, SYSTEM_CLOCK)
    servers = open_zone(zone, session.settings, session.clients, SYSTEM_CLOCK).name_servers()
    if not look(servers, host, "A", facts.address).served:
        raise CommandError(f"{host} does not lead to {facts.address}", remedy="look at the step dns_record above")
    statuses = [_status(host, session.settings.gateway, source) for source in (LET_IN, STRANGER)]
    if statuses != [http.client.OK, FORBIDDEN]:
        raise CommandError(f"https://{host} answered {statuses}", remedy="look at the step configure_gateway above")
    return f"https://{host} opens from {LET_IN}, and {STRANGER} is refused"


def _status(host: str, gateway: str, source: str) -> int:
    """Return the status of the page `https://{host}/` at a gateway.

    Args:
        host: The instance's public name.
        gateway: The gateway's `address:port`.
        source: The address from which the request comes.
    """
    trust = ssl.create_default_context(cafile=os.environ["VIBEDATA_ACME_ROOT"])
    address, _, port = gateway.partition(":")
    with (
        socket.create_connection((address, int(port)), timeout=SECONDS, source_address=(source, 0)) as plain,
        trust.wrap_socket(plain, server_hostname=host) as secured,
    ):
        connection = http.client.HTTPSConnection(host, context=trust)
        connection.sock = secured
        connection.request("GET", "/")
        return connection.getresponse().status
