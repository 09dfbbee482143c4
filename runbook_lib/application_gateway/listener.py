"""The listener of the instance's name, and the address in the vault that its certificate is read from. Pure.

Source: REST reference, Application Gateways, 2025-09-01.
"""

from collections.abc import Mapping
from typing import Any

from runbook_lib.basics.strict_json import member
from runbook_lib.errors import azure

TYPE = "Microsoft.Network/applicationGateways"
API_VERSION = "2025-09-01"
# The listener of the instance's name, as infra/modules/gateway.bicep calls it.
LISTENER = "https"


def gateway_name(prefix: str) -> str:
    """Return the name of an instance's gateway."""
    return f"{prefix}-gateway"


def certificate_of(resource: Mapping[str, Any]) -> tuple[str, str]:
    """Return the name of the listener's certificate within the gateway, and the address of its secret.

    Both are "" if there is no such listener, or if it has no certificate. The address is "" if the certificate was
    uploaded. Raises RunbookError VD-ARM-001.
    """
    listener = next((each for each in items_of(resource, "httpListeners") if is_named(each, LISTENER)), None)
    name = str(member(listener, "properties", "sslCertificate", "id") or "").rpartition("/")[2]
    entry = next((each for each in items_of(resource, "sslCertificates") if is_named(each, name)), None)
    return ("", "") if entry is None else (name, str(member(entry, "properties", "keyVaultSecretId") or ""))


def is_named(entry: Mapping[str, Any], name: str) -> bool:
    """Return whether an entry has a name. ARM compares names without case."""
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
    """Return whether two addresses name the same secret, both without a version or both with the same one.

    The portal writes the address of one version, which is never renewed. The address of a certificate looks nearly the
    same as that of its secret. Neither is the same as the secret's.
    """
    return one.lower().rstrip("/") == other.lower().rstrip("/")
