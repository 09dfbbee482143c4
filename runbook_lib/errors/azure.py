"""Failures on the way to Azure: settings, identity, network, Azure Resource Manager."""

from runbook_lib.errors.entry import EXIT_USAGE, entry

# Areas of codes, for whoever treats all failures of one alike.
SETTINGS = "VD-SETTINGS"
IDENTITY = "VD-IDENTITY"
NETWORK = "VD-NET"

ARM_ANSWER_UNCLEAR = entry(
    "VD-ARM-001",
    "Azure Resource Manager's answer cannot be understood",
    "It is not what the REST reference says, or leads elsewhere.",
    "Check setting arm_endpoint, and that no proxy stands between.",
)
NO_SUCH_RESOURCE_GROUP = entry(
    "VD-ARM-002",
    "there is no such resource group",
    "The subscription has no resource group of this name, or the identity may not see it.",
    "Check settings subscription_id and resource_group, and the role Reader on the managed resource group.",
)
MISSING_SETTING = entry(
    "VD-SETTINGS-001",
    "a setting is missing",
    "Neither the parameters, the environment (VIBEDATA_*) nor the Automation variable vibedata-settings has it, and"
    " it does not follow from the naming prefix.",
    "For runs in Automation, add it to the Automation variable vibedata-settings. For the command vibedata, set"
    " VIBEDATA_ and its name in capitals in the environment.",
    exit_code=EXIT_USAGE,
)
MALFORMED_SETTING = entry(
    "VD-SETTINGS-002",
    "a setting has the wrong form",
    "The value is not of the kind that the setting takes.",
    "Correct it where the message says that it came from.",
    exit_code=EXIT_USAGE,
)
UNKNOWN_SETTING = entry(
    "VD-SETTINGS-003",
    "unknown setting",
    "There is no setting of this name.",
    "Take it out, or correct its name; docs/operators.md lists the settings.",
    exit_code=EXIT_USAGE,
)
ADDRESS_AS_PARAMETER = entry(
    "VD-SETTINGS-004",
    "an address, or whose instance it is, is no parameter of a run",
    "Who may start a job chooses its parameters; the tokens of the managed identity would go wherever they say, and"
    " its reports would tell of another instance.",
    "Leave it out of the parameter settings. An address that is not the convention's, and the instance's identity,"
    " are set in the Automation variable vibedata-settings, or in the environment (VIBEDATA_*).",
    exit_code=EXIT_USAGE,
)
MISSING_PUBLISHER_SETTING = entry(
    "VD-SETTINGS-005",
    "a setting of the publisher's is missing",
    "The environment has no such variable. The publisher's settings come from nowhere else.",
    "Set it in the environment of the command or service. For the lab: `source .lab/lab.env`.",
    exit_code=EXIT_USAGE,
)
NO_MANAGED_IDENTITY = entry(
    "VD-IDENTITY-001",
    "no token for the managed identity",
    "The sandbox's identity endpoint is absent, refused, or does not know vibedata-uami.",
    "Check that vibedata-uami is assigned to the Automation account and that setting uami_client_id is its client id.",
    retryable=True,
)
NO_LOGIN = entry(
    "VD-IDENTITY-002",
    "no login on this machine",
    "Outside Azure Automation the runbook uses the developer's own login, and there is none.",
    "Run `az login`, or `source .lab/lab.env` to use the lab.",
)
UNREACHABLE = entry(
    "VD-NET-001",
    "an Azure service cannot be reached",
    "No connection, a connection that broke, or no answer in time, after all retries.",
    "Check the service's health and the firewall. A cloud sandbox reaches no private endpoint: use a hybrid worker"
    " there.",
    retryable=True,
)
SERVICE_FAILED = entry(
    "VD-NET-002",
    "an Azure service failed or throttled the request",
    "The service answered with an error, after all retries.",
    "See the status and the service's own words in the message; wait a few minutes and run it again.",
    retryable=True,
)
REQUEST_REFUSED = entry(
    "VD-NET-003",
    "an Azure service refused the request",
    "Its identity lacks a role, the managed application's deny assignment stands in the way, or a role assignment"
    " is younger than 30 minutes.",
    "Check the roles in docs/operators.md. After a new role assignment wait up to 30 minutes.",
    retryable=True,
)
AUTHORITIES_UNREADABLE = entry(
    "VD-NET-020",
    "the trusted certificate authorities cannot be read",
    "The environment variable names no file of certificates in PEM, and no folder of them.",
    "Correct the path or unset the variable. For the lab: `source .lab/lab.env` while it runs.",
    exit_code=EXIT_USAGE,
)
REQUEST_NOT_TAKEN = entry(
    "VD-NET-010",
    "an Azure service does not take the request",
    "It answered with a status that this place does not expect: a resource is absent or in another state, or a"
    " setting names another resource or service.",
    "See the status, the service's code and its own words in the message, and whether the settings name the host"
    " and the resource that are meant; then run it again.",
)
SERVICE_BUSY = entry(
    "VD-NET-011",
    "an Azure service asks to come back later",
    "What the request is about is being created, deleted, recovered, leased or changed at this moment.",
    "Wait a minute and run it again: what was done stays done.",
    retryable=True,
)
ANSWER_UNREADABLE = entry(
    "VD-NET-012",
    "an answer of an Azure service cannot be read",
    "It says success and has another form than the service's: something else answers in its place, such as a proxy or"
    " a gateway with a page of its own, or a setting names another service.",
    "Check that the settings name the services' own hosts, and what stands between; then run it again.",
)
