"""The publisher's DNS zone in the lab, with the product's own access to it."""

from collections.abc import Iterator
from contextlib import contextmanager

from azure.mgmt.dns.models import RecordSet

from publisher.dns_zone.place import dns_client, zone_of
from publisher.dns_zone.record_sets import RecordSets
from runbook_lib.azure.identity import credential_of
from runbook_lib.network.http_session import new_session
from runbook_lib.network.retry import NetworkRetryPolicy
from tests.support import dns
from tests.support.runbook_run import QuickClock
from tests.support.running_lab import LabUnderTest


@contextmanager
def record_sets(lab: LabUnderTest) -> Iterator[RecordSets]:
    """Yield the zone's record sets with the login of the publisher's operator."""
    clock, zone = QuickClock(), zone_of(lab.env)
    with new_session() as session:
        client = dns_client(
            zone,
            arm_endpoint=lab.env["VIBEDATA_ARM_ENDPOINT"],
            credential=credential_of(lab.env["VIBEDATA_PUBLISHER_CLIENT_ID"], lab.env, clock=clock),
            session=session,
            retry_policy_source=NetworkRetryPolicy,
            clock=clock,
        )
        yield RecordSets(zone, client)


def put(lab: LabUnderTest, kind: str, name: str, **properties: object) -> None:
    """Write a record set with the official client, like somebody else. properties: with the names of ARM."""
    zone = zone_of(lab.env)
    body = RecordSet.deserialize({"properties": {"TTL": 300, **properties}})
    with dns.dns_client(lab) as client:
        client.record_sets.create_or_update(zone.resource_group, zone.name, name, kind, body)
