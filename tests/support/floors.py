"""The floors of runbook_lib, as docs/architecture.md lists them and tests/house checks them."""

# The floors, from the ground up. A room imports only rooms of lower floors.
FLOORS = (
    {"version", "basics", "permissions", "daemon_threads", "workers"},
    {"errors", "request_signing"},
    {"change", "network"},
    {"azure", "engine", "run"},
    {"vault"},
    {"spool"},
    {"operations_log"},
    {"container_registry", "context"},
    {"trust"},
    {"release"},
    {"component_registry", "automation", "callbacks"},
    {"deployment_lock", "health", "one_run", "preflight"},
    {"rotation", "runbook", "tls_certificate"},
    {"application_gateway", "chain"},
)
