"""Failures of a rotation: the key that signs callbacks, and the container registry token."""

from runbook_lib.errors.entry import ErrorEntry, entry

ENTRIES: tuple[ErrorEntry, ...] = (
    entry(
        "VD-ROTATION-001",
        "a rotation's phase is asked for before an earlier one is done",
        "The phases are prepare, stage, test, promote and retire. The vault does not hold what this one builds on: it"
        " was never made, was disabled or purged, or was written so lately that a read does not show it yet.",
        "Run the phase that the message names; where it has just run, run this one again.",
        retryable=True,
    ),
    entry(
        "VD-ROTATION-002",
        "another rotation is pending",
        "Its credential waits in the pending secret, and by hand one rotation at a time can be there.",
        "Finish that rotation with its own id, or abandon it: give its id as parameter supersedes to prepare and"
        " stage. The publisher's commands are not held up by it.",
    ),
    entry(
        "VD-ROTATION-003",
        "this rotation is over",
        "A newer rotation was promoted after it, or somebody disabled the version that it had put into use, or wrote"
        " another. A former credential never becomes current again, nor does one that was staged before.",
        "Start a new rotation: the publisher's command does so when it is run again.",
    ),
    entry(
        "VD-ROTATION-004",
        "the wrapping key cannot be used",
        "The version that wrapped the credential is not there, is disabled, or is not RSA-3072 for wrapKey and"
        " unwrapKey.",
        "Run phase prepare, and wrap the credential for the version that it reports.",
    ),
    entry(
        "VD-ROTATION-005",
        "the vault cannot unwrap what it was given",
        "It was wrapped for another key, with another algorithm than RSA-OAEP-256, or was damaged on its way.",
        "Wrap the credential again, for the key and version that phase prepare reports.",
    ),
    entry(
        "VD-ROTATION-006",
        "what was unwrapped, or is stored, is no such credential",
        "A key for callbacks is 32 bytes, stored as base64url with its id in tag keyId; a token is JSON"
        ' {"username": ..., "password": ...}.',
        "Start a new rotation. Where the secret in use is meant, disabling its newest version brings the former one"
        " back.",
    ),
    entry(
        "VD-ROTATION-007",
        "it is too early to retire the former credential",
        "Whoever read it before the new one was promoted may still use it.",
        "Run phase retire after the time that the message names. Where the former credential is believed stolen, set"
        " overlap_seconds to 0.",
        retryable=True,
    ),
    entry(
        "VD-ROTATION-008",
        "the clocks differ",
        "The vault's time of a version lies ahead of this machine's clock, so that no overlap can be measured.",
        "Set this machine's clock; then run it again.",
    ),
    entry(
        "VD-ROTATION-009",
        "the pending credential was refused",
        "The publisher does not take it: it is not registered there, was revoked, or is another one than was"
        " registered.",
        "Nothing was promoted and the former credential works on. See the message; then test again, or start a new"
        " rotation that supersedes this one.",
        retryable=True,
    ),
    entry(
        "VD-ROTATION-010",
        "this rotation has another credential",
        "One rotation brings one credential, and an earlier run has staged one with another id.",
        "Stage the one that it has, or start a new rotation that supersedes this one.",
    ),
    entry(
        "VD-ROTATION-030",
        "the customer's wrapping key is not as agreed",
        "What the customer's vault reports is no RSA key of 3072 bits with exponent 65537: a secret that is wrapped for"
        " a weaker one could be read on its way.",
        "Nothing was sent. Find out who changed key vibedata-wrapping in the customer's vault; a new version of it as"
        " runbook rotate_hmac makes it takes its place.",
    ),
    entry(
        "VD-ROTATION-031",
        "a phase of the rotation failed at the customer's",
        "The job ran in the customer's tenant and ended with the failure that the message names. Everything works on,"
        " with the former credential or with both.",
        "See that failure's own code; then run the same command again. Where it says that the rotation is over, the"
        " command begins another one; where what a phase before brought is gone, it is sent again.",
        retryable=True,
    ),
    entry(
        "VD-ROTATION-032",
        "the key of the open rotation is lost",
        "Its secret in the publisher's vault is absent, disabled or no key, or the key was revoked, and none of that is"
        " a step of the rotation.",
        "Begin another rotation in its place: `vibedata rotate-hmac --supersede ROTATION_ID`. The key in use stays"
        " accepted.",
    ),
    entry(
        "VD-ROTATION-033",
        "a new key cannot be read back from the publisher's vault",
        "The vault shows writes late, or something deletes or disables the secret.",
        "Run it again; a rotation that has not begun leaves nothing behind. If it stays, look at the vault's log.",
        retryable=True,
    ),
    entry(
        "VD-ROTATION-034",
        "another rotation has taken the place of this one",
        "Somebody has begun another one, with --supersede or --emergency, while this command was under way.",
        "Nothing is lost: run the command again, which goes on with the rotation that is open now.",
        retryable=True,
    ),
    entry(
        "VD-ROTATION-035",
        "the customer's token cannot be renewed",
        "The publisher's container registry has no such token, or ARM has not made the password that was asked for.",
        "Check VIBEDATA_PUBLISHER_REGISTRY_NAME and VIBEDATA_PUBLISHER_TOKEN_NAME, and the token's state in the portal;"
        " then run the same command again.",
    ),
    entry(
        "VD-ROTATION-036",
        "the rotation to give up is not open",
        "There is no rotation of this id, it is over, or what it was given up for is over, too.",
        "Run it with --plan and without --supersede: that shows the rotation that is open, with its id. Where there is"
        " none, there is nothing to give up.",
    ),
    entry(
        "VD-ROTATION-040",
        "the record of a rotation is not of its form",
        "Somebody has written to the row of the publisher's table that the message names: columns are missing, or hold"
        " what no rotation writes.",
        "Correct the columns that the message names, or delete the row where no rotation is under way; then run the"
        " same command again.",
    ),
)
