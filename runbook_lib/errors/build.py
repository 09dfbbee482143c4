"""Failures of the publisher's tools: build, signing, push, verification."""

from runbook_lib.errors.entry import EXIT_USAGE, entry

DEFINITION_INVALID = entry(
    "VD-BUILD-001",
    "the release definition is not valid",
    "The file does not have the form of a release definition, or every customer would refuse its content.",
    "Correct the definition as the message says. `vibedata build --help` shows an example.",
    exit_code=EXIT_USAGE,
)
RUNBOOK_NOT_BUNDLED = entry(
    "VD-BUILD-002",
    "a runbook cannot be bundled",
    "A source file cannot be embedded as plain text, or the sandbox's Python 3.10 could not run it with the locked"
    " packages.",
    "Correct the source file as the message says.",
)
RUNBOOK_TOO_LARGE = entry(
    "VD-BUILD-003",
    "a built runbook is too large",
    "Automation takes at most 1 MiB of text for a runbook.",
    "A runbook carries every module that it imports. Move code that only other runbooks need into separate modules.",
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
    "The downloaded wheel has another name, version or hash than packages.lock.",
    "Do not use it. Find out who changed it. `make lock` makes a new lock from a trusted index.",
)
LOCK_INVALID = entry(
    "VD-BUILD-006",
    "packages.lock is not valid",
    "Somebody edited it by hand, or a merge broke it.",
    "Run `make lock`.",
)
OUTPUT_FOLDER_TAKEN = entry(
    "VD-BUILD-007",
    "the output folder holds other files",
    "A build replaces a former build, and nothing else.",
    "Name another folder, or empty this one.",
    exit_code=EXIT_USAGE,
)
RELEASE_TIME_UNKNOWN = entry(
    "VD-BUILD-008",
    "the release has no time",
    "A release has its commit's time, so that two builds are the same. There is no commit here, and SOURCE_DATE_EPOCH"
    " is not set or is not a time.",
    "Build in a clone, or set SOURCE_DATE_EPOCH (whole seconds since 1970, UTC).",
    exit_code=EXIT_USAGE,
)
COMMIT_UNKNOWN = entry(
    "VD-BUILD-009",
    "git does not say which commit this is",
    "The source tree is a clone, but git is not installed or cannot read it. So nobody knows which commit is built.",
    "The message has git's own words: correct what they name. `git fsck` checks a clone. A fresh clone is always good.",
)
PACKAGES_NOT_COMBINED = entry(
    "VD-BUILD-010",
    "the locked packages cannot be combined into one wheel",
    "Two packages have the same file with other content, a package has files for other folders, or all together are"
    " larger than Automation takes.",
    "Lock another version of the package that the message names, in packages.in, and run `make lock`.",
)
FOLDER_INCOMPLETE = entry(
    "VD-PUSH-001",
    "the folder is not a complete built release",
    "The folder does not exist, a file in it is missing or was changed after the build, or another program made it.",
    "Give the folder that `vibedata build` made. If you did, build it again.",
)
VERSION_EXISTS = entry(
    "VD-PUSH-002",
    "the version already exists with other content",
    "A version's tag never moves: somebody may have installed it.",
    "Give the release a new version and build it again.",
)
IMAGES_MISSING = entry(
    "VD-PUSH-003",
    "the container registry lacks images of the release",
    "The release manifest pins images by digest, and some are not there. Customers could not import them.",
    "Push the images first, then the release.",
)
DESTINATION_UNCLEAR = entry(
    "VD-PUSH-004",
    "the container registry or the credentials are not given",
    "Neither an option nor the environment gives them, or the password or login is for another host.",
    "Name the host with --to, or set VIBEDATA_PUBLISHER_REGISTRY. Give --username with --password-stdin, or --entra,"
    " or set VIBEDATA_PUBLISHER_REGISTRY_USERNAME and VIBEDATA_PUBLISHER_REGISTRY_PASSWORD. For the lab: `source"
    " .lab/lab.env`.",
    exit_code=EXIT_USAGE,
)
PUSH_REFUSED = entry(
    "VD-PUSH-005",
    "the container registry refuses the push",
    "The credentials are wrong or expired, or they may not write to this repository.",
    "Check the user's or the token's rights (content/write, metadata/read), or the role AcrPush.",
)
UPLOAD_FAILED = entry(
    "VD-PUSH-006",
    "the container registry did not accept an upload",
    "After all retries it answered with an error, sent the upload to another host, or broke it off.",
    "Run it again: content that has arrived is not sent again.",
    retryable=True,
)
RUNBOOK_NOT_IN_RELEASE = entry(
    "VD-PUSH-007",
    "the release lacks a runbook that a deployment begins with",
    "An earlier version of the suite has built the release.",
    "Deploy a newer release, or use the `vibedata` of the version that built this one.",
)
RELEASE_NOT_SIGNED = entry(
    "VD-TRUST-050",
    "the release is not signed",
    "It was built without a signing key. Every customer would refuse it.",
    "Build it again with --signing-key and --signing-chain (docs/publishing.md). Only the signature is new.",
)
SIGNING_CHAIN_UNFIT = entry(
    "VD-TRUST-051",
    "the release cannot be signed with this key and chain",
    "The certificates must be for code signing, complete, in order from the key's certificate to a self-signed root,"
    " and all valid today. Otherwise every customer would refuse the release.",
    "Give both --signing-key and --signing-chain (docs/publishing.md says how to make them), and correct what the"
    " message names.",
    exit_code=EXIT_USAGE,
)
SIGNING_KEY_OF_OTHER_CERTIFICATE = entry(
    "VD-TRUST-052",
    "the signing key does not belong to the certificate",
    "The chain's first certificate is of another key, or of another version of this key.",
    "Give the chain whose first certificate was made for this key, and write the key's version in its id.",
)
VAULT_DOES_NOT_SIGN = entry(
    "VD-TRUST-053",
    "the Key Vault does not sign",
    "It refuses this identity. Or the key does not exist, is disabled, has expired, or may not sign.",
    "Check that the identity may sign with the key (role Key Vault Crypto User). Check the key's id and its"
    " operations.",
)
SIGNATURE_NOT_LISTED = entry(
    "VD-TRUST-054",
    "the signature cannot be listed beside the release",
    "The container registry has no referrers API. An index stands in for it, and other writers change that index all"
    " the time.",
    "Run it again. If it fails again, look at the tag sha256-... in the release manifest's repository.",
    retryable=True,
)
PINNED_ARTIFACT_MISSING = entry(
    "VD-TRUST-055",
    "an artifact that the release pins is missing",
    "The signature is good, but customers could not import the release: a pinned artifact was never pushed, or was"
    " deleted.",
    "Push the release and its images again. Content that is already there is not sent again.",
)
VERIFICATION_UNCLEAR = entry(
    "VD-TRUST-056",
    "it is not clear what to verify, or whom to trust",
    "A release is given as its version, a tag, HOST/vibedata/release-manifest:TAG, ...@DIGEST or a build's folder. A"
    " trusted certificate is given as a PEM file or as its SHA-256 in hex.",
    "Correct what the message names. `vibedata verify --help` has examples.",
    exit_code=EXIT_USAGE,
)
NOT_PROMOTED = entry(
    "VD-VERIFY-001",
    "the tag `latest` does not lead to the promoted release",
    "New customers install what the tag `latest` leads to. It leads to another release than the one that was promoted,"
    " or the release is of another version or channel.",
    "Find out which release was to be promoted. `vibedata push` moves `latest` to the release that it sends.",
)
NO_CUSTOMER_TOKEN = entry(
    "VD-VERIFY-002",
    "the credentials are not those of a customer",
    "They may write. So what they can read says nothing about what a customer's token can read.",
    "Give a repository-scoped token with the scope map of the customers' tokens: --username with --password-stdin.",
)
RUNBOOK_UNFIT = entry(
    "VD-VERIFY-003",
    "an Automation account would not run a runbook",
    "It takes a text of at most 1 MiB in UTF-8, which Python 3.10 can read.",
    "Correct the runbook's source and build the release again.",
)
PACKAGES_INCOMPLETE = entry(
    "VD-VERIFY-004",
    "the Python packages are not complete",
    "A package is missing, is of a version that another package does not take, or is made for another platform than"
    " CPython 3.10 on Linux x86_64. Runbooks would fail when they import it.",
    "Run `make lock` and build the release again.",
)
IMAGE_TAG_LITERAL = entry(
    "VD-VERIFY-005",
    "a Bicep file has a literal image tag",
    "The same Bicep files serve all releases and environments. An image's tag or digest comes in by a parameter.",
    "Pass the reference or its tag in a parameter without a default.",
)
BICEP_UNREADABLE = entry(
    "VD-VERIFY-006",
    "a Bicep file cannot be read",
    "It is not there, is not Bicep, or has syntax that the parser does not know. So nobody knows whether it has a"
    " literal image tag.",
    "Correct the file or the path. `az bicep build` says whether the compiler reads the file.",
)
PACKAGE_REFUSED = entry(
    "VD-PACKAGE-001",
    "the package breaks rules of certification",
    "Partner Center or Azure would refuse it, or it would fail in a customer's tenant. Nothing was packed.",
    "Correct what each finding names: it says the file, the line, the rule and what to do.",
)
TEMPLATE_MISSING = entry(
    "VD-PACKAGE-002",
    "there is no compiled template, and no compiler",
    "A package needs mainTemplate.json. The Bicep CLI makes it from mainTemplate.bicep, and is not installed here.",
    "Install the Bicep CLI (`az bicep install`, or `bicep` on the PATH), or get the compiled mainTemplate.json from"
    " somebody who has it. Everything that needs no template has been checked.",
)
TEMPLATE_STALE = entry(
    "VD-PACKAGE-003",
    "the compiled template is stale, and there is no compiler",
    "The Bicep sources have changed since it was compiled, or somebody has edited it.",
    "Install the Bicep CLI (`az bicep install`, or `bicep` on the PATH) and run it again: it compiles the template"
    " anew. Everything that needs no template has been checked.",
)
TEMPLATE_NOT_COMPILED = entry(
    "VD-PACKAGE-004",
    "the Bicep CLI does not compile the template",
    "It refuses a source file, or it does not run here. Everything that needs no template has been checked.",
    "Correct what the message names: it has the compiler's own words.",
)
PACKAGE_FILE_REFUSED = entry(
    "VD-PACKAGE-005",
    "a file of the package cannot be read",
    "A package holds plain files: no links, pipes or devices.",
    "Correct what the message names, or give another folder.",
    exit_code=EXIT_USAGE,
)
