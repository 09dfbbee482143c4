"""Import the publisher's release manifest: into the customer's container registry and, immutable, into artifact
storage.

The customer's tag `latest` moves last: what it points to is installed, whole and readable in both places.
"""

import re
import sys
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime

from runbook_lib import artifact_storage
from runbook_lib.callbacks import Callbacks
from runbook_lib.change import Change, NoChange, Plan
from runbook_lib.container_registry import ContainerRegistryReader, customer_reader, publisher_reader
from runbook_lib.errors import RunbookError
from runbook_lib.image_import import ImageImporter, image_importer
from runbook_lib.parameters import CommonParameters
from runbook_lib.publisher_token import read_publisher_token
from runbook_lib.release import InstalledRelease
from runbook_lib.release_fetch import FetchedRelease, fetch_release, resolve_release
from runbook_lib.release_manifest import REPOSITORY, TAG
from runbook_lib.release_rules import check_installable
from runbook_lib.runbook import Context, Runbook, main

LATEST = "latest"
IMPORT = "import"
STORE = "store"


@dataclass(frozen=True, kw_only=True)
class Parameters(CommonParameters):
    """What import_manifest takes."""

    release_tag: str = field(default=LATEST, metadata={"help": "tag of the release: a version, or latest"})
    allow_downgrade: bool = field(default=False, metadata={"help": "accept an older release than the newest installed"})

    def __post_init__(self) -> None:
        """Check what can be checked without the world. Raises RunbookError VD-PARAM-002."""
        super().__post_init__()
        if not re.fullmatch(TAG, self.release_tag):
            raise RunbookError("VD-PARAM-002", "takes a tag: letters, digits, dots, dashes", target="release_tag")


@dataclass(frozen=True, slots=True, kw_only=True)
class Facts:
    """What import_manifest found.

    offered: the publisher's release. installed: every release in artifact storage; stored: that the offered one is
    there, its bytes checked. tags: the customer's tags of the release manifest, with their digests (None: absent).
    """

    release_tag: str
    allow_downgrade: bool
    now: datetime
    offered: FetchedRelease
    installed: tuple[InstalledRelease, ...]
    stored: bool
    tags: Mapping[str, str | None]
    customer: ContainerRegistryReader = field(repr=False)
    importer: ImageImporter = field(repr=False)

    @property
    def release(self) -> InstalledRelease:
        """The offered release, as artifact storage knows it."""
        return InstalledRelease(self.offered.manifest.version, self.offered.sha256)


def observe(context: Context, parameters: Parameters) -> Facts:
    """Read the publisher's release and what the customer has of it."""
    clients, customer = context.clients, customer_reader(context)
    # 1. A container that would not keep the manifest for ever is refused before anything else.
    artifact_storage.check_immutable(clients.resources, context.settings)
    # 2. The tag is resolved once; from here on the digest counts, wherever the tag moves.
    token = read_publisher_token(clients.secrets, context.redactor)
    publisher = publisher_reader(context, token)
    artifact = resolve_release(publisher, parameters.release_tag)
    if artifact is None:
        raise RunbookError("VD-MANIFEST-001", target=f"{REPOSITORY}:{parameters.release_tag}")
    # 3. Here the signature of artifact.digest will be verified, before a byte of the content is parsed (next issue).
    # 4. The content, by digest, in bounds, and parsed with every check of form and consistency.
    offered = fetch_release(publisher, artifact)
    # 5. What is installed.
    release = InstalledRelease(offered.manifest.version, offered.sha256)
    installed = artifact_storage.list_installed(clients.blob_service)
    stored = release in installed and artifact_storage.read_back(clients.blob_service, release) is not None
    return Facts(
        release_tag=parameters.release_tag,
        allow_downgrade=parameters.allow_downgrade,
        now=context.clock.now(),
        offered=offered,
        installed=installed,
        stored=stored,
        tags={tag: customer.digest_of(REPOSITORY, tag) for tag in (release.version, LATEST)},
        customer=customer,
        importer=image_importer(context, customer, token),
    )


def plan(facts: Facts) -> Plan:
    """Version tag and stored blob first, `latest` last; refuse what must not be installed."""
    version, sha256, digest = facts.release.version, facts.release.sha256, facts.offered.digest
    if facts.release_tag not in (version, LATEST):
        raise RunbookError("VD-MANIFEST-009", f"the tag holds version {version}", target=facts.release_tag)
    # What is installed is no downgrade, also after one: a rerun has nothing to do, and needs no second permission.
    there = facts.stored and facts.tags == {version: digest, LATEST: digest}
    check_installable(
        facts.offered.manifest,
        sha256=sha256,
        installed=facts.installed,
        now=facts.now,
        allow_downgrade=facts.allow_downgrade or there,
    )
    if facts.tags[version] not in (None, digest):
        raise RunbookError("VD-MANIFEST-008", f"tag has {facts.tags[version]}, offered {digest}", target=version)
    content = f"sha256:{sha256}"
    blob = f"{artifact_storage.CONTAINER}/{artifact_storage.blob_name(facts.release)}"
    wanted = (
        Change(1, IMPORT, f"{REPOSITORY}:{version}", facts.tags[version], digest),
        Change(1, STORE, blob, content if facts.stored else None, content),
        Change(2, IMPORT, f"{REPOSITORY}:{LATEST}", facts.tags[LATEST], digest),
    )
    return Plan(
        changes=tuple(change for change in wanted if change.before != change.after),
        unchanged=tuple(NoChange(change.target, "is the same") for change in wanted if change.before == change.after),
    )


def apply(context: Context, facts: Facts, change: Change) -> None:
    """Make one change."""
    if change.action == STORE:
        artifact_storage.store_once(context.clients.blob_service, facts.release, facts.offered.content)
    else:
        facts.importer.import_by_digest(repository=REPOSITORY, tag=_tag(change), digest=change.after)


def look(context: Context, facts: Facts, change: Change) -> str | None:
    """Read one change back: the tag's digest, or the SHA-256 of what the blob holds."""
    if change.action == STORE:
        found = artifact_storage.read_back(context.clients.blob_service, facts.release)
        return None if found is None else f"sha256:{facts.release.sha256}"
    return facts.customer.digest_of(REPOSITORY, _tag(change))


def _tag(change: Change) -> str:
    return change.target.rpartition(":")[2]


RUNBOOK = Runbook(
    name="import_manifest",
    summary="import the publisher's release manifest",
    parameters=Parameters,
    observe=observe,
    plan=plan,
    apply=apply,
    look=look,
    callbacks=Callbacks(release_version=lambda facts: facts.release.version),
)

if __name__ == "__main__":
    sys.exit(main(RUNBOOK))
