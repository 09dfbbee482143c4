"""Failures of the TLS certificate's rotation: at the customer's, and from VD-TLS-020 of the publisher's orders."""

from runbook_lib.errors.entry import EXIT_USAGE, entry

PHASE_TOO_EARLY = entry(
    "VD-TLS-001",
    "an earlier phase of the certificate's rotation is not done",
    "The phases are prepare, install, test and retire. The vault does not hold the result of the phase before: it was"
    " never made, was discarded, or was written so recently that a read does not show it yet.",
    "Run the phase that the message names. If it has just run, run this phase again.",
    retryable=True,
)
ROTATION_OVER = entry(
    "VD-TLS-002",
    "this rotation of the certificate is over",
    "A newer version was merged or imported after the one that it installed, or somebody disabled that version.",
    "Start a new rotation. If a newer version is enabled, the gateway takes that one.",
)
CHAIN_UNREADABLE = entry(
    "VD-TLS-003",
    "the certificate chain cannot be read",
    "A chain is 2 to 6 certificates in DER, each in base64url, the leaf first, with dots between them. Nothing else may"
    " be in it.",
    "Send the chain as the certificate authority gave it, without the root.",
    exit_code=EXIT_USAGE,
)
CHAIN_OF_OTHER_KEY = entry(
    "VD-TLS-004",
    "the certificate is for another key",
    "The vault's pending operation has another key than the chain's first certificate. The chain was ordered with an"
    " older signing request, or for another instance.",
    "Run phase prepare, and order a certificate with the signing request that it reports.",
)
CHAIN_OF_OTHER_NAMES = entry(
    "VD-TLS-005",
    "the certificate has other names",
    "It must name the instance's host, and nothing else.",
    "Order a certificate with the signing request that phase prepare reports, and with its names alone.",
)
CHAIN_OUT_OF_TIME = entry(
    "VD-TLS-006",
    "the certificate is not valid now",
    "It begins later, or it has ended.",
    "Check this machine's clock against the times in the message. If the clock is right, order a new certificate.",
)
CHAIN_NOT_TRUSTED = entry(
    "VD-TLS-007",
    "no trusted authority has signed the certificate",
    "The certificates are in the wrong order, one of them is missing, or the last one leads to no authority that this"
    " machine trusts. The gateway would serve a certificate that no browser accepts.",
    "Send the chain as the certificate authority gave it. If the authority is a private one, it must be among those of"
    " REQUESTS_CA_BUNDLE.",
)
OTHER_CERTIFICATE_INSTALLED = entry(
    "VD-TLS-008",
    "this rotation has installed another certificate",
    "One rotation installs one certificate. An earlier run has merged one with another thumbprint.",
    "Go on with the phases test and retire, or start a new rotation.",
)
HANDSHAKE_FAILED = entry(
    "VD-TLS-009",
    "the gateway does not complete a TLS handshake",
    "It cannot be reached under the instance's name, or it serves a certificate that is not trusted, has ended or has"
    " another name.",
    "Check that the name's DNS record leads to the gateway, and that the gateway runs. Run configure_gateway: it makes"
    " the listener read the vault's certificate. Then run phase test again.",
    retryable=True,
)
OTHER_CERTIFICATE_SERVED = entry(
    "VD-TLS-010",
    "the gateway serves another certificate than the vault's newest",
    "It looks into the vault every 4 hours. Or its listener names one version, so that it never changes.",
    "Run phase test again later. If more than 4 hours have passed since phase install, see whether the listener's"
    " secret id ends with a version, and whether the gateway may read the vault.",
    retryable=True,
)
RETIREMENT_TOO_EARLY = entry(
    "VD-TLS-011",
    "it is too early to disable the former certificate",
    "The gateway has several instances, and each takes the new certificate by itself. One that has not done so needs"
    " the former one.",
    "Run phase retire after the time that the message names. If the former key is believed stolen, set overlap_seconds"
    " to 0.",
    retryable=True,
)
VAULT_ANSWER_UNREADABLE = entry(
    "VD-TLS-012",
    "the vault's answer about the certificate cannot be read",
    "It lacks a part that every vault sends, or something between this machine and the vault has changed it.",
    "Run it again. If it fails again, find out what answers at the vault's address.",
    retryable=True,
)
NAME_TAKEN = entry(
    "VD-TLS-013",
    "the vault does not begin a certificate of this name",
    "Something else has the name: a secret or a key without a certificate, or a deletion that has not ended.",
    "Look what the vault has under the name in the message: `az keyvault secret show`, `az keyvault key show`. Delete"
    " and purge it, if nothing needs it. Then run phase prepare again.",
)
AUTHORITY_REFUSES = entry(
    "VD-TLS-020",
    "the certificate authority refuses a request",
    "The message has the authority's reason. RFC 8555, 6.7 explains the names of the reasons.",
    "Remove the cause that the message names. Then run the same command again: it goes on where this one ended.",
    retryable=True,
)
AUTHORITY_UNREADABLE = entry(
    "VD-TLS-021",
    "the certificate authority's answer cannot be read",
    "It lacks a part that every ACME server sends, an address in it leads to another server, or something on the way"
    " has changed it.",
    "Check VIBEDATA_PUBLISHER_ACME_DIRECTORY, and which server answers there. Then run the same command again.",
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
    "Nothing was ordered. Compare the setting public_host of the instance document with the setting of the instance."
    " Then find out who has changed the certificate vibedata-tls in the customer's vault.",
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
    "It did not find the value in the TXT record, or it forbids the name. The message has its words. The order is over,"
    " and the record is removed.",
    "Read the authority's words, and check that the zone's parent names the zone's own name servers. The command tries"
    " again after 1, 10 and 100 minutes, and then daily.",
    retryable=True,
)
TOO_MANY_ORDERS = entry(
    "VD-TLS-026",
    "the certificate authority takes no order now",
    "A limit of the authority is reached, by orders of this suite or by orders of somebody else.",
    "Run the same command again after the time that the message names. `--due` does so by itself. If instances wait for"
    " days, ask the authority for a higher limit.",
    retryable=True,
)
REPLACES_REFUSED = entry(
    "VD-TLS-027",
    "the certificate authority does not let this order replace the former certificate",
    "The former one was ordered under another account, or it was replaced before.",
    "You need to do nothing. The command repeats the order without it, and the new order counts for the limits.",
    retryable=True,
)
ORDER_NOT_DONE = entry(
    "VD-TLS-028",
    "the certificate authority has not finished in time",
    "It is still checking the proof, or still making the certificate.",
    "Run the same command again: it continues the same order.",
    retryable=True,
)
ORDERED_BY_ANOTHER = entry(
    "VD-TLS-029",
    "another run works on the same certificate",
    "The other run changed the record at the same moment. Or this run is so slow that another one may send the order.",
    "Nothing is lost. Run the same command again: it continues after the steps of the other run.",
    retryable=True,
)
