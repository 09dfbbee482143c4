"""Failures at the publisher's: a credential's rotation; the instances: documents, table, and choice of one; DNS."""

from runbook_lib.errors.entry import EXIT_USAGE, entry

WRAPPING_KEY_DIFFERS = entry(
    "VD-ROTATION-030",
    "the customer's wrapping key is not as agreed",
    "The customer's vault does not report an RSA key of 3072 bits with exponent 65537. If a secret were wrapped for a"
    " weaker key, somebody could read it on its way.",
    "Nothing was sent. Find out who changed key vibedata-wrapping in the customer's vault. Then run phase prepare of"
    " rotate_hmac: it makes a new version of the key.",
)
PHASE_FAILED = entry(
    "VD-ROTATION-031",
    "a job of the rotation failed in the customer's tenant",
    "The job ran in the customer's tenant and ended with the failure that the message names. Everything still works,"
    " with the former credential or with both.",
    "Look up that failure's own code, then run the same command again. If the rotation is over, the command begins"
    " another one. If the result of an earlier phase is gone, the command sends it again.",
    retryable=True,
)
KEY_LOST = entry(
    "VD-ROTATION-032",
    "the key of the open rotation is lost",
    "Its secret in the publisher's vault is absent, disabled or not a key, or the key was revoked. Somebody else did"
    " that: no rotation does.",
    "Begin another rotation in its place: `vibedata rotate-hmac --supersede ROTATION_ID`. The key in use stays"
    " accepted.",
)
KEY_NOT_READ_BACK = entry(
    "VD-ROTATION-033",
    "a new key cannot be read back from the publisher's vault",
    "The vault shows writes late, or something deletes or disables the secret.",
    "Run it again: a rotation that has not begun leaves nothing behind. If it fails again, look at the vault's log.",
    retryable=True,
)
OVERTAKEN = entry(
    "VD-ROTATION-034",
    "another rotation has taken the place of this one",
    "Somebody began another one with --supersede or --emergency while this command ran.",
    "Nothing is lost. Run the command again: it goes on with the rotation that is open now.",
    retryable=True,
)
TOKEN_NOT_RENEWED = entry(
    "VD-ROTATION-035",
    "the customer's token cannot be renewed",
    "The publisher's container registry has no such token, or ARM has not made the new password.",
    "Check VIBEDATA_PUBLISHER_REGISTRY_NAME and VIBEDATA_PUBLISHER_TOKEN_NAME, and the token's state in the portal;"
    " then run the same command again.",
)
ROTATION_NOT_OPEN = entry(
    "VD-ROTATION-036",
    "the rotation to give up is not open",
    "The publisher has no rotation with this id, or it has ended, or the rotation that replaced it has ended, too.",
    "Run the command without --supersede: it goes on with the open rotation, or begins one. A credential that somebody"
    " else staged in the customer's vault under this id does no harm. --plan shows the open rotation's id.",
)
RECORD_MALFORMED = entry(
    "VD-ROTATION-040",
    "the record of a rotation is malformed",
    "Somebody has written to the row that the message names in the publisher's table: columns are missing, or hold"
    " values that no rotation writes.",
    "Correct the columns that the message names. If no rotation is open, you can delete the row instead. Then run the"
    " same command again.",
)
DOCUMENT_MALFORMED = entry(
    "VD-INSTANCE-001",
    "an instance document is malformed",
    "It is not strict JSON of the published schema, publisher/instance-document.schema.json.",
    "Correct the part that the message names.",
    exit_code=EXIT_USAGE,
)
NO_SUCH_INSTANCE = entry(
    "VD-INSTANCE-002",
    "there is no such instance",
    "The publisher's table Instances has no row with this id.",
    "Look for the id with `vibedata instance list`. A file is named by its path, for example ./contoso.json.",
    exit_code=EXIT_USAGE,
)
ENVIRONMENT_CONTRADICTS = entry(
    "VD-INSTANCE-003",
    "the environment contradicts the instance document",
    "Variables of this shell have other values than the document. They may belong to another customer's instance.",
    "Unset the variables that the message names, or name the instance that they are for. Nothing was changed.",
    exit_code=EXIT_USAGE,
)
ID_TAKEN = entry(
    "VD-INSTANCE-004",
    "another instance document has this id",
    "The publisher's table Instances has a row with this id and another document.",
    "Look at it with `vibedata instance show ID`. To change it, use `vibedata instance edit ID --set NAME=VALUE`."
    " Nothing was changed.",
)
CHANGED_MEANWHILE = entry(
    "VD-INSTANCE-005",
    "somebody else has changed the instance document",
    "It was changed or removed after this command had read it.",
    "Run the same command again: it shows what is there now. Nothing was changed.",
    retryable=True,
)
ROW_MALFORMED = entry(
    "VD-INSTANCE-006",
    "a row of table Instances is malformed",
    "Somebody has written to the row in another way than `vibedata instance`. Its document is not of the published"
    " schema, or its id is not the row's key.",
    "Find out who wrote it. Then remove it with `vibedata instance remove ID`, and add the right document.",
)
NOT_CONFIRMED = entry(
    "VD-INSTANCE-007",
    "nobody confirmed which instance is meant",
    "The command does something that cannot be undone, so it asks for the instance's name or id. There is no terminal"
    " to ask on, or another name was given.",
    "Run it again on a terminal and give the name, or add --yes if you are sure. Nothing was changed.",
    exit_code=EXIT_USAGE,
)
DOCUMENT_UNREADABLE = entry(
    "VD-INSTANCE-008",
    "the file of an instance document cannot be read",
    "There is no such file, it is no regular file, or it is too large for an instance document.",
    "Check the path. An id has small letters, digits and dashes alone; everything else is taken for a file.",
    exit_code=EXIT_USAGE,
)
INSTANCE_ENDED = entry(
    "VD-INSTANCE-010",
    "the instance is deprovisioned",
    "Its managed application is gone, its keys are revoked, and nobody can use its token. The row stays as a record.",
    "Nothing is left to do there. A new managed application is a new instance with its own id.",
    exit_code=EXIT_USAGE,
)
NOT_TAKEN_BACK = entry(
    "VD-INSTANCE-011",
    "the deprovisioning cannot be undone",
    "The managed application is gone, or the instance is deprovisioned already: there is nothing left to restore.",
    "Finish it: `vibedata deprovision --instance ID`. A new managed application is a new instance with its own id.",
    exit_code=EXIT_USAGE,
)
NO_TOKEN_NAMED = entry(
    "VD-INSTANCE-009",
    "the instance document names no container registry token",
    "Part registry_token is empty. Each customer has its own token at the publisher's container registry.",
    "Name it: `vibedata instance edit ID --set registry_token=NAME`. `az acr token list --registry NAME` shows them.",
    exit_code=EXIT_USAGE,
)
NOT_BOOTSTRAPPED = entry(
    "VD-DOCTOR-001",
    "the component registry does not record this instance",
    "A table is absent, or the record of the instance's identity is. A deployment has not reached this point, or"
    " somebody has deleted it.",
    "Run `vibedata invoke bootstrap_registry`.",
)
NO_SCHEDULE = entry(
    "VD-DOCTOR-002",
    "nothing starts check_health",
    "Its schedule is absent, is off, or is not linked with the runbook. Then nobody looks at the components, and"
    " nothing delivers the waiting events and reports.",
    "If it is absent, `vibedata invoke check_health` makes it. If it is off, the command that is shown turns it on.",
)
SPOOL_WAITS = entry(
    "VD-DOCTOR-003",
    "a spool is not delivered",
    "Each run delivers the waiting blobs. But the oldest blob has waited longer than the time between two runs of"
    " check_health.",
    "Read the reason in the warnings of the last job of check_health. Then run `vibedata invoke check_health`.",
)
NEEDS_ATTENTION = entry(
    "VD-DOCTOR-004",
    "the status of the instance needs attention",
    "The runbooks' records, or their last jobs, show it. `vibedata status` has the whole status.",
    "Do what the message says.",
)
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
    " --take-over`. This command replaces these records.",
)
RECORD_SET_CHANGED = entry(
    "VD-DNS-003",
    "somebody else has changed the DNS record set",
    "Somebody changed it after this command had read it. The command replaces only the version that it has read.",
    "Run the same command again: it reads the set again. The other change is kept.",
    retryable=True,
)
TXT_SET_FULL = entry(
    "VD-DNS-004",
    "the TXT record set is full",
    "Azure DNS keeps at most 20 records in a set. Values of earlier orders were never removed, or somebody else adds"
    " values.",
    "Look at the values. Remove those that nobody needs, with `az network dns record-set txt remove-record`.",
)
RECORD_NOT_SERVED = entry(
    "VD-DNS-005",
    "the zone's name servers do not serve the DNS record",
    "Azure DNS has the record, but its name servers did not get it in time. Or this machine cannot reach them: it asks"
    " them directly, on port 53, by UDP and TCP.",
    "Run the same command again. If the message says that there is no answer, let this machine reach port 53.",
    retryable=True,
)
NO_GATEWAY_ADDRESS = entry(
    "VD-DNS-006",
    "the gateway's public address cannot be used",
    "The managed resource group has no static public address that belongs to the instance's Application Gateway. A name"
    " that leads to another address, or to one that Azure gives to somebody else later, could be taken over.",
    "Look at the public address and the gateway in the portal. If one is absent, deploy the template again.",
)
NAME_OF_ANOTHER = entry(
    "VD-DNS-007",
    "the host is the name of another instance",
    "The document of another instance has this host, or the DNS record at this name was written for it. A certificate"
    " or a record for this instance would take the name away from its owner.",
    "Compare setting public_host of both instance documents. Correct the wrong one. If the other instance is gone,"
    " deprovision it: that removes its record.",
    exit_code=EXIT_USAGE,
)
CHALLENGE_DELEGATED = entry(
    "VD-DNS-008",
    "a CNAME record stands where the proof for the certificate authority belongs",
    "Azure DNS takes no TXT record at a name that has a CNAME record. The authority would follow the CNAME record to"
    " another name, and look there for the proof.",
    "Nothing was ordered. Find out who made the CNAME record. If nobody needs it, remove it with `az network dns"
    " record-set cname delete`, and run the same command again.",
)
