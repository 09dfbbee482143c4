"""The demo's end: a browser opens the instance by its name.

The browser trusts the root of the lab's certificate authority and nothing else. The zone's name servers must lead the
name to the gateway's public address; in the place of that address the browser reaches the lab's listener.
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
# The lab's firewall policy lets in the first address. The second one is on no list.
LET_IN, STRANGER = "127.0.0.1", "127.0.0.2"
FORBIDDEN = 403


def open_by_name(session: AzureSession) -> str:
    """Open the instance from an address that is let in, and from one that is not. Return what to say about it.

    Raises CommandError if the name leads elsewhere, or if an answer is another one; ssl.SSLError for a certificate that
    a browser would refuse.
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
    """Return the status of the page `https://{host}/` at a gateway (`address:port`), asked from an address."""
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
