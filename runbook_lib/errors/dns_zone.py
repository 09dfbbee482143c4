"""Failures of the publisher's DNS zone."""

from runbook_lib.errors.entry import EXIT_USAGE, entry

NOT_IN_ZONE = entry(
    "VD-DNS-001",
    "the host is not in the publisher's DNS zone",
    "The publisher can make record sets in its own zone only. The instance's public host is the zone itself, or it lies"
    " in another domain.",
    "Compare setting public_host of the instance document with VIBEDATA_PUBLISHER_DNS_ZONE. Correct the wrong one.",
    exit_code=EXIT_USAGE,
)
POINTS_ELSEWHERE = entry(
    "VD-DNS-002",
    "the instance's name leads elsewhere",
    "Somebody else made the records that the message shows, or changed the record that this suite had written. The name"
    " may be in use for something else.",
    "Find out who made them. If the name is to lead to the instance's gateway, run `vibedata dns point --instance ID"
    " --take-over`. It writes over these records.",
)
CHANGED_MEANWHILE = entry(
    "VD-DNS-003",
    "somebody else has changed the DNS record set",
    "It was changed after this command had read it. The command writes only over the version that it has read.",
    "Run the same command again: it looks at what is there now. The other change is kept.",
    retryable=True,
)
SET_FULL = entry(
    "VD-DNS-004",
    "the TXT record set is full",
    "Azure DNS keeps at most 20 records in a set. Values of earlier orders were never removed, or somebody else adds"
    " values.",
    "Look at the values. Remove those that nobody needs, with `az network dns record-set txt remove-record`.",
)
NOT_SERVED = entry(
    "VD-DNS-005",
    "the zone's name servers do not serve the DNS record",
    "Azure DNS has the record, and its name servers have not got it in time. Or this machine cannot reach them: it asks"
    " them directly, on port 53, by UDP and TCP.",
    "Run the same command again. If the message says that there is no answer, let this machine reach port 53.",
    retryable=True,
)
NO_ADDRESS = entry(
    "VD-DNS-006",
    "the gateway's public address cannot be used",
    "The managed resource group has no static public address that belongs to the instance's Application Gateway. A name"
    " that leads to another address, or to one that Azure gives to somebody else later, could be taken over.",
    "Look at the public address and the gateway in the portal. If one is absent, deploy the template again.",
)
