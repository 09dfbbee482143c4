"""Failures with a release: its manifest, container registries, imports, artifact storage."""

from runbook_lib.errors.entry import EXIT_USAGE, entry

ENTRIES = (
    entry(
        "VD-MANIFEST-001",
        "the publisher's container registry has no such release",
        "The tag does not exist in repository vibedata/release-manifest.",
        "Check the release tag; the publisher moves `latest` only when a release is complete.",
    ),
    entry(
        "VD-MANIFEST-002",
        "the release manifest cannot be read",
        "It is not strict JSON of the published schema: oci/release-manifest.schema.json.",
        "Tell the publisher; nothing was changed.",
    ),
    entry(
        "VD-MANIFEST-003",
        "the release manifest is too large",
        "It is over the size that a runbook accepts.",
        "Tell the publisher; nothing was changed.",
    ),
    entry(
        "VD-MANIFEST-004",
        "the release manifest is of an unknown schema version",
        "It was made for a newer runbook.",
        "Publish the runbooks of that release first.",
    ),
    entry(
        "VD-MANIFEST-005",
        "the release manifest contradicts itself",
        "A name stands twice, a reference leads nowhere, or dependencies form a circle.",
        "Tell the publisher; nothing was changed.",
    ),
    entry(
        "VD-MANIFEST-006",
        "the release has expired",
        "Its expires_at is past: somebody may be holding newer releases back (a freeze attack), or this clock is"
        " wrong.",
        "Ask the publisher for a current release; check the clock.",
    ),
    entry(
        "VD-MANIFEST-007",
        "the release is older than the installed one",
        "An older release may hold known faults (a rollback attack).",
        "If it is meant, run again with allow_downgrade; `vibedata deploy` has the option --allow-downgrade.",
    ),
    entry(
        "VD-MANIFEST-008",
        "the same version is installed with another digest",
        "A version's content never changes; one of the two is not the publisher's.",
        "Stop, and compare both digests with the publisher.",
    ),
    entry(
        "VD-MANIFEST-009",
        "the release artifact is not a release manifest",
        "Its artifact type, its layer's media type or the number of its layers differs from the contract.",
        "Check the tag and the repository with the publisher.",
    ),
    entry(
        "VD-MANIFEST-010",
        "no release is installed",
        "Artifact storage holds no release manifest of that version.",
        "Run import_manifest first: `vibedata invoke import_manifest`. Where another version is meant, give one that"
        " the message names as release_version.",
    ),
    entry(
        "VD-MANIFEST-011",
        "an artifact is not what the release manifest says",
        "Its type, its layers or their digests differ from what is pinned: built wrongly, or tampered with.",
        "Do not use it. Tell the publisher which one it was.",
    ),
    entry(
        "VD-MANIFEST-012",
        "an artifact of the release is missing",
        "The customer's container registry does not have it under the digest that the release manifest pins.",
        "Run import_images, then run it again.",
        retryable=True,
    ),
    entry(
        "VD-REGISTRY-001",
        "the publisher's container registry cannot be reached",
        "No connection, or no answer in time, after all retries.",
        "Check setting publisher_registry, DNS and the firewall; then run it again.",
        retryable=True,
    ),
    entry(
        "VD-REGISTRY-002",
        "the publisher's container registry refuses the token",
        "The repository-scoped token in secret publisher-acr-token is wrong, expired, or not for this repository.",
        "Ask the publisher to rotate the token; then run it again.",
    ),
    entry(
        "VD-REGISTRY-003",
        "the customer's container registry refuses vibedata-uami",
        "It lacks the role Container Registry Data Importer and Data Reader, or the assignment is younger than 30"
        " minutes.",
        "Check the role assignment; after a new one wait up to 30 minutes and run it again.",
        retryable=True,
    ),
    entry(
        "VD-REGISTRY-004",
        "a container registry failed or throttled the request",
        "It answered with an error, after all retries.",
        "Wait a few minutes and run it again.",
        retryable=True,
    ),
    entry(
        "VD-REGISTRY-005",
        "the bytes do not match their digest",
        "What the container registry sent is not what was asked for: damaged, or tampered with.",
        "Do not use it. Tell the publisher which digest it was.",
    ),
    entry(
        "VD-REGISTRY-006",
        "the container registry's answer is out of bounds",
        "It is larger than the suite accepts, is no valid answer of the protocol, or leads elsewhere.",
        "Check that the setting names a container registry, and that no proxy stands between.",
    ),
    entry(
        "VD-REGISTRY-007",
        "the customer's container registry cannot be reached",
        "No connection, or no answer in time, after all retries.",
        "Check setting customer_registry and the firewall; then run it again.",
        retryable=True,
    ),
    entry(
        "VD-REGISTRY-020",
        "the address of a container registry cannot be used",
        "It is no host name or IP address, with a port if need be.",
        "Correct setting publisher_registry or customer_registry; for a command --to HOST, HOST/REPOSITORY:TAG or"
        " VIBEDATA_PUBLISHER_REGISTRY. It has no https:// in front and no path behind.",
        exit_code=EXIT_USAGE,
    ),
    entry(
        "VD-IMPORT-001",
        "an image is missing at the source",
        "The publisher's container registry does not have this digest.",
        "Tell the publisher; the others were imported, and a rerun takes up where this one ended.",
    ),
    entry(
        "VD-IMPORT-002",
        "an import failed",
        "The customer's container registry could not import it; see its own words in the message. It may blame itself"
        " for what the source's firewall did.",
        "Run it again; if it fails alike, check the source and the message.",
        retryable=True,
    ),
    entry(
        "VD-IMPORT-003",
        "an import did not end in time",
        "The operation was accepted but the image did not appear before the deadline.",
        "Run it again: a rerun looks at what has arrived since.",
        retryable=True,
    ),
    entry(
        "VD-IMPORT-004",
        "an image's bytes do not match its digest",
        "The copy at the source is damaged or tampered with, and the import was refused.",
        "Tell the publisher which image it was; nothing of it was tagged.",
    ),
    entry(
        "VD-IMPORT-005",
        "the source refuses the import",
        "The repository-scoped token in secret publisher-acr-token is wrong, expired, or not for this repository.",
        "Ask the publisher to rotate the token; then run it again.",
    ),
    entry(
        "VD-IMPORT-006",
        "the customer's container registry refuses an import for now",
        "Another operation on it is under way, or the tag is locked.",
        "Run it again in a few minutes; if it stays, look for a lock on the tag.",
        retryable=True,
    ),
    entry(
        "VD-STORAGE-001",
        "the artifact container is not immutable",
        "It has no time-based retention policy at container level, or one that covers blob versions only, or one that"
        " allows protected append writes. The message says which.",
        "Set a policy on the container: `az storage container immutability-policy create --account-name STORAGE"
        " --container-name release-manifests --period 365`; docs/operators.md says more. A container with version-level"
        " immutability cannot be changed back, nor a locked policy that allows append writes: use another storage"
        " account.",
    ),
    entry(
        "VD-STORAGE-002",
        "artifact storage takes no data",
        "The account is full, read-only or disabled, or vibedata-uami may not write to it.",
        "See the service's own words in the message; check the account and the role Storage Blob Data Contributor.",
        retryable=True,
    ),
    entry(
        "VD-STORAGE-003",
        "a stored file does not match its name",
        "The blob's content has another SHA-256 than its name says.",
        "Treat it as tampering: compare with the publisher before anything else runs.",
    ),
    entry(
        "VD-STORAGE-004",
        "the container for artifacts is missing",
        "The storage account has no container of this name.",
        "Create it; docs/operators.md says how.",
    ),
    entry(
        "VD-STORAGE-005",
        "a container or table holds more than a run looks through",
        "Somebody else writes there: the suite keeps three blobs for each release and a row for each resource.",
        "See who may write to the storage account, and in its log who did. Blobs under a retention policy stay: where"
        " they are too many, import the release into another storage account.",
    ),
)
