"""Import the publisher's release manifest with its signature into the customer's container registry, and into artifact
storage, which is immutable.

The customer's tag `latest` moves last. The release that it points to is installed and complete in both places.
"""

import re
import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

from runbook_lib.basics.digest import digest_of
from runbook_lib.callbacks.delivery import Callbacks
from runbook_lib.change import Action, ActionKind, Change, NoChange, Plan
from runbook_lib.container_registry.image_import import ImageImporter, image_importer
from runbook_lib.container_registry.reader import ContainerRegistryReader, customer_reader, publisher_reader
from runbook_lib.context import Context
from runbook_lib.errors import release as release_errors
from runbook_lib.errors import run
from runbook_lib.permissions.images import IMPORT_IMAGES
from runbook_lib.permissions.storage import READ_RETENTION
from runbook_lib.release import storage as artifact_storage
from runbook_lib.release.fetch import place_name, resolve_release
from runbook_lib.release.hop import Release, SignedArtifact, read_release
from runbook_lib.release.immutability import check_immutable
from runbook_lib.release.manifest import TAG
from runbook_lib.release.model import LATEST, MANIFEST_CONTAINER, MANIFEST_REPOSITORY, ReleaseId
from runbook_lib.release.obstacles import check_installable, releases_in_the_way
from runbook_lib.release.stored import read_stored
from runbook_lib.release.storing import missing_parts, store_once
from runbook_lib.release.verification import verify_release
from runbook_lib.release.verification_log import Step, recorded
from runbook_lib.run.parameters import CommonParameters
from runbook_lib.runbook import Runbook, main
from runbook_lib.spool.keys import spool_keys
from runbook_lib.trust.manifest import ARTIFACT_TYPE, MAX_SIGNATURE_MANIFEST_BYTES
from runbook_lib.trust.pinned_policy import trust_policy
from runbook_lib.trust.referrers import list_referrers
from runbook_lib.trust.signature import TrustPolicy
from runbook_lib.vault.token_in_use import read_publisher_token

IMPORT_VERSION: ActionKind[str] = ActionKind("import", stage=1)
STORE: ActionKind[str] = ActionKind("store", stage=1)
IMPORT_SIGNATURE: ActionKind[SignedArtifact] = ActionKind("import", stage=2)
IMPORT_LATEST: ActionKind[str] = ActionKind("import", stage=3)


@dataclass(frozen=True, kw_only=True)
class Parameters(CommonParameters):
    """What import_manifest takes."""

    release_tag: str = field(default=LATEST, metadata={"help": "tag of the release: a version, or latest"})
    allow_downgrade: bool = field(default=False, metadata={"help": "accept an older release than the newest installed"})

    def __post_init__(self) -> None:
        """Check the tag's form. Raises RunbookError VD-PARAM-002."""
        super().__post_init__()
        if not re.fullmatch(TAG, self.release_tag):
            raise run.MALFORMED_PARAMETER.error("takes a tag: letters, digits, dots, dashes", target="release_tag")


@dataclass(frozen=True, slots=True, kw_only=True)
class Facts:
    """What import_manifest found.

    Attributes:
        release_tag: The requested tag.
        allow_downgrade: Whether an older release may be installed.
        now: The present time (aware).
        offered: The publisher's release, verified.
        installed: The stored releases that may forbid it.
        missing: The parts of it that artifact storage lacks.
        tags: The digest of each of the customer's tags of the release manifest, None for an absent tag.
        signed: Whether the customer's container registry has the signature.
        policy: The signers to trust.
        customer: Reads the customer's container registry.
        importer: Imports artifacts. None if nothing will be imported, as in a plan of the whole deployment.
    """

    release_tag: str
    allow_downgrade: bool
    now: datetime
    offered: Release[SignedArtifact]
    installed: tuple[ReleaseId, ...]
    missing: tuple[str, ...]
    tags: Mapping[str, str | None]
    signed: bool
    policy: TrustPolicy
    customer: ContainerRegistryReader = field(repr=False)
    importer: ImageImporter | None = field(repr=False)

    @property
    def release(self) -> ReleaseId:
        """The name of the offered release in artifact storage."""
        return self.offered.id

    @property
    def parts(self) -> Mapping[str, bytes]:
        """The parts of the release for artifact storage."""
        return {
            artifact_storage.ARTIFACT: self.offered.signed.artifact.content,
            artifact_storage.SIGNATURE: self.offered.signed.envelope,
            artifact_storage.CONTENT: self.offered.content,
        }


