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
        "Its identity lacks a role, the managed application's deny assignment stands in the way, or a role assignment"
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
        "It is not strict JSON of the published schema: oci/release-manifest.schema.json.",
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
    _entry(
        "VD-MANIFEST-011",
        "an artifact is not what the release manifest says",
        "Its type, its layers or their digests differ from what is pinned: built wrongly, or tampered with.",
        "Do not use it. Tell the publisher which one it was.",
    ),
    _entry(
        "VD-MANIFEST-012",
        "an artifact of the release is missing",
        "The customer's container registry does not have it under the digest that the release manifest pins.",
        "Run import_images, then run it again.",
        retryable=True,
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
    _entry(
        "VD-IMPORT-006",
        "the customer's container registry refuses an import for now",
        "Another operation on it is under way, or the tag is locked.",
        "Run it again in a few minutes; if it stays, look for a lock on the tag.",
        retryable=True,
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
        "VD-STORAGE-004",
        "the container for artifacts is missing",
        "The storage account has no container of this name.",
        "Create it; docs/operators.md says how.",
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
    _entry(
        "VD-VAULT-003",
        "a secret cannot be used now",
        "Its validity has ended, or has not begun.",
        "Ask the publisher to provision it again; check the clock.",
    ),
    # The managed resource group and the component registry
    _entry(
        "VD-ARM-001",
        "Azure Resource Manager's answer cannot be understood",
        "It is not what the REST reference says, or leads elsewhere.",
        "Check setting arm_endpoint, and that no proxy stands between.",
    ),
    _entry(
        "VD-ARM-002",
        "there is no such resource group",
        "The subscription has no resource group of this name, or the identity may not see it.",
        "Check settings subscription_id and resource_group, and the role Reader on the managed resource group.",
    ),
    _entry(
        "VD-COMPONENT-001",
        "the managed resource group lacks what the release names",
        "These components' resources are not there: the deployment is not complete, is of another release, or a"
        " resource was deleted or renamed.",
        "Complete the deployment of the managed application, or install the release that belongs to it. Nothing was"
        " written.",
        retryable=True,
    ),
    _entry(
        "VD-COMPONENT-002",
        "the release manifest names a resource twice",
        "Several components claim the same resource, so that versions and health would contradict each other.",
        "Tell the publisher; nothing was written.",
    ),
    _entry(
        "VD-COMPONENT-003",
        "the component registry is of a newer schema",
        "A newer release has written it, and schemas only go forward.",
        "Run the runbooks of that release. Nothing was written.",
    ),
    _entry(
        "VD-COMPONENT-004",
        "an entity is too large for the component registry",
        "Table Storage takes keys of at most 1,024 characters and entities of at most 1 MiB.",
        "Shorten the name or the texts that the message names. Nothing was written.",
    ),
    _entry(
        "VD-COMPONENT-005",
        "a component drifts from the release",
        "Its resource runs another version than the installed release has.",
        "Deploy the release's version to it, or install the release that it belongs to. The run goes on: this is a"
        " warning.",
    ),
    _entry(
        "VD-COMPONENT-006",
        "the component registry does not hold still",
        "Others changed the same entities every time that they were to be written.",
        "Wait until other runs have ended, then run it again.",
        retryable=True,
    ),
    _entry(
        "VD-COMPONENT-007",
        "a table of the component registry cannot be made now",
        "Table Storage is still deleting a table of the same name, which takes some minutes.",
        "Find out who deleted it; run it again in a few minutes.",
        retryable=True,
    ),
    _entry(
        "VD-HEALTH-001",
        "the component registry holds no component",
        "Nothing was registered yet, so there is nothing whose health could be checked.",
        "Run bootstrap_registry; then run it again.",
        retryable=True,
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
    # The operations log and the job's output: these are warnings, no run fails by them
    _entry(
        "VD-LOG-001",
        "the operations log could not be delivered",
        "Log ingestion does not answer, or refuses vibedata-uami: it lacks the role Monitoring Metrics Publisher on the"
        " data collection rule, or the assignment is younger than 30 minutes.",
        "Nothing is lost: the events wait in blob container operations-spool, and the next run of any runbook delivers"
        " them.",
        retryable=True,
    ),
    _entry(
        "VD-LOG-002",
        "the operations log could be neither delivered nor stored",
        "Neither log ingestion nor blob container operations-spool takes the events.",
        "Keep this job's output: the events are in it. Check the roles in docs/operators.md.",
        retryable=True,
    ),
    _entry(
        "VD-LOG-003",
        "stored events of the operations log cannot be delivered",
        "Blob container operations-spool cannot be read, a blob's content is not what its name says, or log ingestion"
        " refuses it for what it holds.",
        "Look at the blob that the message names, or at the role Storage Blob Data Contributor; it stays there until it"
        " can be delivered.",
    ),
    _entry(
        "VD-OUTPUT-001",
        "the job's output is full",
        "Automation fails a job that writes more than 1 MiB, so that the rest of the progress is left out.",
        "Read the full record in table VibeData_Operations_CL.",
    ),
    # Building and pushing a release
    _entry(
        "VD-BUILD-001",
        "the release definition is not valid",
        "The file does not have the form of a release definition, or what it says would be refused by every customer.",
        "Mend the definition as the message says; `vibedata build --help` shows one.",
        exit_code=EXIT_USAGE,
    ),
    _entry(
        "VD-BUILD-002",
        "a runbook cannot be bundled",
        "A source file cannot be embedded as plain text, or the sandbox's Python 3.10 with the locked packages would"
        " not run it.",
        "Mend the source as the message says.",
    ),
    _entry(
        "VD-BUILD-003",
        "a built runbook is too large",
        "Automation takes at most 1 MiB of text for a runbook.",
        "Move what only some runbooks need into modules of its own: a runbook carries what it imports.",
    ),
    _entry(
        "VD-BUILD-004",
        "the locked packages cannot be downloaded",
        "pip found no wheel with the locked hash, or no connection to its index.",
        "Check the connection and pip's own configuration; if a version was withdrawn, run `make lock`.",
        retryable=True,
    ),
    _entry(
        "VD-BUILD-005",
        "a wheel is not the locked one",
        "What was downloaded has another name, version or hash than packages.lock says.",
        "Do not use it. Find out who changed it; `make lock` makes a new lock from a trusted index.",
    ),
    _entry(
        "VD-BUILD-006",
        "packages.lock is not valid",
        "It was edited by hand, or a merge left it broken.",
        "Run `make lock`.",
    ),
    _entry(
        "VD-BUILD-007",
        "the output folder holds something else",
        "A build replaces a former build and nothing else.",
        "Name another folder, or empty this one.",
        exit_code=EXIT_USAGE,
    ),
    _entry(
        "VD-BUILD-008",
        "the release has no time",
        "Its time is the commit's, so that two builds are the same; here is neither a commit nor SOURCE_DATE_EPOCH.",
        "Build in a clone, or set SOURCE_DATE_EPOCH (seconds since 1970, UTC).",
        exit_code=EXIT_USAGE,
    ),
    _entry(
        "VD-PUSH-001",
        "the folder is not a complete built release",
        "A file is missing or was changed after the build, or the folder was not made by `vibedata build`.",
        "Build it again.",
    ),
    _entry(
        "VD-PUSH-002",
        "the version exists already, with other content",
        "A version's tag never moves: somebody may have installed it.",
        "Give the release a new version and build it again.",
    ),
    _entry(
        "VD-PUSH-003",
        "the container registry lacks images of the release",
        "The release manifest pins images by digest that are not there; customers could not import them.",
        "Push the images first, then the release.",
    ),
    _entry(
        "VD-PUSH-004",
        "the push has no credentials",
        "Neither a user name with a password nor --entra was given.",
        "Set VIBEDATA_PUBLISHER_REGISTRY_USERNAME and VIBEDATA_PUBLISHER_REGISTRY_PASSWORD, or use --username with"
        " --password-stdin, or --entra.",
        exit_code=EXIT_USAGE,
    ),
    _entry(
        "VD-PUSH-005",
        "the container registry refuses the push",
        "The credentials are wrong or expired, or may not write to this repository.",
        "Check the user's or the token's rights (content/write, metadata/read), or the role AcrPush.",
    ),
    _entry(
        "VD-PUSH-006",
        "the container registry did not take an upload",
        "It answered with an error, led the upload elsewhere, or broke it off, after all retries.",
        "Run it again: what has arrived is not sent again.",
        retryable=True,
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
    _entry(
        "VD-AUTOMATION-006",
        "runbooks that are not the suite's stand in the way",
        "A runbook of the account has a name that the release needs, and is of another type, or was never published by"
        " the suite.",
        "Find out whose it is; rename or delete it, then run it again. Nothing of it was touched.",
    ),
    _entry(
        "VD-AUTOMATION-007",
        "the Automation account is at one of its limits",
        "It takes no further runtime environment, package, runbook or job; see its own words in the message.",
        "Delete runtime environments vibedata-... that no runbook uses, or ask Azure for a higher limit; then run it"
        " again.",
    ),
    _entry(
        "VD-AUTOMATION-008",
        "the Automation account refuses a change",
        "See its own words in the message.",
        "Mend what the message says; then run it again.",
    ),
    _entry(
        "VD-AUTOMATION-009",
        "Automation took no further package import for too long",
        "It takes 5 in 30 seconds; somebody else imports packages into the same account, or it is throttled.",
        "Run it again when the other imports are done; what was imported is not imported again.",
        retryable=True,
    ),
    _entry(
        "VD-AUTOMATION-010",
        "a runbook is not ready",
        "It is not published as the release has it, or lacks a package, a role, a name or an endpoint; the message says"
        " which.",
        "Mend what is lacking (docs/operators.md has the roles), or run publish_runbooks; then run it again.",
        retryable=True,
    ),
    _entry(
        "VD-AUTOMATION-011",
        "a runtime environment of a reserved name is not of Python 3.10",
        "Its language and version can never be changed.",
        "Delete it if nothing uses it; then run it again.",
    ),
)

CATALOGUE: dict[str, ErrorEntry] = {entry.code: entry for entry in _ENTRIES}
