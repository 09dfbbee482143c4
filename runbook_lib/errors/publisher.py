"""Failures of a credential's rotation at the publisher's."""

from runbook_lib.errors.entry import entry

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
    "a phase of the rotation failed at the customer's",
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
    "There is no rotation with this id, it has ended, or the rotation that replaced it has ended, too.",
    "Run it with --plan and without --supersede: it shows the open rotation with its id. If no rotation is open, there"
    " is nothing to give up.",
)
RECORD_MALFORMED = entry(
    "VD-ROTATION-040",
    "the record of a rotation is malformed",
    "Somebody has written to the row that the message names in the publisher's table: columns are missing, or hold"
    " values that no rotation writes.",
    "Correct the columns that the message names. If no rotation is open, you can delete the row instead. Then run the"
    " same command again.",
)
