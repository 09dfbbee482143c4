"""Failures at the publisher's desk: build, signing, push, verification."""

from runbook_lib.errors.entry import EXIT_USAGE, entry

DEFINITION_INVALID = entry(
    "VD-BUILD-001",
    "the release definition is not valid",
    "The file does not have the form of a release definition, or what it says would be refused by every customer.",
    "Mend the definition as the message says; `vibedata build --help` shows one.",
    exit_code=EXIT_USAGE,
)
RUNBOOK_NOT_BUNDLED = entry(
    "VD-BUILD-002",
    "a runbook cannot be bundled",
    "A source file cannot be embedded as plain text, or the sandbox's Python 3.10 with the locked packages would"
    " not run it.",
    "Mend the source as the message says.",
)
RUNBOOK_TOO_LARGE = entry(
    "VD-BUILD-003",
    "a built runbook is too large",
    "Automation takes at most 1 MiB of text for a runbook.",
    "Move what only some runbooks need into modules of its own: a runbook carries what it imports.",
)
PACKAGES_NOT_DOWNLOADED = entry(
    "VD-BUILD-004",
    "the locked packages cannot be downloaded",
    "pip found no wheel with the locked hash, or no connection to its index.",
    "Check the connection and pip's own configuration; if a version was withdrawn, run `make lock`.",
    retryable=True,
)
WHEEL_NOT_LOCKED = entry(
    "VD-BUILD-005",
    "a wheel is not the locked one",
    "What was downloaded has another name, version or hash than packages.lock says.",
    "Do not use it. Find out who changed it; `make lock` makes a new lock from a trusted index.",
)
LOCK_INVALID = entry(
    "VD-BUILD-006",
    "packages.lock is not valid",
    "It was edited by hand, or a merge left it broken.",
    "Run `make lock`.",
)
OUTPUT_FOLDER_TAKEN = entry(
    "VD-BUILD-007",
    "the output folder holds something else",
    "A build replaces a former build and nothing else.",
    "Name another folder, or empty this one.",
    exit_code=EXIT_USAGE,
)
RELEASE_TIME_UNKNOWN = entry(
    "VD-BUILD-008",
    "the release has no time",
    "Its time is the commit's, so that two builds are the same; here is neither a commit nor SOURCE_DATE_EPOCH, or"
    " it is no time.",
    "Build in a clone, or set SOURCE_DATE_EPOCH (seconds since 1970, UTC, in digits).",
    exit_code=EXIT_USAGE,
)
COMMIT_UNKNOWN = entry(
    "VD-BUILD-009",
    "git does not say what is committed",
    "The source tree is a clone, but git is not there or does not read it, so nobody knows which commit is built.",
    "Mend what git says in the message; `git fsck` checks a clone, and a fresh clone is always good.",
)
FOLDER_INCOMPLETE = entry(
    "VD-PUSH-001",
    "the folder is not a complete built release",
    "A file is missing or was changed after the build, or the folder was not made by `vibedata build`.",
    "Build it again.",
)
VERSION_EXISTS = entry(
    "VD-PUSH-002",
    "the version exists already, with other content",
    "A version's tag never moves: somebody may have installed it.",
    "Give the release a new version and build it again.",
)
IMAGES_MISSING = entry(
    "VD-PUSH-003",
    "the container registry lacks images of the release",
    "The release manifest pins images by digest that are not there; customers could not import them.",
    "Push the images first, then the release.",
)
DESTINATION_UNCLEAR = entry(
    "VD-PUSH-004",
    "which container registry, or who asks it, is not said",
    "Neither an option nor the environment says so.",
    "Name the host, or set VIBEDATA_PUBLISHER_REGISTRY; give --username with --password-stdin, or --entra, or set"
    " VIBEDATA_PUBLISHER_REGISTRY_USERNAME and VIBEDATA_PUBLISHER_REGISTRY_PASSWORD. For the lab: `source"
    " .lab/lab.env`.",
    exit_code=EXIT_USAGE,
)
PUSH_REFUSED = entry(
    "VD-PUSH-005",
    "the container registry refuses the push",
    "The credentials are wrong or expired, or may not write to this repository.",
    "Check the user's or the token's rights (content/write, metadata/read), or the role AcrPush.",
)
UPLOAD_FAILED = entry(
    "VD-PUSH-006",
    "the container registry did not take an upload",
    "It answered with an error, led the upload elsewhere, or broke it off, after all retries.",
    "Run it again: what has arrived is not sent again.",
    retryable=True,
)
RELEASE_NOT_SIGNED = entry(
    "VD-TRUST-050",
    "the release is not signed",
    "It was built without a signing key; every customer would refuse it.",
    "Build it again with --signing-key and --signing-chain (docs/publishing.md): all but the signature stays the same.",
)
SIGNING_CHAIN_UNFIT = entry(
    "VD-TRUST-051",
    "the release cannot be signed with this key and chain",
    "The certificates must be code signing's, complete and in order from the key's to a self-signed root, all valid"
    " today; otherwise every customer would refuse the release.",
    "Give --signing-key and --signing-chain both (docs/publishing.md tells how to make them), and mend what the"
    " message names.",
    exit_code=EXIT_USAGE,
)
SIGNING_KEY_OF_OTHER_CERTIFICATE = entry(
    "VD-TRUST-052",
    "the signing key is not that of the certificate",
    "What the key signs does not fit the chain's first certificate: another key, or another version of it.",
    "Give the chain whose first certificate was made for this key, and the key's version in its id.",
)
VAULT_DOES_NOT_SIGN = entry(
    "VD-TRUST-053",
    "the Key Vault does not sign",
    "It refuses this identity, or the key is not there, disabled, expired, or may not sign.",
    "Check that the identity may sign with the key (role Key Vault Crypto User), and the key's id and operations.",
)
SIGNATURE_NOT_LISTED = entry(
    "VD-TRUST-054",
    "the signature cannot be listed beside the release",
    "The container registry has no referrers API, and the index that stands in for it is written by others all the"
    " time.",
    "Run it again; if it stays so, look at the tag sha256-... of the release manifest's repository.",
    retryable=True,
)
PINNED_ARTIFACT_MISSING = entry(
    "VD-TRUST-055",
    "something that the release pins is not there",
    "The signature is good, but customers could not import the release: what it pins was never pushed, or was deleted.",
    "Push the release again, and its images; what is there is not sent again.",
)
VERIFICATION_UNCLEAR = entry(
    "VD-TRUST-056",
    "what to verify, or whom to trust, is not understood",
    "A release is named by its version, a tag, HOST/vibedata/release-manifest:TAG, ...@DIGEST or a build's folder;"
    " a trusted certificate by a PEM file of it or by its SHA-256 in hex.",
    "Mend what the message names; `vibedata verify --help` has examples.",
    exit_code=EXIT_USAGE,
)
