"""Failures of the publisher's orders of TLS certificates."""

from runbook_lib.errors.entry import entry

AUTHORITY_REFUSES = entry(
    "VD-TLS-020",
    "the certificate authority refuses a request",
    "It names the reason in the message. The names of the reasons are those of RFC 8555, 6.7.",
    "Mend what the message names. Then run the same command again: it goes on where this one ended.",
    retryable=True,
)
AUTHORITY_UNREADABLE = entry(
    "VD-TLS-021",
    "the certificate authority's answer cannot be read",
    "It lacks what every ACME server tells, it leads to another server, or something on the way has changed it.",
    "Check VIBEDATA_PUBLISHER_ACME_DIRECTORY, and what answers there. Then run the same command again.",
    retryable=True,
)
ACCOUNT_KEY_UNUSABLE = entry(
    "VD-TLS-022",
    "the publisher's vault has no key for the account at the certificate authority",
    "The key acme-account is absent or disabled, or it is no EC key with curve P-256.",
    "Make it once: `az keyvault key create --vault-name VAULT --name acme-account --kty EC --curve P-256 --ops sign"
    " verify`. The first order registers the account.",
)
REQUEST_DIFFERS = entry(
    "VD-TLS-023",
    "the customer's signing request is not as agreed",
    "It asks for another name than the instance's public host, or for several; its signature or its key does not fit;"
    " or it cannot be read.",
    "Nothing was ordered. Compare the setting public_host of the instance document with that of the instance. Then see"
    " who has changed certificate vibedata-tls in the customer's vault.",
)
FORBIDDEN_BY_CAA = entry(
    "VD-TLS-024",
    "a CAA record of the zone forbids the certificate",
    "The CAA records at the name or above it do not allow this authority, this account or this way of proof (RFC 8659,"
    " RFC 8657). An order would only use up the authority's limits.",
    "Nothing was ordered. Add a CAA record for the authority that the message names, or remove what forbids it.",
)
AUTHORIZATION_FAILED = entry(
    "VD-TLS-025",
    "the certificate authority does not accept the proof for the name",
    "It has looked for the TXT record and has not found the value, or it forbids the name. The message has its words."
    " The order is over, and the record is removed.",
    "Check that the zone's parent names the zone's own name servers, and see the authority's words. The command tries"
    " again after 1, 10 and 100 minutes, and then daily.",
    retryable=True,
)
TOO_MANY_ORDERS = entry(
    "VD-TLS-026",
    "the certificate authority takes no order now",
    "A limit of the authority is reached: by this suite's orders in the same moment, or by orders of somebody else.",
    "Run the same command again after the time that the message names. `--due` does so by itself. If instances wait for"
    " days, ask the authority for a higher limit.",
    retryable=True,
)
REPLACES_REFUSED = entry(
    "VD-TLS-027",
    "the certificate authority does not let this order replace the former certificate",
    "The former one was ordered under another account, or it was replaced before.",
    "Nothing is to be done: the order is repeated without it, and counts for the limits.",
    retryable=True,
)
ORDER_NOT_DONE = entry(
    "VD-TLS-028",
    "the certificate authority has not finished in time",
    "It still checks the proof, or still issues.",
    "Run the same command again: it takes up the same order.",
    retryable=True,
)
ORDERED_BY_ANOTHER = entry(
    "VD-TLS-029",
    "another run works on the same certificate",
    "It changed the record in the same moment.",
    "Nothing is lost. Run the same command again: it goes on with what the other one has done.",
    retryable=True,
)
