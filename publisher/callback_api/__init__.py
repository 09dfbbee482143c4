"""The service that takes signed reports from instances, and its keys, nonces and records."""
