"""Writing to the publisher's container registry. Reading lives in runbook_lib/container_registry."""
