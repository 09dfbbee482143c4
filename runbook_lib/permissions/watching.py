"""The permissions that runbooks need to write the operations log and to read the managed resource group."""

from runbook_lib.permissions.model import Permission

WRITE_LOG = Permission(
    on="data collection rule",
    role="Monitoring Metrics Publisher",
    purpose="write events to the operations log",
    data_actions=("Microsoft.Insights/Telemetry/Write",),
)
READ_RESOURCES = Permission(
    on="managed resource group",
    role="Reader",
    purpose="list every resource; see the addresses and the health of the components",
    actions=("*/read",),
)
READ_ALERTS = Permission(
    on="managed resource group",
    role="Monitoring Reader",
    purpose="see alert rules, action groups and the health of resources",
    actions=("*/read",),
)
