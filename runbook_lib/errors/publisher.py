"""Failures on the publisher's side: building and pushing a release."""

from runbook_lib.errors.entry import EXIT_USAGE, entry

ENTRIES = (
    entry(
        "VD-BUILD-001",
        "the release definition is not valid",
        "The file does not have the form of a release definition, or what it says would be refused by every customer.",
        "Mend the definition as the message says; `vibedata build --help` shows one.",
        exit_code=EXIT_USAGE,
    ),
    entry(
        "VD-BUILD-002",
        "a runbook cannot be bundled",
        "A source file cannot be embedded as plain text, or the sandbox's Python 3.10 with the locked packages would"
        " not run it.",
        "Mend the source as the message says.",
    ),
    entry(
        "VD-BUILD-003",
        "a built runbook is too large",
        "Automation takes at most 1 MiB of text for a runbook.",
        "Move what only some runbooks need into modules of its own: a runbook carries what it imports.",
    ),
    entry(
        "VD-BUILD-004",
        "the locked packages cannot be downloaded",
        "pip found no wheel with the locked hash, or no connection to its index.",
        "Check the connection and pip's own configuration; if a version was withdrawn, run `make lock`.",
        retryable=True,
    ),
    entry(
        "VD-BUILD-005",
        "a wheel is not the locked one",
        "What was downloaded has another name, version or hash than packages.lock says.",
        "Do not use it. Find out who changed it; `make lock` makes a new lock from a trusted index.",
    ),
    entry(
        "VD-BUILD-006",
        "packages.lock is not valid",
        "It was edited by hand, or a merge left it broken.",
        "Run `make lock`.",
    ),
    entry(
        "VD-BUILD-007",
        "the output folder holds something else",
        "A build replaces a former build and nothing else.",
        "Name another folder, or empty this one.",
        exit_code=EXIT_USAGE,
    ),
    entry(
        "VD-BUILD-008",
        "the release has no time",
        "Its time is the commit's, so that two builds are the same; here is neither a commit nor SOURCE_DATE_EPOCH, or"
        " it is no time.",
        "Build in a clone, or set SOURCE_DATE_EPOCH (seconds since 1970, UTC, in digits).",
        exit_code=EXIT_USAGE,
    ),
    entry(
        "VD-BUILD-009",
        "git does not say what is committed",
        "The source tree is a clone, but git is not there or does not read it, so nobody knows which commit is built.",
        "Mend what git says in the message; `git fsck` checks a clone, and a fresh clone is always good.",
    ),
    entry(
        "VD-PUSH-001",
        "the folder is not a complete built release",
        "A file is missing or was changed after the build, or the folder was not made by `vibedata build`.",
        "Build it again.",
    ),
    entry(
        "VD-PUSH-002",
        "the version exists already, with other content",
        "A version's tag never moves: somebody may have installed it.",
        "Give the release a new version and build it again.",
    ),
    entry(
        "VD-PUSH-003",
        "the container registry lacks images of the release",
        "The release manifest pins images by digest that are not there; customers could not import them.",
        "Push the images first, then the release.",
    ),
    entry(
        "VD-PUSH-004",
        "which container registry, or who asks it, is not said",
        "Neither an option nor the environment says so.",
        "Name the host, or set VIBEDATA_PUBLISHER_REGISTRY; give --username with --password-stdin, or --entra, or set"
        " VIBEDATA_PUBLISHER_REGISTRY_USERNAME and VIBEDATA_PUBLISHER_REGISTRY_PASSWORD. For the lab: `source"
        " .lab/lab.env`.",
        exit_code=EXIT_USAGE,
    ),
    entry(
        "VD-PUSH-005",
        "the container registry refuses the push",
        "The credentials are wrong or expired, or may not write to this repository.",
        "Check the user's or the token's rights (content/write, metadata/read), or the role AcrPush.",
    ),
    entry(
        "VD-PUSH-006",
        "the container registry did not take an upload",
        "It answered with an error, led the upload elsewhere, or broke it off, after all retries.",
        "Run it again: what has arrived is not sent again.",
        retryable=True,
    ),
)
