"""Start Azure DNS: the publisher's zone. ARM changes it, and a real name server answers for it."""

from lab import snapshots
from lab.dns import name_server, provider
from lab.dns.record_sets import APEX, RecordSet, Zone
from lab.real_servers import FOLDER as SERVERS_FOLDER
from lab.service import Fronts, Service
from lab.shared import Lab
from lab.subscriptions import Subscriptions


def _start(lab: Lab, subscriptions: Subscriptions) -> Fronts:
    zone = lab.names.dns_zone
    soa = {"host": f"ns1.{zone}.", "email": f"hostmaster.{zone}.", "serialNumber": 1, "refreshTime": 3600}
    soa |= {"retryTime": 300, "expireTime": 2_419_200, "minimumTTL": 300}
    own = [
        RecordSet(type="NS", name=APEX, ttl=172_800, records=({"nsdname": f"ns1.{zone}."},)),
        RecordSet(type="SOA", name=APEX, ttl=3_600, records=(soa,)),
    ]
    server = name_server.reach(lab, lab.dir / SERVERS_FOLDER)
    record_sets = Zone(name=zone, own=own)
    lab.on_keep.append(snapshots.of_attributes(record_sets, "record_sets"))
    lab.environment["VIBEDATA_PUBLISHER_DNS_ZONE"] = (
        f"{subscriptions.publisher.home.id}/providers/{provider.TYPE}/{zone}"
    )
    provider.register(subscriptions.publisher, record_sets, server)
    return {}


SERVICE = Service(sites={}, start=_start, real_servers=(name_server.REAL_SERVER,))