def observe(context: Context, parameters: Parameters) -> Facts:
    """Read the publisher's release, and the parts of it that the customer has."""
    clients, customer = context.clients, customer_reader(context)
    policy = trust_policy(context.settings)
    # 1. Refuse a container without a retention policy before anything else.
    kept = check_immutable(clients.resources, context.settings)
    context.output.info(f"container {MANIFEST_CONTAINER}: retention policy {kept}")
    # 2. Resolve the tag once. From here on only the digest counts, even if the tag moves.
    token = read_publisher_token(clients.secrets, context.redactor, now=context.clock.now())
    spool_keys(clients, context.redactor, context.clock).remember(token)
    publisher = publisher_reader(context, token)
    source = place_name(parameters.release_tag)
    place = resolve_release(publisher, parameters.release_tag)
    if place is None:
        raise release_errors.NO_SUCH_RELEASE.error(target=source)
    # 3. Verify who signed it before anything reads it. Then read its content, by digest.
    now = context.clock.now()
    offered = read_release(
        place,
        lambda artifact: recorded(
            context,
            f"{context.settings.publisher_registry}/{source}",
            lambda: verify_release(publisher, artifact, policy, now),
        ),
    )
    # 4. What is installed.
    return beside_installed(context, parameters, offered, importer=image_importer(context, customer, token))


def beside_installed(
    context: Context, parameters: Parameters, offered: Release[SignedArtifact], *, importer: ImageImporter | None
) -> Facts:
    """Return the facts about an offered, verified release: what the customer has of it, and what is installed.

    `importer`: see Facts.
    """
    customer, policy, release = customer_reader(context), trust_policy(context.settings), offered.id
    tags = {tag: customer.digest_of(MANIFEST_REPOSITORY, tag) for tag in (release.version, LATEST)}
    return Facts(
        release_tag=parameters.release_tag,
        allow_downgrade=parameters.allow_downgrade,
        now=context.clock.now(),
        offered=offered,
        installed=releases_in_the_way(context, customer, release, tags[LATEST]),
        missing=missing_parts(context, release, offered.signed.artifact, policy),
        tags=tags,
        signed=_seen_signature(context, customer, offered.signed) is not None,
        policy=policy,
        customer=customer,
        importer=importer,
    )


def _seen_signature(
    context: Context, customer: ContainerRegistryReader, signature: SignedArtifact, *, step: Step = "observe"
) -> str | None:
    """Return the result of `_signature_at`. Log a signature that is there, and one with other bytes."""
    found = recorded(
        context,
        f"{customer.login_server}/{MANIFEST_REPOSITORY}@{signature.signature_digest}",
        lambda: None if _signature_at(customer, signature) is None else signature,
        step=step,
    )
    return None if found is None else found.signature_digest


def _signature_at(customer: ContainerRegistryReader, signature: SignedArtifact) -> str | None:
    """Return the signature's digest if the customer's container registry has all of it and lists it for the release.

    Raises RunbookError VD-REGISTRY-005 if it has other bytes.
    """
    digest = signature.signature_digest
    listed = list_referrers(customer, MANIFEST_REPOSITORY, signature.digest, ARTIFACT_TYPE)
    if not any(one.get("digest") == digest for one in listed):
        return None
    # The digest makes sure that these are the bytes that were verified at the publisher's.
    there = customer.manifest(MANIFEST_REPOSITORY, digest, MAX_SIGNATURE_MANIFEST_BYTES)
    envelope = customer.blob(MANIFEST_REPOSITORY, digest_of(signature.envelope), len(signature.envelope))
    return None if there is None or envelope is None else digest


