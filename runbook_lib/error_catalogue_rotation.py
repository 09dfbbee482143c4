"""Failures of a rotation: the key that signs callbacks, and the container registry token."""

from runbook_lib.error_entry import ErrorEntry, entry

ENTRIES: tuple[ErrorEntry, ...] = (
    entry(
        "VD-ROTATION-030",
        "the customer's wrapping key is not as agreed",
        "What the customer's vault reports is no RSA key of 3072 bits with exponent 65537: a secret that is wrapped for"
        " a weaker one could be read on its way.",
        "Nothing was sent. Find out who changed key vibedata-wrapping in the customer's vault; a new version of it as"
        " runbook rotate_hmac makes it takes its place.",
    ),
    entry(
        "VD-ROTATION-032",
        "the key of the open rotation is lost",
        "Its secret in the publisher's vault is absent, disabled or no key, or the key was revoked, and none of that is"
        " a step of the rotation.",
        "Begin another rotation in its place, with option --supersede. The key in use stays accepted.",
    ),
    entry(
        "VD-ROTATION-033",
        "a new key cannot be read back from the publisher's vault",
        "The vault shows writes late, or something deletes or disables the secret.",
        "Run it again; a rotation that has not begun leaves nothing behind. If it stays, look at the vault's log.",
        retryable=True,
    ),
)
