"""Failures of a credential's rotation at the customer's."""

from runbook_lib.errors.entry import entry

PHASE_TOO_EARLY = entry(
    "VD-ROTATION-001",
    "a rotation's phase is asked for before an earlier one is done",
    "The phases are prepare, stage, test, promote and retire. The vault does not hold what this one builds on: it"
    " was never made, was disabled or purged, or was written so lately that a read does not show it yet.",
    "Run the phase that the message names; where it has just run, run this one again.",
    retryable=True,
)
OTHER_ROTATION_PENDING = entry(
    "VD-ROTATION-002",
    "another rotation is pending",
    "Its credential waits in the pending secret, and by hand one rotation at a time can be there.",
    "Finish that rotation with its own id, or abandon it: give its id as parameter supersedes to prepare and"
    " stage. The publisher's commands are not held up by it.",
)
ROTATION_OVER = entry(
    "VD-ROTATION-003",
    "this rotation is over",
    "A newer rotation was promoted after it, or somebody disabled the version that it had put into use, or wrote"
    " another. A former credential never becomes current again, nor does one that was staged before.",
    "Start a new rotation: the publisher's command does so when it is run again.",
)
WRAPPING_KEY_UNUSABLE = entry(
    "VD-ROTATION-004",
    "the wrapping key cannot be used",
    "The version that wrapped the credential is not there, is disabled, or is not RSA-3072 for wrapKey and unwrapKey.",
    "Run phase prepare, and wrap the credential for the version that it reports.",
)
CREDENTIAL_NOT_UNWRAPPED = entry(
    "VD-ROTATION-005",
    "the vault cannot unwrap what it was given",
    "It was wrapped for another key, with another algorithm than RSA-OAEP-256, or was damaged on its way.",
    "Wrap the credential again, for the key and version that phase prepare reports.",
)
NO_SUCH_CREDENTIAL = entry(
    "VD-ROTATION-006",
    "what was unwrapped, or is stored, is no such credential",
    "A key for callbacks is 32 bytes, stored as base64url with its id in tag keyId; a token is JSON"
    ' {"username": ..., "password": ...}.',
    "Start a new rotation. Where the secret in use is meant, disabling its newest version brings the former one back.",
)
RETIREMENT_TOO_EARLY = entry(
    "VD-ROTATION-007",
    "it is too early to retire the former credential",
    "Whoever read it before the new one was promoted may still use it.",
    "Run phase retire after the time that the message names. Where the former credential is believed stolen, set"
    " overlap_seconds to 0.",
    retryable=True,
)
CLOCKS_DIFFER = entry(
    "VD-ROTATION-008",
    "the clocks differ",
    "The vault's time of a version lies ahead of this machine's clock, so that no overlap can be measured.",
    "Set this machine's clock; then run it again.",
)
PENDING_CREDENTIAL_REFUSED = entry(
    "VD-ROTATION-009",
    "the pending credential was refused",
    "The publisher does not take it: it is not registered there, was revoked, or is another one than was registered.",
    "Nothing was promoted and the former credential works on. See the message; then test again, or start a new"
    " rotation that supersedes this one.",
    retryable=True,
)
OTHER_CREDENTIAL = entry(
    "VD-ROTATION-010",
    "this rotation has another credential",
    "One rotation brings one credential, and an earlier run has staged one with another id.",
    "Stage the one that it has, or start a new rotation that supersedes this one.",
)
