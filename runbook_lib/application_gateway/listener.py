"""The listener of the instance's name, and the address in the vault from which it reads its certificate. Pure.

Source: REST reference, Application Gateways, 2025-09-01.
"""

from collections.abc import Mapping
from typing import Any

from runbook_lib.basics.strict_json import member
from runbook_lib.errors import azure

TYPE = "Microsoft.Network/applicationGateways"
API_VERSION = "2025-09-01"
# The name of this listener in infra/modules/gateway.bicep.
LISTENER = "https"


def gateway_name(prefix: str) -> str:
    """Return the name of an instance's gateway."""
    return f"{prefix}-gateway"


def certificate_of(resource: Mapping[str, Any]) -> tuple[str, str]:
    """Return the name of the listener's certificate within the gateway, and the address of its secret.

    Both are "" if there is no such listener, or if it has no certificate. The address is "" if somebody has uploaded
    the certificate.

    Raises:
        RunbookError: VD-ARM-001 if the resource cannot be read.
    """
    listener = next((each for each in items_of(resource, "httpListeners") if is_named(each, LISTENER)), None)
    name = str(member(listener, "properties", "sslCertificate", "id") or "").rpartition("/")[2]
    entry = next((each for each in items_of(resource, "sslCertificates") if is_named(each, name)), None)
    return ("", "") if entry is None else (name, str(member(entry, "properties", "keyVaultSecretId") or ""))


def is_named(entry: Mapping[str, Any], name: str) -> bool:
    """Return whether an entry has this name. ARM ignores the case of names."""
    return str(entry.get("name", "")).lower() == name.lower()


def items_of(resource: Mapping[str, Any], kind: str) -> list[Mapping[str, Any]]:
    """Return a list of a gateway's properties, empty if it has none. Raises RunbookError VD-ARM-001."""
    items = member(resource, "properties", kind)
    if items is None:
        return []
    if not isinstance(items, list) or not all(isinstance(each, Mapping) for each in items):
        raise azure.ARM_ANSWER_UNCLEAR.error(f"{kind} is no list", target=str(resource.get("name", "")))
    return items


def is_same_secret(one: str, other: str) -> bool:
    """Return whether two addresses name the same secret, both without a version or both with the same version.

    So neither of these addresses counts as the wanted one: the address of one version, which the portal writes and
    which is never renewed, and the address of the certificate, which looks nearly the same as the secret's address.
    """
    return one.lower().rstrip("/") == other.lower().rstrip("/")
