"""Failures of trust: signatures that are refused, and the settings that say whom to trust."""

from runbook_lib.errors.entry import EXIT_USAGE, entry

# The area of the codes, for whoever treats all failures of it alike.
AREA = "VD-TRUST"

_SIGN_AGAIN = (
    "Do not install the release. Tell the publisher, who signs it again; nothing at the customer's can mend it."
)
NO_SIGNATURE = entry(
    "VD-TRUST-001",
    "no signature is attached to the release",
    "The container registry says that no signature is attached to it; signatures do not travel with an import.",
    "Do not install it. At the publisher's container registry: the publisher signs it (`vibedata push`). At the"
    " customer's: run import_manifest again, which brings the signature.",
)
SIGNATURE_MALFORMED = entry(
    "VD-TRUST-002",
    "a signature is malformed",
    "It does not have the form that the Notary Project's specification gives it, or could be read in two ways; what"
    " signs properly makes no such thing.",
    _SIGN_AGAIN,
)
SIGNATURE_FORMAT_UNKNOWN = entry(
    "VD-TRUST-003",
    "a signature has a format that is not read",
    "The Notary Project knows JWS and COSE; the runbooks verify JWS.",
    "The publisher signs the release with JWS (`vibedata push`, or `notation sign --signature-format jws`).",
)
SIGNATURE_DEMANDS_TOO_MUCH = entry(
    "VD-TRUST-004",
    "a signature demands what is not supported",
    "Its signer marked as critical what this version does not know, asks for a plugin, uses another signing scheme,"
    " or claims an algorithm that is not its key's.",
    "If the publisher says that it is theirs, use a newer version of the runbooks; otherwise do not install it.",
)
SIGNATURE_ALTERED = entry(
    "VD-TRUST-005",
    "a signature, or what it signs, was altered",
    "The signature does not fit the key of its certificate, or other bytes came than their digest names.",
    "Do not install the release: this is what an attack looks like. Keep what the container registry holds, and"
    " tell the publisher.",
)
CERTIFICATES_UNFIT = entry(
    "VD-TRUST-006",
    "the certificates of a signature do not do",
    "The chain is incomplete, out of order or unreadable, or a certificate is not one that may sign code.",
    _SIGN_AGAIN,
)
CERTIFICATE_NOT_VALID_NOW = entry(
    "VD-TRUST-007",
    "a certificate of a signature is not valid now",
    "Each certificate of the chain must be valid on the day of the verification; one has expired, or is not valid"
    " yet by the clock of this machine.",
    "Check this machine's clock. If it is right, the publisher signs the release with a new certificate.",
)
ROOT_NOT_TRUSTED = entry(
    "VD-TRUST-008",
    "a signature leads to no trusted root",
    "None of its certificates is pinned in the setting `trust_roots`.",
    "Ask the publisher, by another way than this container registry, whether a new root is in use; pin it beside"
    ' the old one only if they say so (docs/trust.md, "Changing the root"). Otherwise do not install the release.',
)
SIGNER_NOT_TRUSTED = entry(
    "VD-TRUST-009",
    "a signature is somebody else's",
    "Its root is trusted, but its certificate's subject is not the one in the setting `trusted_identity`.",
    "Ask the publisher whether their certificate has a new name; change the setting only if they say so.",
)
SIGNATURE_EXPIRED = entry(
    "VD-TRUST-010",
    "a signature has expired",
    "Its signer gave it a last day, and that is over by the clock of this machine.",
    "Check this machine's clock. If it is right, install a newer release, or the publisher signs this one again.",
)
SIGNATURE_OF_SOMETHING_ELSE = entry(
    "VD-TRUST-011",
    "a signature is for something else",
    "It is good for another artifact than the one to be installed, and was attached to this one.",
    "Do not install the release: signatures do not get to other artifacts by themselves. Tell the publisher.",
)
TRUSTED_IDENTITY_UNREADABLE = entry(
    "VD-TRUST-012",
    "the trusted identity cannot be read",
    "The setting `trusted_identity` is no subject of a certificate as RFC 4514, openssl, Java or Windows write it.",
    "Set it to what the publisher names, such as `CN=Vibedata Release Signing,O=Vibedata`. OIDs stand for types.",
)
NO_GOOD_SIGNATURE = entry(
    "VD-TRUST-013",
    "none of the signatures is good",
    "Several are attached to the release, and each was refused for the reason in the message.",
    "Do as the entry of the publisher's own signature says; the others may be anybody's.",
)
SIGNATURES_UNKNOWN = entry(
    "VD-TRUST-014",
    "it is not known whether a good signature exists",
    "No signature that could be retrieved is good, and one could not be retrieved, or their list not be read.",
    "Run it again; if it stays, look at the container registry, and push or import the release again.",
    retryable=True,
)
NOBODY_TRUSTED = entry(
    "VD-TRUST-030",
    "nobody is trusted",
    "The deployment pins no trust root, or no publisher's identity; then no release can be told from a forged one.",
    "Set trust_roots and trusted_identity in the Automation variable vibedata-settings, or for the command vibedata"
    " VIBEDATA_TRUST_ROOTS and VIBEDATA_TRUSTED_IDENTITY in the environment, with the values that came with the"
    " deployment; never with some that came with a release. docs/trust.md says where they come from.",
    exit_code=EXIT_USAGE,
)
TRUST_AS_PARAMETER = entry(
    "VD-TRUST-031",
    "whom to trust is no parameter of a run",
    "Who may start a job chooses its parameters, and must not choose whose releases are installed.",
    "Leave it out of the parameter settings. It is set in the Automation variable vibedata-settings.",
    exit_code=EXIT_USAGE,
)
STORED_WITHOUT_SIGNATURE = entry(
    "VD-TRUST-032",
    "a stored release has no signature beside it",
    "Its import broke off, or somebody took the signature away.",
    "Run import_manifest for this release again: it stores the signature. If the publisher no longer offers it"
    " signed, import a newer one.",
)
STORED_RELEASE_DIFFERS = entry(
    "VD-TRUST-033",
    "a stored release is not what its signature is of",
    "The signature beside it is good, but of another release: somebody put it there.",
    "Treat it as tampering: find out who may write to artifact storage. Then import a newer release.",
)
