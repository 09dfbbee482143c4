"""Write to the publisher's container registry. The reader lives in runbook_lib/container_registry."""
