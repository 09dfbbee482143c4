"""Failures of trust: signatures, their certificates, and what they cover."""

from runbook_lib.error_entry import EXIT_USAGE, ErrorEntry, entry

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
        "The container registry has no referrers API, and the index that stands in for it is damaged or is written by"
        " others all the time.",
        "Run it again; if it stays so, look at the tag sha256-... of the release manifest's repository.",
        retryable=True,
    ),
)
ENTRIES: tuple[ErrorEntry, ...] = (*_SIGNING,)
