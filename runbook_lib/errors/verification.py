"""Failures that the verification of a release finds before customers do."""

from runbook_lib.errors.entry import entry

NOT_PROMOTED = entry(
    "VD-VERIFY-001",
    "`latest` is not the promoted release",
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
