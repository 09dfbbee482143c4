"""The demo's release definition, as a release pipeline gives it to `vibedata build`."""

from typing import Any

VERSION = "2026.11.0"

_APPLICATIONS = (
    "control-panel",
    "studio",
    "airbyte-server",
    "airbyte-webapp",
    "airbyte-worker",
    "airbyte-temporal",
    "api-service",
    "api-gateway",
    "scheduler",
    "metering",
)
_AGENTS = ("planner-agent", "reviewer-agent")
# The infrastructure of the applications: name, ARM resource type, resource name. Azure itself knows their health.
_INFRASTRUCTURE = (
    ("kubernetes", "Microsoft.ContainerService/managedClusters", "vibedata-aks"),
    ("app-environment", "Microsoft.App/managedEnvironments", "vibedata-env"),
    ("functions", "Microsoft.Web/sites", "vibedata-functions"),
    ("workflows", "Microsoft.Web/sites", "vibedata-workflows"),
    ("database", "Microsoft.DBforPostgreSQL/flexibleServers", "vibedata-postgres"),
    ("gateway", "Microsoft.Network/applicationGateways", "vibedata-gateway"),
    ("storage", "Microsoft.Storage/storageAccounts", "vibedatastorage"),
    ("vault", "Microsoft.KeyVault/vaults", "vibedata-kv"),
    ("container-registry", "Microsoft.ContainerRegistry/registries", "vibedataacr"),
    ("workspace", "Microsoft.OperationalInsights/workspaces", "vibedata-logs"),
)
_NEEDS = {
    "control-panel": ["api-service"],
    "studio": ["api-service"],
    "airbyte-webapp": ["airbyte-server"],
    "airbyte-server": ["airbyte-temporal", "database"],
    "airbyte-worker": ["airbyte-temporal"],
    "api-service": ["api-gateway", "database"],
    "api-gateway": ["gateway"],
    "metering": ["functions"],
    "scheduler": ["workflows"],
    "functions": ["storage"],
    "workflows": ["storage"],
    "planner-agent": ["api-service"],
    "reviewer-agent": ["planner-agent"],
}


def definition(images: list[dict[str, Any]]) -> dict[str, Any]:
    """Return the release definition (docs/design.md#artifacts) for these `images` entries."""
    components = [_component(name, "application") for name in _APPLICATIONS]
    components += [_component(name, "agent") for name in _AGENTS]
    components += [_infrastructure(*resource) for resource in _INFRASTRUCTURE]
    return {
        "version": VERSION,
        "channel": "stable",
        "valid_days": 365,
        "images": images,
        "components": components,
        "policies": {"networkRetryPolicies": {"max_retries": 3, "delay_seconds": 2}},
    }


def _component(name: str, kind: str) -> dict[str, Any]:
    return {
        "name": name,
        "type": kind,
        "version": VERSION,
        "artifact": name,
        "resource_type": "Microsoft.App/containerApps",
        "resource_name": name,
        "depends_on": _NEEDS.get(name, []),
        "health": {"kind": "http", "path": "/healthz", "expected_status": 200, "timeout_seconds": 5},
    }


def _infrastructure(name: str, resource_type: str, resource_name: str) -> dict[str, Any]:
    return {
        "name": name,
        "type": "infrastructure",
        "version": VERSION,
        "resource_type": resource_type,
        "resource_name": resource_name,
        "depends_on": _NEEDS.get(name, []),
        "health": {"kind": "arm", "timeout_seconds": 10},
    }
