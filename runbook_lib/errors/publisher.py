"""Failures of a credential's rotation at the publisher's."""

from runbook_lib.errors.entry import entry

WRAPPING_KEY_DIFFERS = entry(
    "VD-ROTATION-030",
    "the customer's wrapping key is not as agreed",
    "What the customer's vault reports is no RSA key of 3072 bits with exponent 65537: a secret that is wrapped for"
    " a weaker one could be read on its way.",
    "Nothing was sent. Find out who changed key vibedata-wrapping in the customer's vault; a new version of it as"
    " runbook rotate_hmac makes it takes its place.",
)
PHASE_FAILED = entry(
    "VD-ROTATION-031",
    "a phase of the rotation failed at the customer's",
    "The job ran in the customer's tenant and ended with the failure that the message names. Everything works on,"
    " with the former credential or with both.",
    "See that failure's own code; then run the same command again. Where it says that the rotation is over, the"
    " command begins another one; where what a phase before brought is gone, it is sent again.",
    retryable=True,
)
KEY_LOST = entry(
    "VD-ROTATION-032",
    "the key of the open rotation is lost",
    "Its secret in the publisher's vault is absent, disabled or no key, or the key was revoked, and none of that is"
    " a step of the rotation.",
    "Begin another rotation in its place: `vibedata rotate-hmac --supersede ROTATION_ID`. The key in use stays"
    " accepted.",
)
KEY_NOT_READ_BACK = entry(
    "VD-ROTATION-033",
    "a new key cannot be read back from the publisher's vault",
    "The vault shows writes late, or something deletes or disables the secret.",
    "Run it again; a rotation that has not begun leaves nothing behind. If it stays, look at the vault's log.",
    retryable=True,
)
OVERTAKEN = entry(
    "VD-ROTATION-034",
    "another rotation has taken the place of this one",
    "Somebody has begun another one, with --supersede or --emergency, while this command was under way.",
    "Nothing is lost: run the command again, which goes on with the rotation that is open now.",
    retryable=True,
)
TOKEN_NOT_RENEWED = entry(
    "VD-ROTATION-035",
    "the customer's token cannot be renewed",
    "The publisher's container registry has no such token, or ARM has not made the password that was asked for.",
    "Check VIBEDATA_PUBLISHER_REGISTRY_NAME and VIBEDATA_PUBLISHER_TOKEN_NAME, and the token's state in the portal;"
    " then run the same command again.",
)
ROTATION_NOT_OPEN = entry(
    "VD-ROTATION-036",
    "the rotation to give up is not open",
    "There is no rotation of this id, it is over, or what it was given up for is over, too.",
    "Run it with --plan and without --supersede: that shows the rotation that is open, with its id. Where there is"
    " none, there is nothing to give up.",
)
RECORD_MALFORMED = entry(
    "VD-ROTATION-040",
    "the record of a rotation is not of its form",
    "Somebody has written to the row of the publisher's table that the message names: columns are missing, or hold"
    " what no rotation writes.",
    "Correct the columns that the message names, or delete the row where no rotation is under way; then run the"
    " same command again.",
)
