"""Every failure that a user can meet, with what to do about it.

One catalogue; docs/errors.md is generated from it. A code, once released, keeps its meaning.
"""

from dataclasses import dataclass

EXIT_FAILED = 1
EXIT_USAGE = 2


@dataclass(frozen=True, slots=True, kw_only=True)
class ErrorEntry:
    """What is known of one failure: what happened, why, what to do now, and whether a rerun as it is can help."""

    code: str
    title: str
    cause: str
    remedy: str
    retryable: bool
    exit_code: int = EXIT_FAILED


class RunbookError(Exception):
    """A failure from the catalogue; `str()` is what the user reads.

    Parameters: code, a key of CATALOGUE (KeyError for another); detail, what was seen this time; target, what it was
    seen at.
    """

    def __init__(self, code: str, detail: str = "", *, target: str = "") -> None:
        entry = CATALOGUE[code]
        self.code = code
        self.detail = detail
        self.target = target
        where = f" ({target})" if target else ""
        self.message = f"{entry.title}{where}" + (f": {detail}" if detail else "")
        self.cause = entry.cause
        self.remedy = entry.remedy
        self.retryable = entry.retryable
        self.exit_code = entry.exit_code
        super().__init__(self.message)

    def __str__(self) -> str:
        """Return the whole story in four lines: what, why, what to do, whether to run again."""
        again = "run it again, nothing is lost" if self.retryable else "mend the cause first; then a rerun is safe"
        return f"{self.code}: {self.message}\n  cause: {self.cause}\n  what to do: {self.remedy}\n  rerun: {again}"

    def as_json(self) -> dict[str, object]:
        """Return the `error` member of a runbook's result (design section 3)."""
        return {
            "code": self.code,
            "message": self.message,
            "cause": self.cause,
            "remedy": self.remedy,
            "retryable": self.retryable,
        }


def _entry(
    code: str, title: str, cause: str, remedy: str, *, retryable: bool = False, exit_code: int = EXIT_FAILED
) -> ErrorEntry:
    return ErrorEntry(code=code, title=title, cause=cause, remedy=remedy, retryable=retryable, exit_code=exit_code)


