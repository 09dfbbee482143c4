"""What the suite reads of the Application Gateway as ARM shows it, and the one thing that it changes there. Pure.

The gateway has other writers: the portal, the template, the publisher's people. So a change takes the whole resource as
it is and replaces one member. Source: REST reference, Application Gateways, 2025-09-01.
"""

import urllib.parse
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from runbook_lib.basics.strict_json import member
from runbook_lib.errors import gateway as errors

TYPE = "Microsoft.Network/applicationGateways"
# The listener of the instance's name, as infra/modules/gateway.bicep calls it.
LISTENER = "https"
# The tags that the Application Gateway Ingress Controller (AGIC) writes to a gateway of its own.
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
        of_cluster: Whether a Kubernetes cluster's ingress controller rewrites it.
        certificate: The id of the listener's certificate within the gateway, in small letters.
        secret_id: The vault's address that this certificate is read from, "" if it was uploaded.
        firewall_policy: The id of its firewall policy, "" if it has none.
    """

    name: str
    etag: str
    state: str
    stopped: bool
    of_cluster: bool
    certificate: str
    secret_id: str
    firewall_policy: str


def gateway_name(prefix: str) -> str:
    """Return the name of an instance's gateway."""
    return f"{prefix}-gateway"


def read_gateway(resource: Mapping[str, Any]) -> Gateway:
    """Return the facts of a gateway. Raises RunbookError VD-GATEWAY-002 (unreadable), -006 (no such listener)."""
    name = str(resource.get("name", ""))
    listener = _named(resource, "httpListeners", LISTENER)
    certificate = str(member(listener, "properties", "sslCertificate", "id") or "").lower()
    entry = next((each for each in _items(resource, "sslCertificates") if _is(each, certificate)), None)
    if entry is None:
        raise errors.NO_LISTENER.error(f"listener {LISTENER} has no certificate", target=name)
    tags = resource.get("tags")
    return Gateway(
        name=name,
        etag=str(resource.get("etag") or ""),
        state=state_of(resource),
        stopped=str(member(resource, "properties", "operationalState") or "").lower() in _STOPPED,
        of_cluster=isinstance(tags, Mapping) and any(tag in tags for tag in CLUSTER_TAGS),
        certificate=certificate,
        secret_id=str(member(entry, "properties", "keyVaultSecretId") or ""),
        firewall_policy=str(member(resource, "properties", "firewallPolicy", "id") or ""),
    )


def state_of(resource: Mapping[str, Any]) -> str:
    """Return a resource's provisioning state in small letters, "" if ARM shows none."""
    return str(member(resource, "properties", "provisioningState") or "").lower()


def with_secret(resource: Mapping[str, Any], secret_id: str) -> Mapping[str, Any]:
    """Return a gateway whose listener's certificate is read from a secret. All else stays. Raises as read_gateway."""
    certificate = read_gateway(resource).certificate
    # An uploaded certificate's other members would contradict the reference.
    entries = [
        {**each, "properties": {"keyVaultSecretId": secret_id}} if _is(each, certificate) else each
        for each in _items(resource, "sslCertificates")
    ]
    return {**resource, "properties": {**resource["properties"], "sslCertificates": entries}}


def is_same_secret(one: str, other: str) -> bool:
    """Return whether two addresses name the same secret and version. Hosts and names are compared without case."""
    return _secret_key(one) == _secret_key(other)


def why_not_renewed(secret_id: str) -> str:
    """Return why a gateway takes no renewed certificate from this address, "" if it takes it.

    The portal writes the address of one version. The address of a certificate looks like that of its secret.
    """
    if not secret_id:
        return "the listener's certificate was uploaded, so it is never renewed"
    kind, _, rest = urllib.parse.urlsplit(secret_id).path.strip("/").partition("/")
    if kind.lower() != "secrets":
        return f"the listener reads {secret_id}, which is no secret's address"
    return f"the listener reads {secret_id}, which has a version" if "/" in rest else ""


def _secret_key(secret_id: str) -> tuple[str, str]:
    parts = urllib.parse.urlsplit(secret_id)
    return parts.netloc.lower(), parts.path.strip("/").lower()


def _named(resource: Mapping[str, Any], kind: str, name: str) -> Mapping[str, Any]:
    found = next((each for each in _items(resource, kind) if each.get("name") == name), None)
    if found is None:
        raise errors.NO_LISTENER.error(f"it has no listener {name}", target=str(resource.get("name", "")))
    return found


def _items(resource: Mapping[str, Any], kind: str) -> list[Mapping[str, Any]]:
    items = member(resource, "properties", kind)
    if items is None:
        return []
    if not isinstance(items, list) or not all(isinstance(each, Mapping) for each in items):
        raise errors.UNREADABLE.error(f"{kind} is no list", target=str(resource.get("name", "")))
    return items


def _is(entry: Mapping[str, Any], certificate: str) -> bool:
    """Whether an entry of sslCertificates has this id. ARM compares ids without case."""
    kind, _, name = certificate.rpartition("/")
    return kind.endswith("/sslcertificates") and str(entry.get("name", "")).lower() == name