def plan(facts: Facts) -> Plan:
    """Plan the version tag and the stored blobs first, then the signature, which refers to them, and `latest` last.

    This refuses a release that must not be installed.
    """
    version, digest = facts.release.version, facts.offered.digest
    if facts.release_tag not in (version, LATEST):
        raise release_errors.NOT_A_RELEASE_MANIFEST.error(f"the tag holds version {version}", target=facts.release_tag)
    # The installed release is never a downgrade. So a rerun after a downgrade needs no second permission.
    there = not facts.missing and facts.tags == {version: digest, LATEST: digest}
    check_installable(
        facts.release,
        expires_at=facts.offered.manifest.expires_at,
        installed=facts.installed,
        now=facts.now,
        allow_downgrade=facts.allow_downgrade or there,
    )
    if facts.tags[version] not in (None, digest):
        raise release_errors.SAME_VERSION_OTHER_DIGEST.error(
            f"tag has {facts.tags[version]}, offered {digest}", target=version
        )
    signed = facts.offered.signed
    wanted = (
        IMPORT_VERSION.change(version, place_name(version), facts.tags[version], digest),
        *(_store(facts, part, content) for part, content in facts.parts.items()),
        IMPORT_SIGNATURE.change(
            signed,
            place_name(signed.signature_digest),
            signed.signature_digest if facts.signed else None,
            signed.signature_digest,
        ),
        IMPORT_LATEST.change(LATEST, place_name(LATEST), facts.tags[LATEST], digest),
    )
    return Plan(
        changes=tuple(change for change in wanted if change.before != change.after),
        unchanged=tuple(NoChange(change.target, "is the same") for change in wanted if change.before == change.after),
    )


def actions(context: Context, facts: Facts) -> Sequence[Action[Any]]:
    """Return the actions: import by a tag, import the signature (then it is a referrer), store a part as a blob."""
    service, customer, digest = context.clients.blob_service, facts.customer, facts.offered.digest
    importer = facts.importer
    if importer is None:
        raise ValueError("these facts are for a plan alone")

    def import_tag(tag: str) -> None:
        importer.import_by_digest(repository=MANIFEST_REPOSITORY, tag=tag, digest=digest)

    def import_latest(tag: str) -> None:
        # Before the tag moves, read the release in the same way as every runbook will.
        recorded(
            context,
            _target(facts, artifact_storage.CONTENT),
            lambda: read_stored(service, facts.release, facts.policy),
            step="verify",
        )
        import_tag(tag)

    def tagged(tag: str) -> str | None:
        return customer.digest_of(MANIFEST_REPOSITORY, tag)

    def import_signature(signature: SignedArtifact) -> None:
        importer.import_untagged(
            repository=MANIFEST_REPOSITORY,
            digest=signature.signature_digest,
            arrived=lambda: _signature_at(customer, signature) == signature.signature_digest,
        )

    def store(part: str) -> None:
        store_once(service, facts.release, part, facts.parts[part])

    def stored(part: str) -> str | None:
        found = artifact_storage.read_part(service, facts.release, part)
        return None if found is None else digest_of(found.content)

    return (
        Action(IMPORT_VERSION, import_tag, see=tagged),
        Action(STORE, store, see=stored),
        Action(
            IMPORT_SIGNATURE,
            import_signature,
            see=lambda signature: _seen_signature(context, customer, signature, step="verify"),
        ),
        Action(IMPORT_LATEST, import_latest, see=tagged),
    )


def _store(facts: Facts, part: str, content: bytes) -> Change:
    """Return the change of one part. A part that is there is right, even if it is another good signature."""
    after = digest_of(content)
    return STORE.change(part, _target(facts, part), None if part in facts.missing else after, after)


def _target(facts: Facts, part: str) -> str:
    return f"{MANIFEST_CONTAINER}/{artifact_storage.blob_name(facts.release, part)}"


RUNBOOK = Runbook(
    name="import_manifest",
    summary="import the publisher's release manifest",
    parameters=Parameters,
    observe=observe,
    plan=plan,
    actions=actions,
    callbacks=Callbacks(release_version=lambda facts: facts.release.version),
    permissions=(IMPORT_IMAGES, READ_RETENTION),
)

if __name__ == "__main__":
    sys.exit(main(RUNBOOK))
