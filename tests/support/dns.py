"""The official client of Azure DNS and a resolver of the zone's name server, for the lab."""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import dns.message
import dns.query
import dns.rcode
from azure.identity import ManagedIdentityCredential
from azure.mgmt.dns import DnsManagementClient

from tests.support.arm import SCOPE
from tests.support.running_lab import LabUnderTest

LOOKUP_SECONDS = 10.0


@contextmanager
def dns_client(lab: LabUnderTest, **options: Any) -> Iterator[DnsManagementClient]:
    """Give a client of the publisher's subscription, as the publisher's identity. `options` are the client's."""
    with (
        ManagedIdentityCredential(client_id=lab.env["VIBEDATA_PUBLISHER_CLIENT_ID"]) as credential,
        DnsManagementClient(
            credential,
            lab.env["VIBEDATA_PUBLISHER_SUBSCRIPTION_ID"],
            base_url=lab.env["VIBEDATA_ARM_ENDPOINT"],
            credential_scopes=SCOPE,
            **options,
        ) as client,
    ):
        yield client


def look_up(server: str, name: str, kind: str, *, tcp: bool = False) -> list[str]:
    """Ask a name server (host:port) for the records of a type at a name; none for NXDOMAIN."""
    host, _, port = server.partition(":")
    ask = dns.query.tcp if tcp else dns.query.udp
    answer = ask(dns.message.make_query(name, kind), host, port=int(port), timeout=LOOKUP_SECONDS)
    assert answer.rcode() in (dns.rcode.NOERROR, dns.rcode.NXDOMAIN), dns.rcode.to_text(answer.rcode())
    return sorted(record.to_text() for found in answer.answer for record in found)
