"""Read what a deployment has left of the instance's name: records, certificate, gateway, and the publisher's orders."""

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from azure.core.exceptions import ResourceNotFoundError
from azure.keyvault.certificates import CertificateClient

from bench.proofs.world import World
from runbook_lib.application_gateway import firewall, listener
from runbook_lib.tls_certificate.name import CERTIFICATE

DNS_VERSION = "2018-05-01"
# The columns of an issuance that are new each time. If the answer to an order was lost, the authority may already know
# the renewed certificate as replaced. Then the second order does not name it in `renews`.
OF_AN_ISSUANCE = ("signingRequest", "chain", "certificateId", "renews")


def name_state(world: World) -> Iterator[tuple[str, Any]]:
    """Yield each record of the zone, the versions of the certificate, the gateway and its firewall policy."""
    zone = world.lab.env["VIBEDATA_PUBLISHER_DNS_ZONE"]
    for record in world.get_resource(f"{zone}/all", api_version=DNS_VERSION)["value"]:
        kind = str(record["type"]).rpartition("/")[2]
        yield f"record {kind} {record['name']}", _without_etags(record["properties"])
    with CertificateClient(world.lab.env["VIBEDATA_KEY_VAULT_ENDPOINT"], world.credential) as client:
        yield f"certificate {CERTIFICATE}", _versions(client)
        yield f"operation of {CERTIFICATE}", _operation(client)
    names = world.lab.control("GET", "/names")
    group = f"/subscriptions/{names['subscription_id']}/resourceGroups/{names['resource_group']}"
    prefix = names["prefix"]
    for kind, name in (
        (listener.TYPE, listener.gateway_name(prefix)),
        (firewall.TYPE, firewall.policy_name(prefix)),
    ):
        found = world.get_resource(f"{group}/providers/{kind}/{name}", api_version=listener.API_VERSION)
        yield f"{kind} {name}", _without_etags(found)


def orders(rows: Sequence[Mapping[str, Any]]) -> list[str]:
    """Return the host of each issued certificate. An order whose answer was lost is not among them."""
    return sorted(str(row["host"]) for row in rows if row.get("issuedAt"))


def _versions(client: CertificateClient) -> list[Mapping[str, Any]]:
    try:
        found = list(client.list_properties_of_certificate_versions(CERTIFICATE))
    except ResourceNotFoundError:
        return []
    return sorted(({"enabled": each.enabled, "tags": sorted(each.tags or ())} for each in found), key=str)


def _operation(client: CertificateClient) -> str:
    """Return whether an operation waits. The vault may still show one that has ended."""
    try:
        return "waits" if client.get_certificate_operation(CERTIFICATE).status == "inProgress" else "none"
    except ResourceNotFoundError:
        return "none"


def _without_etags(value: Any) -> Any:
    if isinstance(value, dict):
        return {name: _without_etags(part) for name, part in value.items() if name != "etag"}
    return [_without_etags(part) for part in value] if isinstance(value, list) else value
