"""Failures of the Application Gateway and its firewall policy at the customer's."""

from runbook_lib.errors.entry import EXIT_USAGE, entry

NOT_THERE = entry(
    "VD-GATEWAY-001",
    "the managed resource group has no such resource of the Application Gateway",
    "The template makes the gateway and its firewall policy with names that follow from the prefix. Somebody deleted"
    " it, or the prefix is another one.",
    "Compare the prefix in the settings with the resource's name. If the resource was deleted, deploy the template"
    " again.",
)
OTHER_POLICY = entry(
    "VD-GATEWAY-002",
    "the Application Gateway has another firewall policy than the instance's",
    "The address ranges are a rule of the instance's policy. Without it at the gateway they have no effect.",
    "Link the policy that the message names to the gateway, or deploy the template again.",
)
STOPPED = entry(
    "VD-GATEWAY-003",
    "the Application Gateway is stopped",
    "Somebody has stopped it. A write would start it, and this run does not decide that.",
    "Start it with the command below when it shall run, and then run this again.",
    retryable=True,
)
FAILED = entry(
    "VD-GATEWAY-004",
    "the Application Gateway is in the state Failed",
    "Its last change did not succeed, so nobody knows which configuration it serves. A frequent cause: it may not read"
    " its certificate in the vault.",
    "See in the gateway's activity log why the change failed, and mend that. Then run this with read_again, which"
    " writes the gateway again as it is.",
)
OF_CLUSTER = entry(
    "VD-GATEWAY-005",
    "an ingress controller of a Kubernetes cluster owns the Application Gateway",
    "The controller writes the whole gateway again and again, so it would undo each change. The template makes a"
    " gateway that no cluster owns.",
    "Take the gateway away from the cluster's ingress controller (AGIC), and remove the tags that the message names. Or"
    " give the certificate to the cluster's ingress.",
)
NO_LISTENER = entry(
    "VD-GATEWAY-006",
    "the Application Gateway has no listener for the instance's name",
    "The template makes the listener https with a certificate. Somebody renamed or deleted one of them.",
    "Deploy the template again. It makes the listener.",
)
UNFIT_RANGE = entry(
    "VD-GATEWAY-007",
    "an address range cannot be used",
    "The Automation variable vibedata-address-ranges takes a JSON object with the lists customer and publisher. A range"
    " is an IPv4 or IPv6 address, or a range in CIDR form. One that is wider than /8 (IPv6: /16) is refused, because it"
    " would let in nearly everybody.",
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
BUSY = entry(
    "VD-GATEWAY-009",
    "the Application Gateway is busy with another change",
    "A change of a gateway takes minutes, and a second one would cancel it. So the run waits, and it has waited as long"
    " as it may.",
    "Run this again when the gateway's state is Succeeded.",
    retryable=True,
)
OVERTAKEN = entry(
    "VD-GATEWAY-010",
    "other changes of the Application Gateway came before this one, again and again",
    "Each time that the run wrote, somebody else had written since it read. Their changes are kept.",
    "See in the gateway's activity log who writes it, and run this again when they have ended.",
    retryable=True,
)
CHANGE_FAILED = entry(
    "VD-GATEWAY-011",
    "Azure did not make the change of the Application Gateway",
    "The message has Azure's reason. A frequent one: the gateway's identity may not read the secret in the vault.",
    "Mend what the message says. If the gateway is now in the state Failed, run this with read_again.",
)
