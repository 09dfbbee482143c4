"""Failures on the way to Azure: settings, identity, network, Azure Resource Manager."""

from runbook_lib.errors.entry import EXIT_USAGE, entry

# Areas of codes, for code that treats all failures of one area alike.
SETTINGS = "VD-SETTINGS"
IDENTITY = "VD-IDENTITY"
NETWORK = "VD-NET"

ARM_ANSWER_UNCLEAR = entry(
    "VD-ARM-001",
    "the answer of Azure Resource Manager cannot be understood",
    "The answer does not have the form that Microsoft's REST reference describes, or it leads to another address.",
    "Check setting arm_endpoint. Check that no proxy answers in its place.",
)
NO_SUCH_RESOURCE_GROUP = entry(
    "VD-ARM-002",
    "there is no such resource group",
    "The subscription has no resource group of this name, or the identity may not see it.",
    "Check settings subscription_id and resource_group, and the role Reader on the managed resource group.",
)
OPERATION_STILL_RUNS = entry(
    "VD-ARM-003",
    "a long-running operation does not end",
    "Azure Resource Manager still says that the operation runs. It is slow, or it tells the client to ask much later.",
    "Wait a few minutes, then run it again: it first looks whether the operation has succeeded. If this happens again,"
    " look at Azure's status page.",
    retryable=True,
)
MISSING_SETTING = entry(
    "VD-SETTINGS-001",
    "a setting is missing",
    "No parameter, no environment variable (VIBEDATA_*) and no entry of the Automation variable vibedata-settings"
    " gives it. It has no default.",
    "For runs in Automation, add it to the Automation variable vibedata-settings. For the command vibedata, set"
    " VIBEDATA_ and its name in capitals in the environment.",
    exit_code=EXIT_USAGE,
)
MALFORMED_SETTING = entry(
    "VD-SETTINGS-002",
    "a setting has the wrong form",
    "The setting does not take a value of this form.",
    "Correct the value. The message says where it comes from.",
    exit_code=EXIT_USAGE,
)
UNKNOWN_SETTING = entry(
    "VD-SETTINGS-003",
    "unknown setting",
    "There is no setting of this name.",
    "Correct the name, or remove the setting. docs/operators.md lists all settings.",
    exit_code=EXIT_USAGE,
)
ADDRESS_AS_PARAMETER = entry(
    "VD-SETTINGS-004",
    "a run does not take this setting as a parameter",
    "Everybody who may start a job chooses its parameters. A foreign address would receive the tokens of the managed"
    " identity. A foreign instance id would make the run report as another instance. A lower `immutability` would let"
    " a weaker retention policy pass.",
    "Remove it from the parameter settings. Set it in the Automation variable vibedata-settings, or in the environment"
    " (VIBEDATA_*).",
    exit_code=EXIT_USAGE,
)
MISSING_PUBLISHER_SETTING = entry(
    "VD-SETTINGS-005",
    "a setting of the publisher is missing",
    "The environment has no such variable. The publisher's settings come from the environment alone.",
    "Set it in the environment of the command or service. For the lab: `source .lab/lab.env`.",
    exit_code=EXIT_USAGE,
)
GUARANTEE_LOWERED = entry(
    "VD-SETTINGS-006",
    "the deployment would lower a guarantee of the instance",
    "The Automation variable vibedata-settings says `locked`. The deployment's settings say `unlocked`, or do not name"
    " the setting. With them, the runbooks would accept a retention policy that anybody with the right can remove.",
    "Set it in the instance document: `vibedata instance edit ID --set settings.immutability=locked`. If the document"
    " is a file, edit the file. Without a document, set VIBEDATA_IMMUTABILITY=locked in the environment. To lower it on"
    " purpose, first change the Automation variable in the portal.",
)
SETTINGS_NOT_PUBLISHED = entry(
    "VD-SETTINGS-007",
    "the settings have changed since they were published",
    "The jobs read their settings from the Automation variable vibedata-settings. Only the steps preflight and"
    " first_runbooks write it, and neither is chosen. So the jobs would work with the former settings.",
    "Begin with the step that writes them: `vibedata deploy DIR --from preflight`. Or take back the change of the"
    " settings.",
)
NO_MANAGED_IDENTITY = entry(
    "VD-IDENTITY-001",
    "no token for the managed identity",
    "The sandbox has no identity endpoint, or the endpoint refuses the request or does not know vibedata-uami.",
    "Check that vibedata-uami is assigned to the Automation account and that setting uami_client_id is its client id.",
    retryable=True,
)
NO_LOGIN = entry(
    "VD-IDENTITY-002",
    "no login on this machine",
    "Outside Azure Automation a runbook uses your own login, and there is none.",
    "Run `az login`, or `source .lab/lab.env` to use the lab.",
)
LOGIN_OF_OTHER_TENANT = entry(
    "VD-IDENTITY-003",
    "the login is of another tenant",
    "Azure Resource Manager takes no token of this tenant for the subscription.",
    "Log in to the tenant of the subscription: `az login --tenant TENANT`.",
)
UNREACHABLE = entry(
    "VD-NET-001",
    "an Azure service cannot be reached",
    "After all retries there was no connection, the connection broke, or no answer came in time.",
    "Check the service's health and the firewall. A cloud sandbox reaches no private endpoint: use a hybrid worker for"
    " it.",
    retryable=True,
)
SERVICE_FAILED = entry(
    "VD-NET-002",
    "an Azure service failed or throttled the request",
    "The service answered with an error, after all retries.",
    "Read the status and the service's own words in the message. Wait a few minutes, then run it again.",
    retryable=True,
)
REQUEST_REFUSED = entry(
    "VD-NET-003",
    "an Azure service refused the request",
    "The identity lacks a role, the managed application's deny assignment forbids the request, or a role assignment is"
    " younger than 30 minutes.",
    "Compare the identity's roles with docs/operators.md. After a new role assignment wait up to 30 minutes.",
    retryable=True,
)
AUTHORITIES_UNREADABLE = entry(
    "VD-NET-020",
    "the trusted certificate authorities cannot be read",
    "The environment variable names neither a file nor a folder of certificates in PEM.",
    "Correct the path or unset the variable. For the lab: `source .lab/lab.env` while it runs.",
    exit_code=EXIT_USAGE,
)
REQUEST_NOT_TAKEN = entry(
    "VD-NET-010",
    "an Azure service does not accept the request",
    "The suite does not expect this status here: a resource is absent or in another state, or a setting names"
    " another resource or service.",
    "Read the status, the service's code and its own words in the message. Check that the settings name the right host"
    " and resource. Then run it again.",
)
SERVICE_BUSY = entry(
    "VD-NET-011",
    "an Azure service asks to come back later",
    "The resource is being created, deleted, recovered, leased or changed at this moment.",
    "Wait a minute and run it again: finished changes stay.",
    retryable=True,
)
ANSWER_UNREADABLE = entry(
    "VD-NET-012",
    "an answer of an Azure service cannot be read",
    "The status is a success, but the answer does not have the service's form. A proxy or a gateway may answer in its"
    " place with its own page, or a setting names another service.",
    "Check that the settings name the services' own hosts, and which proxies are on the way. Then run it again.",
)
GATEWAY_NOT_THERE = entry(
    "VD-GATEWAY-001",
    "the managed resource group has no such resource of the Application Gateway",
    "The template makes the gateway and its firewall policy with names that follow from the prefix. Somebody deleted"
    " one of them, or the prefix in the settings is wrong.",
    "Compare the prefix in the settings with the resource's name. If the resource was deleted, deploy the template"
    " again.",
)
GATEWAY_OTHER_POLICY = entry(
    "VD-GATEWAY-002",
    "the Application Gateway has another firewall policy than the instance's",
    "The address ranges are in a rule of the instance's policy. They have no effect if the gateway has another policy.",
    "Link the policy that the message names to the gateway, or deploy the template again.",
)
GATEWAY_STOPPED = entry(
    "VD-GATEWAY-003",
    "the Application Gateway is stopped",
    "Somebody has stopped it. A write would start it, and this run does not decide that.",
    "If the gateway is to run, start it with the command below. Then run this again.",
    retryable=True,
)
GATEWAY_FAILED = entry(
    "VD-GATEWAY-004",
    "the Application Gateway is in the state Failed",
    "Its last change did not succeed, so nobody knows which configuration it serves. A frequent cause: it may not read"
    " its certificate in the vault.",
    "See in the gateway's activity log why the change failed, and remove the cause. Then run this with read_again,"
    " which writes the gateway without a change.",
)
GATEWAY_OF_CLUSTER = entry(
    "VD-GATEWAY-005",
    "an ingress controller of a Kubernetes cluster owns the Application Gateway",
    "The controller writes the whole gateway again and again, so it would undo each change. The template makes a"
    " gateway that no cluster owns.",
    "Take the gateway away from the cluster's ingress controller (AGIC), and remove the tags that the message names. Or"
    " give the certificate to the cluster's ingress.",
)
GATEWAY_NO_LISTENER = entry(
    "VD-GATEWAY-006",
    "the Application Gateway has no listener for the instance's name",
    "The template makes the listener https with a certificate. Somebody renamed or deleted one of them.",
    "Deploy the template again. It makes the listener.",
)
UNFIT_RANGE = entry(
    "VD-GATEWAY-007",
    "an address range cannot be used",
    "The Automation variable vibedata-address-ranges takes a JSON object with the lists customer and publisher. A range"
    " is an IPv4 or IPv6 address, or a range in CIDR form. A range that is wider than /8 (IPv6: /16) is refused,"
    " because it would let in nearly everybody.",
    "Correct the range in the variable, and run this again.",
    exit_code=EXIT_USAGE,
)
TOO_MANY_RANGES = entry(
    "VD-GATEWAY-008",
    "there are too many address ranges",
    "A condition of a firewall's rule takes at most 600 ranges, and each of the two lists is one condition.",
    "Join neighbouring ranges into wider ones, or remove some, until each list has at most 600.",
    exit_code=EXIT_USAGE,
)
GATEWAY_BUSY = entry(
    "VD-GATEWAY-009",
    "the Application Gateway is busy with another change",
    "A change of a gateway takes minutes, and a second change would cancel it. So the run has waited, but the other"
    " change has not ended in time.",
    "Run this again when the gateway's state is Succeeded.",
    retryable=True,
)
GATEWAY_OVERTAKEN = entry(
    "VD-GATEWAY-010",
    "other changes of the Application Gateway were faster than this one, again and again",
    "Each time somebody else changed the gateway between this run's read and its write. Their changes are kept.",
    "See in the gateway's activity log who changes it. When they have finished, run this again.",
    retryable=True,
)
GATEWAY_CHANGE_FAILED = entry(
    "VD-GATEWAY-011",
    "Azure did not make the change of the Application Gateway",
    "The message has Azure's reason, if Azure gave one. A frequent reason: the gateway's identity may not read the"
    " secret in the vault. ARM shows the wanted configuration, but nobody knows which one the gateway serves.",
    "Remove the cause. If the message does not name it, see the activity log of the resource. Then run this again. If"
    " the gateway is in the state Failed, run this with read_again.",
)
