"""Failures of trust: signatures, their certificates, and what they cover."""

from runbook_lib.error_entry import EXIT_USAGE, ErrorEntry, entry

_SIGNING: tuple[ErrorEntry, ...] = (
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
)
ENTRIES: tuple[ErrorEntry, ...] = (*_SIGNING,)