_ENTRIES = (
    # Parameters and settings
    _entry(
        "VD-PARAM-001",
        "unknown parameter",
        "The runbook has no parameter of this name.",
        "Run it with --help to see its parameters.",
        exit_code=EXIT_USAGE,
    ),
    _entry(
        "VD-PARAM-002",
        "a parameter has the wrong form",
        "The value is not of the kind that the parameter takes.",
        "Give the parameter a value as the message says.",
        exit_code=EXIT_USAGE,
    ),
    _entry(
        "VD-PARAM-003",
        "the parameters cannot be read",
        "The one argument is not the base64url form of a JSON object. Automation splits arguments at spaces and does"
        " not hand JSON on unchanged.",
        "Start the job with `vibedata invoke`, or encode the JSON object as base64url without padding.",
        exit_code=EXIT_USAGE,
    ),
    _entry(
        "VD-SETTINGS-001",
        "a setting is missing",
        "Neither the parameters, the environment (VIBEDATA_*) nor the Automation variable vibedata-settings has it, and"
        " it does not follow from the naming prefix.",
        "Add it to the Automation variable vibedata-settings, or set it in the environment.",
        exit_code=EXIT_USAGE,
    ),
    _entry(
        "VD-SETTINGS-002",
        "a setting has the wrong form",
        "The value is not of the kind that the setting takes.",
        "Correct it where the message says that it came from.",
        exit_code=EXIT_USAGE,
    ),
    _entry(
        "VD-SETTINGS-003",
        "unknown setting",
        "There is no setting of this name.",
        "Take it out, or correct its name; docs/operators.md lists the settings.",
        exit_code=EXIT_USAGE,
    ),
    # Identity and network
    _entry(
        "VD-IDENTITY-001",
        "no token for the managed identity",
        "The sandbox's identity endpoint is absent, refused, or does not know vibedata-uami.",
        "Check that vibedata-uami is assigned to the Automation account and that setting uami_client_id is its client"
        " id.",
        retryable=True,
    ),
    _entry(
        "VD-IDENTITY-002",
        "no login on this machine",
        "Outside Azure Automation the runbook uses the developer's own login, and there is none.",
        "Run `az login`, or `source .lab/lab.env` to use the lab.",
    ),
    _entry(
        "VD-NET-001",
        "an Azure service cannot be reached",
        "No connection, a connection that broke, or no answer in time, after all retries.",
        "Check the service's health and the firewall. A cloud sandbox reaches no private endpoint: use a hybrid worker"
        " there.",
        retryable=True,
    ),
    _entry(
        "VD-NET-002",
        "an Azure service failed or throttled the request",
        "The service answered with an error, after all retries.",
        "See the status and the service's own words in the message; wait a few minutes and run it again.",
        retryable=True,
    ),
    _entry(
        "VD-NET-003",
        "an Azure service refused the request",
        "vibedata-uami lacks a role, the managed application's deny assignment stands in the way, or a role assignment"
        " is younger than 30 minutes.",
        "Check the roles in docs/operators.md. After a new role assignment wait up to 30 minutes.",
        retryable=True,
    ),
    # Release manifest
    _entry(
        "VD-MANIFEST-001",
        "the publisher's container registry has no such release",
        "The tag does not exist in repository vibedata/release-manifest.",
        "Check the release tag; the publisher moves `latest` only when a release is complete.",
    ),
    _entry(
        "VD-MANIFEST-002",
        "the release manifest cannot be read",
        "It is not strict JSON of the published schema: docs/release-manifest.schema.json.",
        "Tell the publisher; nothing was changed.",
    ),
    _entry(
        "VD-MANIFEST-003",
        "the release manifest is too large",
        "It is over the size that a runbook accepts.",
        "Tell the publisher; nothing was changed.",
    ),
    _entry(
        "VD-MANIFEST-004",
        "the release manifest is of an unknown schema version",
        "It was made for a newer runbook.",
        "Publish the runbooks of that release first.",
    ),
    _entry(
        "VD-MANIFEST-005",
        "the release manifest contradicts itself",
        "A name stands twice, a reference leads nowhere, or dependencies form a circle.",
        "Tell the publisher; nothing was changed.",
    ),
    _entry(
        "VD-MANIFEST-006",
        "the release has expired",
        "Its expires_at is past: somebody may be holding newer releases back (a freeze attack), or this clock is"
        " wrong.",
        "Ask the publisher for a current release; check the clock.",
    ),
    _entry(
        "VD-MANIFEST-007",
        "the release is older than the installed one",
        "An older release may hold known faults (a rollback attack).",
        "If it is meant, run again with allow_downgrade.",
    ),
    _entry(
        "VD-MANIFEST-008",
        "the same version is installed with another digest",
        "A version's content never changes; one of the two is not the publisher's.",
        "Stop, and compare both digests with the publisher.",
    ),
    _entry(
        "VD-MANIFEST-009",
        "the release artifact is not a release manifest",
        "Its artifact type, its layer's media type or the number of its layers differs from the contract.",
        "Check the tag and the repository with the publisher.",
    ),
    _entry(
        "VD-MANIFEST-010",
        "no release is installed",
        "Artifact storage holds no release manifest of that version.",
        "Run import_manifest first.",
    ),
    # Container registries
    _entry(
        "VD-REGISTRY-001",
        "the publisher's container registry cannot be reached",
        "No connection, or no answer in time, after all retries.",
        "Check setting publisher_registry, DNS and the firewall; then run it again.",
        retryable=True,
    ),
    _entry(
        "VD-REGISTRY-002",
        "the publisher's container registry refuses the token",
        "The repository-scoped token in secret publisher-acr-token is wrong, expired, or not for this repository.",
        "Ask the publisher to rotate the token; then run it again.",
    ),
    _entry(
        "VD-REGISTRY-003",
        "the customer's container registry refuses vibedata-uami",
        "It lacks the role Container Registry Data Importer and Data Reader, or the assignment is younger than 30"
        " minutes.",
        "Check the role assignment; after a new one wait up to 30 minutes and run it again.",
        retryable=True,
    ),
    _entry(
        "VD-REGISTRY-004",
        "a container registry failed or throttled the request",
        "It answered with an error, after all retries.",
        "Wait a few minutes and run it again.",
        retryable=True,
    ),
    _entry(
        "VD-REGISTRY-005",
        "the bytes do not match their digest",
        "What the container registry sent is not what was asked for: damaged, or tampered with.",
        "Do not use it. Tell the publisher which digest it was.",
    ),
    _entry(
        "VD-REGISTRY-006",
        "the container registry's answer is out of bounds",
        "It is larger than the suite accepts, is no valid answer of the protocol, or leads elsewhere.",
        "Check that the setting names a container registry, and that no proxy stands between.",
    ),
    _entry(
        "VD-REGISTRY-007",
        "the customer's container registry cannot be reached",
        "No connection, or no answer in time, after all retries.",
        "Check setting customer_registry and the firewall; then run it again.",
        retryable=True,
    ),
    # Import
    _entry(
        "VD-IMPORT-001",
        "an image is missing at the source",
        "The publisher's container registry does not have this digest.",
        "Tell the publisher; the others were imported, and a rerun takes up where this one ended.",
    ),
    _entry(
        "VD-IMPORT-002",
        "an import failed",
        "The customer's container registry could not import it; see its own words in the message. It may blame itself"
        " for what the source's firewall did.",
        "Run it again; if it fails alike, check the source and the message.",
        retryable=True,
    ),
    _entry(
        "VD-IMPORT-003",
        "an import did not end in time",
        "The operation was accepted but the image did not appear before the deadline.",
        "Run it again: a rerun looks at what has arrived since.",
        retryable=True,
    ),
    _entry(
        "VD-IMPORT-004",
        "an image's bytes do not match its digest",
        "The copy at the source is damaged or tampered with, and the import was refused.",
        "Tell the publisher which image it was; nothing of it was tagged.",
    ),
    _entry(
        "VD-IMPORT-005",
        "the source refuses the import",
        "The repository-scoped token in secret publisher-acr-token is wrong, expired, or not for this repository.",
        "Ask the publisher to rotate the token; then run it again.",
    ),
    # Storage and vault
    _entry(
        "VD-STORAGE-001",
        "the artifact container is not immutable",
        "It has no time-based retention policy at container level, or the policy is not locked.",
        "Set the policy on the container and lock it; docs/operators.md says how.",
    ),
    _entry(
        "VD-STORAGE-002",
        "artifact storage takes no data",
        "The account is full, read-only or disabled, or vibedata-uami may not write to it.",
        "See the service's own words in the message; check the account and the role Storage Blob Data Contributor.",
        retryable=True,
    ),
    _entry(
        "VD-STORAGE-003",
        "a stored manifest does not match its name",
        "The blob's content has another SHA-256 than its name says.",
        "Treat it as tampering: compare with the publisher before anything else runs.",
    ),
    _entry(
        "VD-VAULT-001",
        "a secret is missing",
        "The customer's Key Vault does not hold it, or holds it disabled.",
        "Ask the publisher to provision it.",
    ),
    _entry(
        "VD-VAULT-002",
        "a secret has the wrong form",
        'Secret publisher-acr-token must be JSON: {"username": ..., "password": ...}.',
        "Ask the publisher to provision it again.",
    ),
    # The engine
    _entry(
        "VD-ENGINE-001",
        "a change was made but does not show",
        "After the change the world was read back and held something else.",
        "Run it again; if it stays, somebody else changes the same thing.",
        retryable=True,
    ),
    _entry(
        "VD-ENGINE-002",
        "the run was stopped",
        "It was asked to end before all changes were made.",
        "Run it again; it goes on where this one ended.",
        retryable=True,
    ),
    _entry(
        "VD-ENGINE-900",
        "an unexpected error",
        "A fault of the suite, or an answer that it does not know.",
        "Send the job's verbose stream, or the correlation id, to the publisher.",
    ),
    # Automation account
    _entry(
        "VD-AUTOMATION-001",
        "the Automation account cannot be used",
        "It is not there, or not as it should be.",
        "Check setting automation_account.",
    ),
    _entry(
        "VD-AUTOMATION-002",
        "a package was not accepted",
        "Automation could not import the wheel.",
        "See the package's error in the portal; check that the package set was built for CPython 3.10 on Linux.",
    ),
    _entry(
        "VD-AUTOMATION-003",
        "a package import did not end in time",
        "Automation's provisioning state stayed open.",
        "Run it again; if the state stays, delete the package in the portal and run it again.",
        retryable=True,
    ),
    _entry(
        "VD-AUTOMATION-004",
        "the job did not end in time",
        "It is still queued or running.",
        "Look at the job in the portal; the runbook is safe to start again.",
        retryable=True,
    ),
    _entry(
        "VD-AUTOMATION-005",
        "the job ended without a result",
        "It was killed (memory, time, a stopped sandbox) or could not start.",
        "See the job's status and exception; the runbook is safe to start again.",
        retryable=True,
    ),
)

CATALOGUE: dict[str, ErrorEntry] = {entry.code: entry for entry in _ENTRIES}
