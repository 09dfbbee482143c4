"""What a preflight finds and no other step names: rights, deny assignments, clock, containers, the log's rule."""

from runbook_lib.errors.entry import entry

ACTION_MISSING = entry(
    "VD-PREFLIGHT-001",
    "the identity may not do what the runbooks need",
    "No role that is assigned to it at this resource, or above it, gives the actions that the message names.",
    "Assign the role, then wait up to 30 minutes and run the preflight again.",
)
ACTION_DENIED = entry(
    "VD-PREFLIGHT-002",
    "a deny assignment forbids what the runbooks need",
    "A deny assignment stands before every role. A managed application has one, which does not exclude vibedata-uami.",
    "The publisher adds the actions to allowedActions and allowedDataActions of the plan's lockingPolicy, then"
    " refreshes the application's permissions. If the customer has made the deny assignment, exclude vibedata-uami"
    " from it.",
)
CLOCK_DIFFERS = entry(
    "VD-PREFLIGHT-003",
    "the clock differs from Azure's",
    "Signatures for the publisher live 60 s, and clocks may differ by 30 s. Tokens and links have a beginning, too.",
    "Set this machine's clock, for example with `timedatectl set-ntp true`, and run the preflight again.",
)
CONTAINER_ABSENT = entry(
    "VD-PREFLIGHT-004",
    "a blob container is absent",
    "The deployment of the resources makes it. Somebody has deleted it, or the setting names another account.",
    "Make the container with the line in the message, or deploy the resources again.",
)
RULE_UNFIT = entry(
    "VD-PREFLIGHT-005",
    "the data collection rule does not take what the runbooks write",
    "It lacks the stream, or a column has another type. Then rows are refused, or a column stays empty.",
    "Deploy the rule again from the template. Its columns are those of runbook_lib/operations_log/events.py.",
)
NO_RULE = entry(
    "VD-PREFLIGHT-006",
    "there is no data collection rule with this immutable id",
    "The managed resource group has no rule whose immutable id is setting dcr_id.",
    "Compare the setting with `az monitor data-collection rule list --resource-group GROUP --query [].immutableId`.",
)
