"""Failures of a credential's rotation on the customer's side."""

from runbook_lib.errors.entry import entry

PHASE_TOO_EARLY = entry(
    "VD-ROTATION-001",
    "an earlier phase of the rotation is not done",
    "The phases are prepare, stage, test, promote and retire. The vault does not hold the result of the phase before:"
    " it was never made, was disabled or purged, or was written so recently that a read does not show it yet.",
    "Run the phase that the message names. If it has just run, run this phase again.",
    retryable=True,
)
OTHER_ROTATION_PENDING = entry(
    "VD-ROTATION-002",
    "another rotation is pending",
    "The credential of another rotation is in the pending secret. Without a delivery, the secret holds one rotation at"
    " a time.",
    "Finish that rotation with its own id. Or abandon it: give its id as parameter supersedes to prepare and stage."
    " The publisher's commands go on regardless of it.",
)
ROTATION_OVER = entry(
    "VD-ROTATION-003",
    "this rotation is over",
    "A newer rotation was promoted after it. Or somebody disabled the version that it had put into use, or wrote"
    " another version. A former credential, or one that was staged before the last promotion, never comes into use"
    " again.",
    "Start a new rotation. The publisher's command does so when you run it again.",
)
WRAPPING_KEY_UNUSABLE = entry(
    "VD-ROTATION-004",
    "the wrapping key cannot be used",
    "The version that wrapped the credential does not exist, is disabled, or is not RSA-3072 for wrapKey and"
    " unwrapKey.",
    "Run phase prepare, and wrap the credential for the version that it reports.",
)
CREDENTIAL_NOT_UNWRAPPED = entry(
    "VD-ROTATION-005",
    "the vault cannot unwrap the credential",
    "It was wrapped for another key or with another algorithm than RSA-OAEP-256, or it was damaged on its way.",
    "Wrap the credential again, for the key and version that phase prepare reports.",
)
RETIREMENT_TOO_EARLY = entry(
    "VD-ROTATION-007",
    "it is too early to retire the former credential",
    "A run that read it before the new one was promoted may still use it.",
    "Run phase retire after the time that the message names. If the former credential is believed stolen, set"
    " overlap_seconds to 0.",
    retryable=True,
)
CLOCKS_DIFFER = entry(
    "VD-ROTATION-008",
    "the clocks differ",
    "By this machine's clock, the vault wrote a version in the future. So the run cannot measure the overlap.",
    "Set this machine's clock; then run it again.",
)
PENDING_CREDENTIAL_REFUSED = entry(
    "VD-ROTATION-009",
    "the pending credential was refused",
    "The publisher does not accept it: it is not registered there, was revoked, or is not the registered one.",
    "Nothing was promoted, and the former credential still works. Read the message. Then test again, or start a new"
    " rotation that supersedes this one.",
    retryable=True,
)
OTHER_CREDENTIAL = entry(
    "VD-ROTATION-010",
    "this rotation has another credential",
    "One rotation brings one credential. An earlier run has staged one with another id.",
    "Stage the credential of the earlier run, or start a new rotation that supersedes this one.",
)
