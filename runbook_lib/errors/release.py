"""Failures of a release: its manifest, its files, the storage that keeps them."""

from runbook_lib.errors.entry import entry

# Areas of codes, for code that treats all failures of one area alike.
MANIFEST = "VD-MANIFEST"
STORAGE = "VD-STORAGE"

NO_SUCH_RELEASE = entry(
    "VD-MANIFEST-001",
    "the publisher's container registry has no such release",
    "The tag does not exist in repository vibedata/release-manifest.",
    "Check the release tag; the publisher moves `latest` only when a release is complete.",
)
MANIFEST_UNREADABLE = entry(
    "VD-MANIFEST-002",
    "the release manifest cannot be read",
    "It is not strict JSON of the published schema, oci/release-manifest.schema.json.",
    "Tell the publisher; nothing was changed.",
)
MANIFEST_TOO_LARGE = entry(
    "VD-MANIFEST-003",
    "the release manifest is too large",
    "It is larger than a runbook accepts.",
    "Tell the publisher; nothing was changed.",
)
UNKNOWN_SCHEMA_VERSION = entry(
    "VD-MANIFEST-004",
    "the release manifest is of an unknown schema version",
    "It is made for a newer version of the runbooks.",
    "Publish the runbooks of that release first.",
)
MANIFEST_CONTRADICTS_ITSELF = entry(
    "VD-MANIFEST-005",
    "the release manifest contradicts itself",
    "It has a name twice, it refers to something that it does not have, or its dependencies form a circle.",
    "Tell the publisher; nothing was changed.",
)
RELEASE_EXPIRED = entry(
    "VD-MANIFEST-006",
    "the release has expired",
    "Its expires_at is past: somebody may be holding newer releases back (a freeze attack), or this clock is wrong.",
    "Check the clock. If it is right, ask the publisher for a current release.",
)
RELEASE_OLDER_THAN_INSTALLED = entry(
    "VD-MANIFEST-007",
    "the release is older than the installed one",
    "An older release may hold known faults (a rollback attack).",
    "If you want the older release, run with allow_downgrade; `vibedata deploy` has the option --allow-downgrade.",
)
SAME_VERSION_OTHER_DIGEST = entry(
    "VD-MANIFEST-008",
    "the same version is installed with another digest",
    "A version's content never changes; one of the two is not the publisher's.",
    "Stop, and compare both digests with the publisher.",
)
NOT_A_RELEASE_MANIFEST = entry(
    "VD-MANIFEST-009",
    "the release artifact is not a release manifest",
    "Its artifact type, its layer's media type or the number of its layers differs from the contract.",
    "Check the tag and the repository with the publisher.",
)
NO_RELEASE_INSTALLED = entry(
    "VD-MANIFEST-010",
    "no release is installed",
    "Artifact storage holds no release manifest of that version.",
    "Run import_manifest first: `vibedata invoke import_manifest`. If you want another version, give one from the"
    " message as release_version.",
)
ARTIFACT_DIFFERS = entry(
    "VD-MANIFEST-011",
    "an artifact is not what the release manifest says",
    "Its type, its layers or their digests differ from the pinned ones: it was built wrongly, or somebody changed it.",
    "Do not use it. Tell the publisher which artifact it is.",
)
ARTIFACT_MISSING = entry(
    "VD-MANIFEST-012",
    "an artifact of the release is missing",
    "The customer's container registry does not have it under the digest that the release manifest pins.",
    "Run import_images, then run it again.",
    retryable=True,
)
CONTAINER_NOT_IMMUTABLE = entry(
    "VD-STORAGE-001",
    "the artifact container is not immutable",
    "It has no time-based retention policy at container level, or its policy covers only blob versions or allows"
    " protected append writes. The message says which.",
    "Set a policy on the container: `az storage container immutability-policy create --account-name STORAGE"
    " --container-name release-manifests --period 365`. docs/operators.md says more. If the container has"
    " version-level immutability, or a locked policy that allows append writes, nobody can change that: use another"
    " storage account.",
)
STORAGE_TAKES_NO_DATA = entry(
    "VD-STORAGE-002",
    "artifact storage accepts no data",
    "The account is full, read-only or disabled, or vibedata-uami may not write to it.",
    "Read the service's own words in the message. Check the account and the role Storage Blob Data Contributor.",
    retryable=True,
)
STORED_FILE_DIFFERS = entry(
    "VD-STORAGE-003",
    "a stored file does not match its name",
    "The blob's content has another SHA-256 than its name says.",
    "Treat it as tampering: compare the blob with the publisher's release before you run anything else.",
)
CONTAINER_MISSING = entry(
    "VD-STORAGE-004",
    "the container for artifacts is missing",
    "The storage account has no container of this name.",
    "Create the container: docs/operators.md says how.",
)
TOO_MANY_STORED = entry(
    "VD-STORAGE-005",
    "a listing holds more than a run reads",
    "Somebody else writes there. The suite itself keeps three blobs for each release, one row for each resource, and"
    " far fewer secrets, runbooks and rules.",
    "Find out who may write to the place that the message names; its log says who did. Nobody can delete blobs under a"
    " retention policy: if there are too many, import the release into another storage account.",
)
POLICY_NOT_LOCKED = entry(
    "VD-STORAGE-006",
    "the retention policy of the release manifests is not locked",
    "The setting `immutability` asks for a locked policy. An unlocked one can be removed.",
    "Lock it: `az storage container immutability-policy lock --account-name STORAGE --container-name release-manifests"
    " --if-match ETAG`. From then on nobody can take it away, and the application cannot be deleted before the last"
    " manifest has expired. docs/infrastructure.md says what each kind of policy protects against.",
)
