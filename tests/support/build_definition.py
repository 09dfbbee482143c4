"""A release that a test builds from the project's own sources."""

from typing import Any

COPIED = ("oci", "publisher", "runbook_lib", "runbooks", "scripts", "vibedata")
DEFINITION: dict[str, Any] = {
    "version": "2026.11.0",
    "channel": "stable",
    "valid_days": 365,
    "images": [
        {"name": "studio", "repository": "vibedata/studio", "tag": "1.2", "digest": f"sha256:{7:064x}", "size": 5}
    ],
    "components": [
        {
            "name": "studio",
            "type": "application",
            "version": "1.2",
            "artifact": "studio",
            "resource_type": "Microsoft.App/containerApps",
            "resource_name": "studio",
            "depends_on": [],
            "health": {"kind": "http", "path": "/healthz", "expected_status": 200, "timeout_seconds": 5},
        }
    ],
    "policies": {"networkRetryPolicies": {"max_retries": 3, "delay_seconds": 2}},
}
