"""Failures that only a deployment meets.

These are the findings of the preflight that no other step reports (rights, deny assignments, clock, containers, the
log's rule), the lock that keeps two deployments apart, and the failures of the deployment script.
"""

from runbook_lib.errors.entry import EXIT_LOCK_HELD, EXIT_USAGE, entry

ACTION_MISSING = entry(
    "VD-PREFLIGHT-001",
    "the identity may not do what the runbooks need",
    "No role that is assigned to it at this resource, or above it, allows the actions that the message names.",
    "Assign the role with the command that is shown. Then wait up to 30 minutes and run the preflight again.",
)
ACTION_DENIED = entry(
    "VD-PREFLIGHT-002",
    "a deny assignment forbids what the runbooks need",
    "A deny assignment is stronger than every role. A managed application has one that does not exclude vibedata-uami.",
    "The publisher adds the actions to allowedActions and allowedDataActions of the plan's lockingPolicy, then"
    " refreshes the application's permissions. If the customer has made the deny assignment, exclude vibedata-uami"
    " from it.",
)
CLOCK_DIFFERS = entry(
    "VD-PREFLIGHT-003",
    "the clock differs from Azure's",
    "Signatures for the publisher live 60 s, and clocks may differ by 30 s. Tokens and links are not valid before"
    " their start, either.",
    "Set this machine's clock, for example with `timedatectl set-ntp true`, and run the preflight again.",
)
CONTAINER_ABSENT = entry(
    "VD-PREFLIGHT-004",
    "a blob container is absent",
    "The deployment of the resources makes it. Somebody has deleted it, or the setting names another account.",
    "Make the container with the command that is shown, or deploy the resources again.",
)
RULE_UNFIT = entry(
    "VD-PREFLIGHT-005",
    "the data collection rule does not take the runbooks' events",
    "It lacks the stream, or a column has another type. Then rows are refused, or a column stays empty.",
    "Deploy the rule again from the template, or give its stream the columns with the command that is shown.",
)
NO_RULE = entry(
    "VD-PREFLIGHT-006",
    "there is no data collection rule with this immutable id",
    "The managed resource group has no rule whose immutable id is setting dcr_id.",
    "List the rules: `az resource list --resource-group GROUP --resource-type Microsoft.Insights/dataCollectionRules`."
    " `az resource show --ids RULE_ID --query properties.immutableId` shows the id of one.",
)
KEPT_OUT = entry(
    "VD-PREFLIGHT-007",
    "the network rules of a service keep out the jobs of a cloud sandbox",
    "Its public network access is disabled, or its firewall denies unknown addresses. A cloud sandbox reaches no"
    " private endpoint, and a bypass for trusted services does not let Automation in.",
    "Let the public network in: `vibedata preflight` shows the command. Or run the runbooks on a hybrid worker inside"
    " the network.",
)
NO_IDENTITY = entry(
    "VD-PREFLIGHT-008",
    "the Automation account does not have the identity of the runbooks",
    "Jobs act as the user-assigned identity whose client id is setting uami_client_id. It is absent, or it is not"
    " assigned to the account.",
    "Deploy the resources again, or correct setting uami_client_id. The command that is shown assigns an identity that"
    " exists.",
)
PROVIDER_NOT_REGISTERED = entry(
    "VD-PREFLIGHT-009",
    "a resource provider is not registered in the subscription",
    "A subscription refuses to make resources of a namespace that it has not registered. Registering needs the right"
    " `*/register/action` at the subscription, and takes some minutes.",
    "Somebody with that right has to register it with the command that is shown.",
)
RESOURCE_ABSENT = entry(
    "VD-PREFLIGHT-012",
    "the managed resource group has no such resource",
    "The deployment of the resources makes it. Somebody has deleted it, or the settings name another group.",
    "Look for it in the portal, also among the deleted resources that can be recovered. Deploy the resources again.",
)
QUOTA_USED_UP = entry(
    "VD-PREFLIGHT-010",
    "the Automation account has no minutes left for jobs",
    "An account of the free tier runs jobs for 500 minutes a month, all accounts of a subscription together. After"
    " that, jobs are suspended.",
    "Move the account to the Basic tier with the command that is shown, or wait for the next month.",
)
TABLE_UNFIT = entry(
    "VD-PREFLIGHT-011",
    "the log's table does not take the runbooks' events",
    "The table is absent, or it lacks a column, or a column has another type. If a value has no column, Azure drops it"
    " silently.",
    "The command that is shown makes the table and the columns that are missing. Azure does not change the type of a"
    " column: delete the table, whose rows are lost, and make it again.",
)
LOCK_HELD = entry(
    "VD-LOCK-001",
    "another deployment holds the lock",
    "Only one deployment runs in a subscription at a time. The message says who deploys, since when, and at which"
    " step.",
    "Wait until that deployment has ended, then run it again. `vibedata deploy DIR --wait` waits for you. If its"
    " process has died, the lock is free within 60 s.",
    retryable=True,
    exit_code=EXIT_LOCK_HELD,
)
LOCK_LOST = entry(
    "VD-LOCK-002",
    "this deployment has lost the lock, and begins no further step",
    "The lock's storage did not confirm it for 60 s, or somebody ended its lease. Another deployment may hold it now.",
    "Run it again: it goes on where this deployment ended, and first waits for the job that this one left.",
    retryable=True,
)
FORMER_JOBS_RUN = entry(
    "VD-LOCK-003",
    "jobs of a former deployment still run",
    "A deployment died or was interrupted, and left jobs in Automation that have not ended yet. The message names"
    " them.",
    "Look at the jobs in the portal. `vibedata deploy DIR --take-over` stops them.",
    retryable=True,
)
LOCK_UNREADABLE = entry(
    "VD-LOCK-004",
    "the entry of the lock's former holder cannot be read",
    "The lock's blob holds something that no deployment writes. So nobody has looked for jobs that the former holder"
    " may have left. The deployment goes on.",
    "Find out who wrote the blob: the storage account's diagnostic log says so. Look in the portal whether jobs of a"
    " former deployment still run.",
)
NO_PYTHON = entry(
    "VD-SCRIPT-001",
    "no Python is new enough for the deployment script",
    "The script needs Python 3.10 or newer. The image of the Azure CLI has none, or only an older one.",
    "Give module deploymentScript.bicep a newer azCliVersion, and deploy the template again.",
)
INPUTS_MALFORMED = entry(
    "VD-SCRIPT-002",
    "the deployment script cannot read its inputs",
    "VIBEDATA_DEPLOYMENT must be base64 of a JSON object with settings and parameters. Settings have the names that"
    " docs/operators.md lists.",
    "Correct what the template gives to module deploymentScript.bicep, and deploy it again.",
    exit_code=EXIT_USAGE,
)
WHEEL_MISSING = entry(
    "VD-SCRIPT-003",
    "the packages of the release are not beside the deployment script",
    "The template must name the wheels of the script's own release. A file with other bytes is never used.",
    "Upload script and wheel from one build (folder deployment-script), and deploy the template again.",
)
WHEEL_UNUSABLE = entry(
    "VD-SCRIPT-004",
    "the Python of the deployment script cannot use the packages of the release",
    "The packages are made for Python 3.10. The image of the Azure CLI has a Python with which they do not work.",
    "Give module deploymentScript.bicep another azCliVersion, or start the deployment as an Automation job:"
    " deploymentJob.bicep.",
)
NO_RESULT = entry(
    "VD-SCRIPT-005",
    "the deployment ended without a result",
    "The process of deploy_instance was killed, or the container ran out of memory or time.",
    "Deploy the template again: it goes on where this deployment ended.",
    retryable=True,
)
