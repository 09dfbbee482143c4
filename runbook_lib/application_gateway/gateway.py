"""Read the facts of the Application Gateway from its ARM resource, and change the one member that the suite owns. Pure.

The gateway has other writers: the portal, the template, the publisher's people. So a change takes the whole resource
and replaces only one member.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from runbook_lib.application_gateway.listener import LISTENER, certificate_of, is_named, items_of
from runbook_lib.basics.strict_json import member
from runbook_lib.errors import azure

# The Application Gateway Ingress Controller (AGIC) writes these tags to a gateway that it manages.
CLUSTER_TAGS = ("managed-by-k8s-ingress", "ingress-for-aks-cluster-id")
FAILED = "failed"
_STOPPED = ("stopped", "stopping")


@dataclass(frozen=True, slots=True, kw_only=True)
class Gateway:
    """The facts of a gateway.

    Attributes:
        name: The gateway's name.
        etag: Its version, "" if ARM shows none.
        state: ARM's provisioning state, in small letters.
        stopped: Whether somebody has stopped it.
        of_cluster: Its tags that show that a Kubernetes cluster's ingress controller rewrites it.
        secret_id: The address in the vault from which the gateway reads the listener's certificate, "" if somebody has
            uploaded the certificate.
        firewall_policy: The id of its firewall policy, "" if it has none.
    """

    name: str
    etag: str
    state: str
    stopped: bool
    of_cluster: tuple[str, ...]
    secret_id: str
    firewall_policy: str


def read_gateway(resource: Mapping[str, Any]) -> Gateway:
    """Return the facts of a gateway.

    Raises:
        RunbookError: VD-ARM-001 if the resource cannot be read, VD-GATEWAY-006 if it has no such listener.
    """
    name, tags = str(resource.get("name", "")), resource.get("tags")
    certificate, secret_id = certificate_of(resource)
    if not certificate:
        raise azure.GATEWAY_NO_LISTENER.error(f"it has no listener {LISTENER} with a certificate", target=name)
    return Gateway(
        name=name,
        etag=str(resource.get("etag") or ""),
        state=state_of(resource),
        stopped=str(member(resource, "properties", "operationalState") or "").lower() in _STOPPED,
        of_cluster=tuple(tag for tag in CLUSTER_TAGS if isinstance(tags, Mapping) and tag in tags),
        secret_id=secret_id,
        firewall_policy=str(member(resource, "properties", "firewallPolicy", "id") or ""),
    )


def state_of(resource: Mapping[str, Any]) -> str:
    """Return a resource's provisioning state in small letters, "" if ARM shows none."""
    return str(member(resource, "properties", "provisioningState") or "").lower()


def with_secret(resource: Mapping[str, Any], secret_id: str) -> Mapping[str, Any]:
    """Return the gateway with another address of its listener's certificate. Everything else stays.

    Args:
        resource: The gateway.
        secret_id: The address in the vault.

    Raises:
        RunbookError: The same errors as of `read_gateway`.
    """
    certificate, _ = certificate_of(resource)
    # The other members describe an uploaded certificate, and would contradict the address.
    entries = [
        {**each, "properties": {"keyVaultSecretId": secret_id}} if is_named(each, certificate) else each
        for each in items_of(resource, "sslCertificates")
    ]
    return {**resource, "properties": {**resource["properties"], "sslCertificates": entries}}
