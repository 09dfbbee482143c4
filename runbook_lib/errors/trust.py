"""Failures of trust: signatures, their certificates, and what they cover."""

from runbook_lib.errors.entry import EXIT_USAGE, ErrorEntry, entry

_SIGNING: tuple[ErrorEntry, ...] = (
    entry(
        "VD-TRUST-050",
        "the release is not signed",
        "It was built without a signing key; every customer would refuse it.",
        "Build it again with --signing-key and --signing-chain (docs/publishing.md): all but the signature stays the"
        " same.",
    ),
    entry(
        "VD-TRUST-051",
        "the release cannot be signed with this key and chain",
        "The certificates must be code signing's, complete and in order from the key's to a self-signed root, all valid"
        " today; otherwise every customer would refuse the release.",
        "Give --signing-key and --signing-chain both (docs/publishing.md tells how to make them), and mend what the"
        " message names.",
        exit_code=EXIT_USAGE,
    ),
    entry(
        "VD-TRUST-052",
        "the signing key is not that of the certificate",
        "What the key signs does not fit the chain's first certificate: another key, or another version of it.",
        "Give the chain whose first certificate was made for this key, and the key's version in its id.",
    ),
    entry(
        "VD-TRUST-053",
        "the Key Vault does not sign",
        "It refuses this identity, or the key is not there, disabled, expired, or may not sign.",
        "Check that the identity may sign with the key (role Key Vault Crypto User), and the key's id and operations.",
    ),
    entry(
        "VD-TRUST-054",
        "the signature cannot be listed beside the release",
        "The container registry has no referrers API, and the index that stands in for it is written by others all the"
        " time.",
        "Run it again; if it stays so, look at the tag sha256-... of the release manifest's repository.",
        retryable=True,
    ),
    entry(
        "VD-TRUST-055",
        "something that the release pins is not there",
        "The signature is good, but customers could not import the release: what it pins was never pushed, or was"
        " deleted.",
        "Push the release again, and its images; what is there is not sent again.",
    ),
    entry(
        "VD-TRUST-056",
        "what to verify, or whom to trust, is not understood",
        "A release is named by its version, a tag, HOST/vibedata/release-manifest:TAG, ...@DIGEST or a build's folder;"
        " a trusted certificate by a PEM file of it or by its SHA-256 in hex.",
        "Mend what the message names; `vibedata verify --help` has examples.",
        exit_code=EXIT_USAGE,
    ),
)
_SIGN_AGAIN = (
    "Do not install the release. Tell the publisher, who signs it again; nothing at the customer's can mend it."
)
_SIGNATURES: tuple[ErrorEntry, ...] = (
    entry(
        "VD-TRUST-001",
        "no signature is attached to the release",
        "The container registry says that no signature is attached to it; signatures do not travel with an import.",
        "Do not install it. At the publisher's container registry: the publisher signs it (`vibedata push`). At the"
        " customer's: run import_manifest again, which brings the signature.",
    ),
    entry(
        "VD-TRUST-002",
        "a signature is malformed",
        "It does not have the form that the Notary Project's specification gives it, or could be read in two ways; what"
        " signs properly makes no such thing.",
        _SIGN_AGAIN,
    ),
    entry(
        "VD-TRUST-003",
        "a signature has a format that is not read",
        "The Notary Project knows JWS and COSE; the runbooks verify JWS.",
        "The publisher signs the release with JWS (`vibedata push`, or `notation sign --signature-format jws`).",
    ),
    entry(
        "VD-TRUST-004",
        "a signature demands what is not supported",
        "Its signer marked as critical what this version does not know, asks for a plugin, uses another signing scheme,"
        " or claims an algorithm that is not its key's.",
        "If the publisher says that it is theirs, use a newer version of the runbooks; otherwise do not install it.",
    ),
    entry(
        "VD-TRUST-005",
        "a signature, or what it signs, was altered",
        "The signature does not fit the key of its certificate, or other bytes came than their digest names.",
        "Do not install the release: this is what an attack looks like. Keep what the container registry holds, and"
        " tell the publisher.",
    ),
    entry(
        "VD-TRUST-006",
        "the certificates of a signature do not do",
        "The chain is incomplete, out of order or unreadable, or a certificate is not one that may sign code.",
        _SIGN_AGAIN,
    ),
    entry(
        "VD-TRUST-007",
        "a certificate of a signature is not valid now",
        "Each certificate of the chain must be valid on the day of the verification; one has expired, or is not valid"
        " yet by the clock of this machine.",
        "Check this machine's clock. If it is right, the publisher signs the release with a new certificate.",
    ),
    entry(
        "VD-TRUST-008",
        "a signature leads to no trusted root",
        "None of its certificates is pinned in the setting `trust_roots`.",
        "Ask the publisher, by another way than this container registry, whether a new root is in use; pin it beside"
        ' the old one only if they say so (docs/trust.md, "Changing the root"). Otherwise do not install the release.',
    ),
    entry(
        "VD-TRUST-009",
        "a signature is somebody else's",
        "Its root is trusted, but its certificate's subject is not the one in the setting `trusted_identity`.",
        "Ask the publisher whether their certificate has a new name; change the setting only if they say so.",
    ),
    entry(
        "VD-TRUST-010",
        "a signature has expired",
        "Its signer gave it a last day, and that is over by the clock of this machine.",
        "Check this machine's clock. If it is right, install a newer release, or the publisher signs this one again.",
    ),
    entry(
        "VD-TRUST-011",
        "a signature is for something else",
        "It is good for another artifact than the one to be installed, and was attached to this one.",
        "Do not install the release: signatures do not get to other artifacts by themselves. Tell the publisher.",
    ),
    entry(
        "VD-TRUST-012",
        "the trusted identity cannot be read",
        "The setting `trusted_identity` is no subject of a certificate as RFC 4514, openssl, Java or Windows write it.",
        "Set it to what the publisher names, such as `CN=Vibedata Release Signing,O=Vibedata`. OIDs stand for types.",
    ),
    entry(
        "VD-TRUST-013",
        "none of the signatures is good",
        "Several are attached to the release, and each was refused for the reason in the message.",
        "Do as the entry of the publisher's own signature says; the others may be anybody's.",
    ),
    entry(
        "VD-TRUST-014",
        "it is not known whether a good signature exists",
        "No signature that could be retrieved is good, and one could not be retrieved, or their list not be read.",
        "Run it again; if it stays, look at the container registry, and push or import the release again.",
        retryable=True,
    ),
)
_HOPS: tuple[ErrorEntry, ...] = (
    entry(
        "VD-TRUST-030",
        "nobody is trusted",
        "The deployment pins no trust root, or no publisher's identity; then no release can be told from a forged one.",
        "Set trust_roots and trusted_identity in the Automation variable vibedata-settings, or for the command vibedata"
        " VIBEDATA_TRUST_ROOTS and VIBEDATA_TRUSTED_IDENTITY in the environment, with the values that came with the"
        " deployment; never with some that came with a release. docs/trust.md says where they come from.",
        exit_code=EXIT_USAGE,
    ),
    entry(
        "VD-TRUST-031",
        "whom to trust is no parameter of a run",
        "Who may start a job chooses its parameters, and must not choose whose releases are installed.",
        "Leave it out of the parameter settings. It is set in the Automation variable vibedata-settings.",
        exit_code=EXIT_USAGE,
    ),
    entry(
        "VD-TRUST-032",
        "a stored release has no signature beside it",
        "Its import broke off, or somebody took the signature away.",
        "Run import_manifest for this release again: it stores the signature. If the publisher no longer offers it"
        " signed, import a newer one.",
    ),
    entry(
        "VD-TRUST-033",
        "a stored release is not what its signature is of",
        "The signature beside it is good, but of another release: somebody put it there.",
        "Treat it as tampering: find out who may write to artifact storage. Then import a newer release.",
    ),
)
ENTRIES: tuple[ErrorEntry, ...] = (*_SIGNATURES, *_HOPS, *_SIGNING)
