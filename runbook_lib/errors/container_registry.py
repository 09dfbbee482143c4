"""Failures of container registries and of imports into the customer's."""

from runbook_lib.errors.entry import EXIT_USAGE, entry

# The area of the codes of container registries, without those of imports.
REGISTRY = "VD-REGISTRY"

PUBLISHER_UNREACHABLE = entry(
    "VD-REGISTRY-001",
    "the publisher's container registry cannot be reached",
    "No connection, or no answer in time, after all retries.",
    "Check setting publisher_registry, DNS and the firewall; then run it again.",
    retryable=True,
)
TOKEN_REFUSED = entry(
    "VD-REGISTRY-002",
    "the publisher's container registry refuses the token",
    "The repository-scoped token in secret publisher-acr-token is wrong, expired, or not for this repository.",
    "Ask the publisher to rotate the token; then run it again.",
)
IDENTITY_REFUSED = entry(
    "VD-REGISTRY-003",
    "the customer's container registry refuses vibedata-uami",
    "It lacks the role Container Registry Data Importer and Data Reader, or the assignment is younger than 30 minutes.",
    "Check the role assignment; after a new one wait up to 30 minutes and run it again.",
    retryable=True,
)
REQUEST_FAILED = entry(
    "VD-REGISTRY-004",
    "a container registry failed or throttled the request",
    "It answered with an error, after all retries.",
    "Wait a few minutes and run it again.",
    retryable=True,
)
DIGEST_MISMATCH = entry(
    "VD-REGISTRY-005",
    "the bytes do not match their digest",
    "What the container registry sent is not what was asked for: damaged, or tampered with.",
    "Do not use it. Tell the publisher which digest it was.",
)
ANSWER_OUT_OF_BOUNDS = entry(
    "VD-REGISTRY-006",
    "the container registry's answer is out of bounds",
    "It is larger than the suite accepts, is no valid answer of the protocol, or leads elsewhere.",
    "Check that the setting names a container registry, and that no proxy stands between.",
)
CUSTOMER_UNREACHABLE = entry(
    "VD-REGISTRY-007",
    "the customer's container registry cannot be reached",
    "No connection, or no answer in time, after all retries.",
    "Check setting customer_registry and the firewall; then run it again.",
    retryable=True,
)
REGISTRY_ADDRESS_UNUSABLE = entry(
    "VD-REGISTRY-020",
    "the address of a container registry cannot be used",
    "It is no host name or IP address, with a port if need be.",
    "Correct setting publisher_registry or customer_registry; for a command --to HOST, HOST/REPOSITORY:TAG or"
    " VIBEDATA_PUBLISHER_REGISTRY. It has no https:// in front and no path behind.",
    exit_code=EXIT_USAGE,
)
IMAGE_MISSING_AT_SOURCE = entry(
    "VD-IMPORT-001",
    "an image is missing at the source",
    "The publisher's container registry does not have this digest.",
    "Tell the publisher; the others were imported, and a rerun takes up where this one ended.",
)
IMPORT_FAILED = entry(
    "VD-IMPORT-002",
    "an import failed",
    "The customer's container registry could not import it; see its own words in the message. It may blame itself"
    " for what the source's firewall did.",
    "Run it again; if it fails alike, check the source and the message.",
    retryable=True,
)
IMPORT_TIMED_OUT = entry(
    "VD-IMPORT-003",
    "an import did not end in time",
    "The operation was accepted but the image did not appear before the deadline.",
    "Run it again: a rerun looks at what has arrived since.",
    retryable=True,
)
IMAGE_DIGEST_MISMATCH = entry(
    "VD-IMPORT-004",
    "an image's bytes do not match its digest",
    "The copy at the source is damaged or tampered with, and the import was refused.",
    "Tell the publisher which image it was; nothing of it was tagged.",
)
SOURCE_REFUSES_IMPORT = entry(
    "VD-IMPORT-005",
    "the source refuses the import",
    "The repository-scoped token in secret publisher-acr-token is wrong, expired, or not for this repository.",
    "Ask the publisher to rotate the token; then run it again.",
)
IMPORT_REFUSED_FOR_NOW = entry(
    "VD-IMPORT-006",
    "the customer's container registry refuses an import for now",
    "Another operation on it is under way, or the tag is locked.",
    "Run it again in a few minutes; if it stays, look for a lock on the tag.",
    retryable=True,
)
