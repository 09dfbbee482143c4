"""Failures of container registries and of imports into the customer's."""

from runbook_lib.errors.entry import EXIT_USAGE, entry

# The area of the codes of container registries, without those of imports.
REGISTRY = "VD-REGISTRY"

PUBLISHER_UNREACHABLE = entry(
    "VD-REGISTRY-001",
    "the publisher's container registry cannot be reached",
    "After all retries there was no connection, or no answer in time.",
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
    "The container registry sent other bytes than this digest names: they are damaged, or somebody changed them.",
    "Do not use it. Tell the publisher which digest it is.",
)
ANSWER_OUT_OF_BOUNDS = entry(
    "VD-REGISTRY-006",
    "the container registry's answer is out of bounds",
    "It is larger than the suite accepts, is not a valid answer of the protocol, or leads to another host.",
    "Check that the setting names a container registry, and that no proxy answers in its place.",
)
CUSTOMER_UNREACHABLE = entry(
    "VD-REGISTRY-007",
    "the customer's container registry cannot be reached",
    "After all retries there was no connection, or no answer in time.",
    "Check setting customer_registry and the firewall; then run it again.",
    retryable=True,
)
REGISTRY_ADDRESS_UNUSABLE = entry(
    "VD-REGISTRY-020",
    "the address of a container registry cannot be used",
    "It must be a host name or IP address, and may have a port.",
    "Correct setting publisher_registry or customer_registry. For a command, correct --to HOST, HOST/REPOSITORY:TAG or"
    " VIBEDATA_PUBLISHER_REGISTRY. The address has no https:// in front and no path behind.",
    exit_code=EXIT_USAGE,
)
IMAGE_MISSING_AT_SOURCE = entry(
    "VD-IMPORT-001",
    "an image is missing at the source",
    "The publisher's container registry does not have this digest.",
    "Tell the publisher. The other images are imported, and a rerun goes on where this run ended.",
)
IMPORT_FAILED = entry(
    "VD-IMPORT-002",
    "an import failed",
    "The customer's container registry could not import it. The message has its own words. They may blame this"
    " container registry for a failure that the source's firewall caused.",
    "Run it again. If it fails again, check the source and the message.",
    retryable=True,
)
IMPORT_TIMED_OUT = entry(
    "VD-IMPORT-003",
    "an import did not end in time",
    "The container registry accepted the import, but the image did not appear before the deadline.",
    "Run it again: a rerun looks for images that have arrived since.",
    retryable=True,
)
IMAGE_DIGEST_MISMATCH = entry(
    "VD-IMPORT-004",
    "an image's bytes do not match its digest",
    "The copy at the source is damaged, or somebody changed it. The import was refused.",
    "Tell the publisher which image it is. Nothing of it was tagged.",
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
    "Another operation on it is in progress, or the tag is locked.",
    "Run it again in a few minutes. If it fails again, look for a lock on the tag.",
    retryable=True,
)
