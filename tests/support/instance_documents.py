"""Instance documents for tests."""

import json
from typing import Any

from publisher.instances.document import Instance, read

TENANT = "7a6c1b1e-0c5f-4d8e-9a55-3f1a6a0f2b01"
SUBSCRIPTION = "2f4cfa0e-6b0d-4a4e-8a67-6f9f1b8a7c02"
APPLICATION = f"/subscriptions/{SUBSCRIPTION}/resourceGroups/apps/providers/Microsoft.Solutions/applications/contoso"
DOCUMENT: dict[str, Any] = {
    "id": "k3v9x2p7",
    "display_name": "Contoso B.V.",
    "tenant_id": TENANT,
    "subscription_id": SUBSCRIPTION,
    "managed_resource_group": "contoso-managed",
    "application_id": APPLICATION,
    "location": "westeurope",
    "prefix": "contoso",
    "settings": {"dcr_id": "dcr-" + "0" * 32, "logs_endpoint": "https://logs.example"},
    "registry_token": "contoso-token",
    "ring": "early",
    "release": "2026.11.0",
}


def document(**parts: Any) -> dict[str, Any]:
    return {**DOCUMENT, **parts}


def instance(**parts: Any) -> Instance:
    return read(json.dumps(document(**parts)), source="a test")
